// gradcheck --foreign: is another program's norm right?
#include <cmath>
#include <nlohmann/json.hpp>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "cli/cli.h"
#include "cli/gradcheck_foreign.h"
#include "core/text.h"
#include "foreign/foreign.h"

namespace normscope::cli {
namespace {

using foreign::Judgement;
using foreign::ResultVerdict;
using Json = nlohmann::ordered_json;

std::vector<std::string> names_of(const std::vector<ResultVerdict>& results, bool right) {
  std::vector<std::string> names;
  for (const ResultVerdict& r : results)
    if (r.right == right) names.push_back(r.name);
  return names;
}

/// JSON has no NaN and no infinity: null.
Json number(double value) { return std::isfinite(value) ? Json(value) : Json(); }

Json as_json(const Judgement& j) {
  Json document = {
      {"norm", j.norm},         {"rows", j.rows},           {"width", j.width},          {"eps", j.eps},
      {"right", j.right()},     {"results", Json::array()}, {"mistakes", Json::array()}, {"unexplained", j.unexplained},
      {"not_judged", j.absent}, {"assumed", j.assumed},     {"unused", j.unused}};
  for (const ResultVerdict& r : j.results)
    document["results"].push_back({{"name", r.name},
                                   {"right", r.right},
                                   {"precision", r.precision},
                                   {"problem", r.problem},
                                   {"error", number(r.error)},
                                   {"tolerance", number(r.tolerance)},
                                   {"scale", number(r.scale)},
                                   {"at", r.at},
                                   {"foreign", number(r.foreign)},
                                   {"expected", number(r.expected)}});
  for (const foreign::Explanation& e : j.explanations)
    document["mistakes"].push_back({{"results", e.results}, {"what", e.what}, {"correct", e.correct}});
  return document;
}

std::vector<std::string> row_of(const ResultVerdict& r) {
  if (r.at.empty() && !r.problem.empty()) return {r.name, "WRONG", "", "", r.problem, r.precision};
  std::string where = r.at.empty() ? "" : fmt::format("[{}]: ", fmt::join(r.at, ", "));
  where += fmt::format("{:.9g}, expected {:.9g}", r.foreign, r.expected);
  return {r.name,
          r.right ? "right" : "WRONG",
          fmt::format("{:.1e}", r.error),
          fmt::format("{:.1e}", r.tolerance),
          where,
          r.precision};
}

void print_judgement(const Judgement& j) {
  print(fmt::format("{} on {} rows of {}, eps = {:g}; errors relative to the result's root mean square\n", j.norm,
                    grouped(j.rows), grouped(j.width), j.eps));
  std::vector<std::vector<std::string>> rows;
  for (const ResultVerdict& r : j.results) rows.push_back(row_of(r));
  print(table({"result", "", "error", "allowed", "worst at", "judged as"}, rows, {false, false, true, true}));
  const auto line = [](const char* what, const std::vector<std::string>& list) {
    if (!list.empty()) print(fmt::format("{}: {}\n", what, join(list, ", ")));
  };
  line("not in the file, not checked", j.absent);
  line("not in the file, assumed", j.assumed);
  line("not used", j.unused);
  if (j.right())
    print(fmt::format("RIGHT: {}\n", join(names_of(j.results, true), ", ")));
  else
    print(fmt::format("WRONG: {}\n", join(names_of(j.results, false), ", ")));
  std::vector<std::string> before;
  for (const foreign::Explanation& e : j.explanations) {
    const std::string names = e.results == before ? "or" : join(e.results, ", ");
    print(fmt::format("likely mistake ({}): {}; right: {}\n", names, e.what, e.correct));
    before = e.results;
  }
  line("no known mistake explains", j.unexplained);
}

}  // namespace

int judge_foreign(const std::string& file, const std::string& norm, bool json) {
  const Judgement judgement = foreign::judge(read_npz(file), norm);
  if (json)
    print_json(as_json(judgement));
  else
    print_judgement(judgement);
  return static_cast<int>(judgement.right() ? ExitCode::done : ExitCode::check_failed);
}

}  // namespace normscope::cli
