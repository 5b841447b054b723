#include <fmt/format.h>
#include "commands/commands.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "cli/cli.h"
#include "config/config_text.h"
#include "core/decimal_text.h"

namespace normscope::cli {
namespace {

using Json = nlohmann::ordered_json;

std::vector<double> numbers(const std::string& flag, const std::string& text) {
  std::vector<double> values;
  for (const std::string& part : split(text, ',')) {
    const auto value = parse_number(part);
    if (!value) throw UsageError(fmt::format("--{}: '{}' is not a finite number; write --{} 1,2,3", flag, part, flag));
    values.push_back(*value);
  }
  return values;
}

int print_catalogue(bool as_json) {
  if (as_json) {
    Json document = {{"norms", Json::array()}, {"placements", placement_names()}};
    for (const NormInfo& norm : norm_catalogue())
      document["norms"].push_back({{"name", norm.name},
                                   {"formula", norm.formula},
                                   {"parameters", norm.parameters},
                                   {"reference", norm.reference}});
    print_json(document);
    return 0;
  }
  std::vector<std::vector<std::string>> rows;
  for (const NormInfo& norm : norm_catalogue())
    rows.push_back({norm.name, norm.formula, norm.parameters, norm.reference});
  print(table({"norm", "formula", "parameters and options", "reference"}, rows));
  print("\nPlacements: " + join(placement_names(), ", ") + "\n");
  return 0;
}

void check_name(const std::string& name) {
  std::vector<std::string> names;
  for (const NormInfo& norm : norm_catalogue()) names.push_back(norm.name);
  const std::string base = name.substr(0, name.find(':'));
  if (std::find(names.begin(), names.end(), base) == names.end())
    throw UsageError(fmt::format("norm '{}' is not in the catalogue; there are: {}; the nearest is {}", base,
                                 join(names, ", "), nearest_word(base, names)));
}

int print_result(const NormResult& result, bool as_json) {
  const std::vector<std::pair<const char*, const std::vector<double>*>> fields{
      {"y", &result.y}, {"dx", &result.dx}, {"dgain", &result.dgain}, {"dbias", &result.dbias}};
  Json document = Json::object();
  std::vector<std::pair<std::string, std::string>> rows;
  for (const auto& [name, values] : fields) {
    if (values->empty()) continue;
    document[name] = *values;
    std::vector<std::string> texts;
    for (const double value : *values) texts.push_back(significant_text(value, 12));
    rows.emplace_back(name, join(texts, "  "));
  }
  if (as_json)
    print_json(document);
  else
    print(facts(rows));
  return 0;
}

}  // namespace

int run_norms(const Arguments& arguments) {
  NormCall call;
  std::vector<std::string> words, settings;
  std::string x, dy;
  Parser parser("norms", "The catalogue of norms; with `apply NAME` a pocket calculator on one row, gain 1 and bias 0.",
                "  normscope norms apply rmsnorm --x 1,2,3,4 --dy 1,0,0,0 --eps 0\n"
                "    y, and the gradients dx and dgain for the output gradient dy");
  parser.positional("apply NAME", words, "a norm of the catalogue; without it the catalogue is shown", 0, 2);
  parser.option("x", &x, "the row, such as 1,2,3,4");
  parser.option("dy", &dy, "gradient of the output, as long as x");
  parser.option("eps", &call.eps, "eps, inside the root [1e-5]");
  parser.option("set", &settings, "an option of the norm, such as p=0.5 (repeat for more)");
  parser.option("dtype", &call.dtype, "float32 | float64 [float64]");
  if (!parser.parse(arguments)) return 0;
  if (words.empty()) return print_catalogue(parser.json);
  if (words.front() != "apply")
    throw UsageError(fmt::format("'{}' has no place here; write normscope norms apply NAME --x 1,2,3", words.front()));
  if (words.size() < 2) throw UsageError("the norm's name is missing; write normscope norms apply NAME --x 1,2,3");
  call.name = words[1];
  check_name(call.name);
  for (const std::string& setting : settings) {
    if (setting.find('=') == std::string::npos)
      throw UsageError(fmt::format("--set: '{}' has no value; write --set NAME=VALUE", setting));
    call.name += (call.name.find(':') == std::string::npos ? ":" : "+") + setting;
  }
  call.x = numbers("x", x);
  call.dy = numbers("dy", dy);
  if (call.x.empty()) throw UsageError("--x is missing; write --x 1,2,3");
  if (!call.dy.empty() && call.dy.size() != call.x.size())
    throw UsageError(fmt::format("--dy has {} numbers and --x {}; give as many", call.dy.size(), call.x.size()));
  if (call.eps < 0) throw UsageError(fmt::format("--eps: {} is negative; give 0 or above", call.eps));
  if (call.dtype != "float32" && call.dtype != "float64")
    throw UsageError(fmt::format("--dtype: '{}' is unknown; allowed: float32, float64", call.dtype));
  return print_result(norm_apply(call), parser.json);
}

}  // namespace normscope::cli
