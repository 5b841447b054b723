#include <fmt/format.h>
#include "commands/commands.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <nlohmann/json.hpp>

#include "cli/bar.h"
#include "cli/cli.h"
#include "cli/gradcheck_foreign.h"

namespace normscope::cli {
namespace {

std::string error_text(double error) { return std::isnan(error) ? "nan" : fmt::format("{:.1e}", error); }

/// A failure is worse than any success, and NaN worse than any number.
bool worse(const GradcheckRow& a, const GradcheckRow& b) {
  if (a.passed != b.passed) return !a.passed;
  if (std::isnan(a.error) != std::isnan(b.error)) return std::isnan(a.error);
  return a.error > b.error;
}

/// All checks of one op, norm, placement or model.
struct Group {
  std::int64_t checks = 0, failed = 0;
  GradcheckRow worst;
};

void print_table(const std::vector<GradcheckRow>& rows) {
  std::vector<std::string> order;  // as the checks were made
  std::map<std::string, Group> groups;
  for (const GradcheckRow& row : rows) {
    const std::string key = row.topic + "/" + row.name;
    Group& group = groups[key];
    if (group.checks++ == 0) order.push_back(key);
    group.failed += !row.passed;
    if (group.checks == 1 || worse(row, group.worst)) group.worst = row;
  }
  std::vector<std::vector<std::string>> cells;
  std::string topic;
  for (const std::string& key : order) {
    const Group& group = groups[key];
    cells.push_back({group.worst.topic == topic ? "" : group.worst.topic, group.worst.name, grouped(group.checks),
                     error_text(group.worst.error), group.worst.tensor, group.worst.input,
                     group.failed ? fmt::format("FAILED ({})", group.failed) : "ok"});
    topic = group.worst.topic;
  }
  print(table({"topic", "name", "checks", "worst", "of", "at", "result"}, cells, {false, false, true, true}));
}

}  // namespace

int run_gradcheck(const Arguments& arguments) {
  std::string filter, foreign, norm;
  std::uint64_t seed = 1337;
  Parser parser("gradcheck",
                "Compares every hand-written gradient with central finite differences in float64. Each op states the\n"
                "inputs it is checked on. Exit code 4: an error is larger than 1e-6. With --foreign, checks the\n"
                "results of another program's norm: exit code 0 if all are right, 4 if one is wrong.",
                "  normscope gradcheck --filter 'norm/*'\n"
                "    norms only: the largest relative error of each, and its location\n"
                "  normscope gradcheck --foreign theirs.npz --norm layernorm\n"
                "    which of its results are right, how far off the others are,\n"
                "    and the likely mistake");
  parser.option("filter", &filter, "glob over topic/name, such as op/softmax or 'norm/*' [*]");
  parser.option("seed", &seed, "seed of inputs and output weights [1337]");
  parser.option("foreign", &foreign, "FILE.npz with x, dy, gain, bias, eps and y, dx, dgain, dbias of another program");
  parser.option(
      "norm", &norm,
      "check this norm alone, such as 'formula: x / (mean(abs(x)) + eps)'; with --foreign, the norm to compare with");
  parser.parse(arguments);
  if (!foreign.empty() && norm.empty())
    throw UsageError("--foreign FILE.npz needs --norm NAME as well; normscope norms lists the norms");
  if (foreign.empty() && !norm.empty() && !filter.empty())
    throw UsageError("--filter and --norm each choose what is checked; give one of them");
  if (!foreign.empty()) return judge_foreign(foreign, norm, parser.json);
  const std::vector<GradcheckRow> rows = with_bar(
      parser, "checks", [&](const OnProgress& on_progress) { return gradcheck(filter, norm, seed, on_progress); });
  if (rows.empty())
    throw UsageError(
        fmt::format("--filter: '{}' matches no check; the names are topic/name, topics op, norm, placement, "
                    "model",
                    filter));
  const auto failed = std::count_if(rows.begin(), rows.end(), [](const GradcheckRow& row) { return !row.passed; });
  const GradcheckRow& worst = *std::min_element(rows.begin(), rows.end(), worse);
  if (parser.json) {
    nlohmann::ordered_json document = {
        {"checks", rows.size()}, {"failed", failed}, {"worst", worst.error}, {"rows", nlohmann::ordered_json::array()}};
    for (const GradcheckRow& row : rows)
      document["rows"].push_back({{"topic", row.topic},
                                  {"name", row.name},
                                  {"input", row.input},
                                  {"tensor", row.tensor},
                                  {"error", row.error},
                                  {"passed", row.passed}});
    print_json(document);
  } else {
    print_table(rows);
    const std::string verdict = failed ? fmt::format("{} FAILED", failed) : "all passed";
    print(fmt::format("{} checks, worst {} ({}/{}, {}), {}\n", rows.size(), error_text(worst.error), worst.topic,
                      worst.name, worst.tensor, verdict));
  }
  return static_cast<int>(failed ? ExitCode::check_failed : ExitCode::done);
}

}  // namespace normscope::cli
