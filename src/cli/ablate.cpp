#include <fmt/format.h>
#include "study/study.h"

#include <algorithm>
#include <cstdio>
#include <filesystem>

#include "cli/cli.h"
#include "commands/commands.h"
#include "config/config_text.h"

namespace normscope::cli {
namespace {

/// Every run must be possible before any begins: the first arm, and each value of each axis in its place.
void check_arms(const Config& base, const Axes& axes) {
  Config first = base;
  const auto check = [](Config config) {
    config.resolve();
    if (config.init_from == "resume" || config.init_from == "auto")
      throw UsageError(
          fmt::format("init_from = {} ({}) applies to train only; ablate resumes the runs of its folder automatically; "
                      "remove init_from",
                      config.init_from, config.where("init_from")));
    check_model(config);
    check_statistics(config);
  };
  const auto flag = [](const std::string& key) { return "--" + key; };
  for (const auto& [key, values] : axes) first.set_list(key, {values.front()}, flag(key));
  check(first);
  for (const auto& [key, values] : axes)
    for (const std::string& value : values) {
      Config arm = first;
      arm.set_list(key, {value}, flag(key));
      check(arm);
    }
}

/// Where the user wrote a key: flags in the order in which they were typed, then the lines of the file.
std::pair<std::size_t, std::size_t> written_at(const Arguments& arguments, const Config& config,
                                               const std::string& key) {
  const std::string where = config.where(key);
  for (std::size_t i = 0; i < arguments.size(); ++i)
    if (flag_name(arguments[i]) == key) return {i, 0};
  const auto colon = where.rfind(':');
  const std::string line = colon == std::string::npos ? "" : where.substr(colon + 1);
  const bool number = !line.empty() && line.size() < 9 && line.find_first_not_of("0123456789") == std::string::npos;
  return {arguments.size(), number ? std::stoul(line) : 0};
}

/// Every list becomes an axis, in the order in which they were written. Paths are free text: one that exists is one
/// value, whatever commas it holds.
Config read_config(const Parser& parser, const Arguments& arguments, Axes& axes) {
  Config base = parser.config();
  for (const KeyInfo& key : config_keys()) {
    const bool path = std::string_view(key.name) == "data" || key.role == KeyRole::start;
    if (!path || base.lists.count(key.name) || std::filesystem::exists(base.get(key.name))) continue;
    const auto values = split_list(base.get(key.name));
    if (values.size() > 1) base.set_list(key.name, values, base.where(key.name));
  }
  for (const KeyInfo& key : config_keys()) {
    const auto found = base.lists.find(key.name);
    if (found == base.lists.end()) continue;
    const std::string where = base.where(key.name), list = join_list(found->second);
    if (key.role == KeyRole::seed)
      throw UsageError(
          fmt::format("{}: '{}' is a list; --seed takes the first seed and --seeds N their number", where, list));
    if (key.role == KeyRole::machine)
      throw UsageError(fmt::format("{}: '{}' is a list; {} takes one value for all runs", where, list, key.name));
    axes.emplace_back(key.name, found->second);
  }
  std::stable_sort(axes.begin(), axes.end(), [&](const auto& a, const auto& b) {
    return written_at(arguments, base, a.first) < written_at(arguments, base, b.first);
  });
  base.lists.clear();
  if (axes.empty())
    throw UsageError(
        "no key has more than one value, so there is nothing to compare; give a list, such as "
        "--norm layernorm,rmsnorm, or train a single model with normscope train");
  return base;
}

}  // namespace

int run_ablate(const Arguments& arguments) {
  StudyOptions options;
  Parser parser(
      "ablate",
      "Trains a grid of runs that share batches and initial weights for each seed, and compares them in pairs. Any\n"
      "key with a comma-separated list is an axis; its first value is the baseline. The first axis is the\n"
      "one that the figures compare, at each combination of the others.",
      "  normscope ablate --preset micro --data synthetic:grammar \\\n"
      "      --train_tokens 51264 --norm layernorm,layernorm:bias=false,rmsnorm \\\n"
      "      --seeds 5\n"
      "    15 runs; prints the paired differences with 95 % intervals, draws a report.\n"
      "    The same command continues an interrupted study.");
  parser.option("seeds", &options.seeds, "number of paired seeds: seed, seed + 1, ... [5]");
  parser.option("jobs", &options.jobs, "parallel runs (0: as many as the cores allow) [0]");
  parser.option("overwrite", &options.overwrite, "replace an existing study in the folder");
  bool time = false;
  parser.option("time", &time, "after training, measure the time per step of each arm, interleaved, on one thread");
  parser.config_keys();
  parser.parse(arguments);
  if (options.seeds < 1) throw UsageError("--seeds: must be 1 or more (2 or more for an interval)");
  options.base = read_config(parser, arguments, options.axes);
  const bool data_axis =
      std::any_of(options.axes.begin(), options.axes.end(), [](const auto& axis) { return axis.first == "data"; });
  if (!data_axis) require_data(options.base);
  check_arms(options.base, options.axes);
  std::swap(options.out_dir, options.base.out_dir);  // the folder is the study's, each run has its own below it
  options.quiet = parser.quiet;
  if (time) options.time_arms = time_arms;
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
