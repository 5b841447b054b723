#include <fmt/format.h>
#include "study/study.h"

#include <algorithm>
#include <cstdio>

#include "cli/cli.h"
#include "config/config_text.h"

namespace normscope::cli {
namespace {

/// May a comma list make this key an axis? Lists hold commas of their own, names and folders are one for the study.
bool can_be_axis(const std::string& key) {
  return std::string_view(find_key(key)->type) != "list" && key != "name" && key != "out_dir" && key != "seed";
}

/// The values of one axis; raises UsageError for one of the wrong type, an empty one and one that stands twice.
std::vector<std::string> axis_values(const std::string& key, const std::string& text, const std::string& where) {
  std::vector<std::string> values;
  for (const std::string& part : split(text, ',')) {
    if (part.empty()) throw UsageError(fmt::format("{}: '{}' has an empty value; write {} A,B", where, text, where));
    Config typed;
    typed.set(key, part, where);  // 1e-3 and 0.001 are one value
    if (std::find(values.begin(), values.end(), typed.get(key)) != values.end())
      throw UsageError(
          fmt::format("{}: the value {} stands twice in the axis {}; give each value once", where, part, text));
    values.push_back(typed.get(key));
  }
  return values;
}

/// Every run must be possible before any begins: the first arm, and each value of each axis in its place.
void check_arms(const Config& base, const Axes& axes) {
  Config first = base;
  const auto check = [](Config config) {
    config.resolve();
    check_names(config);
    if (config.init_from == "resume" || config.init_from == "auto")
      throw UsageError(
          fmt::format("init_from = {} ({}) is for train; ablate continues the runs of its folder by itself, "
                      "leave init_from out",
                      config.init_from, config.where("init_from")));
  };
  const auto flag = [](const std::string& key) { return "--" + key; };
  for (const auto& [key, values] : axes) first.set(key, values.front(), flag(key));
  check(first);
  for (const auto& [key, values] : axes)
    for (const std::string& value : values) {
      Config arm = first;
      arm.set(key, value, flag(key));
      check(arm);
    }
}

/// Flags with a comma list become axes; the same in text keys of a config file (norm = "layernorm,rmsnorm").
Config read_config(const Parser& parser, Axes& axes) {
  Config base = parser.config([&](const std::string& key, const std::string& value) {
    if (key == "seed" && value.find(',') != std::string::npos)
      throw UsageError(
          fmt::format("--seed: '{}' is a list; --seed takes the first seed and --seeds N their number", value));
    if (value.find(',') == std::string::npos || !can_be_axis(key)) return false;
    axes.emplace_back(key, axis_values(key, value, "--" + key));
    return true;
  });
  for (const KeyInfo& key : config_keys()) {
    const std::string value = base.get(key.name);
    const bool taken = std::any_of(axes.begin(), axes.end(), [&](const auto& axis) { return axis.first == key.name; });
    if (!taken && value.find(',') != std::string::npos && can_be_axis(key.name))
      axes.emplace_back(key.name, axis_values(key.name, value, base.where(key.name)));
  }
  return base;
}

}  // namespace

int run_ablate(const Arguments& arguments) {
  StudyOptions options;
  Parser parser(
      "ablate",
      "Trains a grid of runs that share batches and initial weights seed by seed, and compares them in pairs. Any\n"
      "key given a comma list is an axis; its first value is what the others are compared with.",
      "  normscope ablate --preset micro --train_tokens 51264 --data synthetic:grammar \\\n"
      "      --norm layernorm,layernorm:bias=false,rmsnorm --seeds 5\n"
      "    15 runs; prints the paired differences with 95 % intervals and draws a report.\n"
      "    Started again, it keeps what is finished.");
  parser.option("seeds", &options.seeds, "paired seeds: seed, seed + 1, ... [5]");
  parser.option("jobs", &options.jobs, "workers at once (0: as many as fit the cores) [0]");
  parser.option("overwrite", &options.overwrite, "replace a study of the same folder");
  parser.config_keys();
  if (!parser.parse(arguments)) return 0;
  if (options.seeds < 1) throw UsageError("--seeds: '0' is too few; give 1 or more, 2 or more for an interval");
  options.base = read_config(parser, options.axes);
  require_data(options.base);
  check_arms(options.base, options.axes);
  std::swap(options.out_dir, options.base.out_dir);  // the folder is the study's, each run has its own below it
  options.quiet = parser.quiet;
  options.command = command_line("ablate", arguments);
  const StudyOutcome outcome = run_study(options);
  for (const std::string& problem : outcome.problems)
    std::fputs(("normscope ablate: " + problem + "\n").c_str(), stderr);
  if (parser.json) {
    print(outcome.json + "\n");
  } else {
    print(outcome.text);
    if (!outcome.report.empty()) print("Report: " + outcome.report + "\n");
  }
  return static_cast<int>(outcome.exit);
}

}  // namespace normscope::cli
