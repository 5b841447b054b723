#include <fmt/format.h>
#include "commands/commands.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "cli/cli.h"
#include "core/decimal_text.h"
#include "core/text.h"

namespace normscope::cli {
namespace {

using Json = nlohmann::ordered_json;

std::vector<double> numbers(const std::string& flag, const std::vector<std::string>& texts) {
  std::vector<double> values;
  for (const std::string& part : texts) {
    const auto value = parse_number(part);
    if (!value) throw UsageError(fmt::format("--{}: '{}' is not a finite number; write --{} 1,2,3", flag, part, flag));
    values.push_back(*value);
  }
  return values;
}

Json options_json(const NormInfo& norm) {
  Json list = Json::array();
  for (const NormInfo::Option& o : norm.options)
    list.push_back(
        {{"name", o.name}, {"range", o.range}, {"default", o.default_value}, {"documentation", o.documentation}});
  return list;
}

/// A few lines of at most 80 columns: name and label, formula, parameters, options, reference.
std::string norm_text(const NormInfo& norm) {
  std::string out = hanging(norm.name, norm.label, 16) + hanging("", norm.formula, 4);
  if (norm.parameters != "-") out += hanging("    trains", norm.parameters, 12);
  for (const NormInfo::Option& o : norm.options)
    out += hanging("    option",
                   fmt::format("{}:{}, {} [{}]: {}", norm.name, o.name, o.range, o.default_value, o.documentation), 12);
  return out + hanging("    from", norm.reference, 12) + "\n";
}

int print_catalogue(bool as_json) {
  if (as_json) {
    Json document = {{"norms", Json::array()}, {"placements", Json::array()}};
    for (const PlacementInfo& placement : placement_catalogue()) document["placements"].push_back(placement.name);
    for (const NormInfo& norm : norm_catalogue())
      document["norms"].push_back({{"name", norm.name},
                                   {"formula", norm.formula},
                                   {"parameters", norm.parameters},
                                   {"reference", norm.reference},
                                   {"label", norm.label},
                                   {"over", norm.over},
                                   {"detached", norm.detached},
                                   {"options", options_json(norm)},
                                   {"variants", norm.variants}});
    print_json(document);
    return 0;
  }
  for (const NormInfo& norm : norm_catalogue()) print(norm_text(norm));
  print(
      "Options are appended to the name (--norm prmsnorm:p=0.25+eps=1e-6); every\n"
      "norm takes eps, bias and affine.\n\n"
      "A norm may be a formula:\n"
      "  --norm 'formula: gain * x / (mean(abs(x)) + eps) + bias'\n"
      "or, with a name of its own, 'formula: NAME = ...'. x is a row of C entries;\n"
      "eps, C and pi are numbers; gain (initially 1) and bias (0) are vectors.\n"
      "scalar(NAME, START) and vector(NAME, START) declare further parameters.\n"
      "Operators: + - * / ^. Of a row: mean, var, sum, max. Of each entry: sqrt,\n"
      "exp, log, tanh, erf, sigmoid, atan, sin, abs, clip(v, low, high),\n"
      "max(v, number). detach(v) stops the gradient.\n\n"
      "Placements (--norm_placement)\n");
  for (const PlacementInfo& placement : placement_catalogue())
    print(hanging("  " + placement.name, placement.formula, 13) + hanging("", placement.reference, 13));
  return 0;
}

int print_result(const NormResult& result, bool as_json) {
  std::vector<std::pair<std::string, std::vector<double>>> fields{{"y", result.y}, {"dx", result.dx}};
  fields.insert(fields.end(), result.gradients.begin(), result.gradients.end());
  Json document = Json::object();
  std::vector<std::pair<std::string, std::string>> rows;
  for (const auto& [name, values] : fields) {
    if (values.empty()) continue;
    document[name] = values;
    std::vector<std::string> texts;
    for (const double value : values) texts.push_back(significant_text(value, 12));
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
  std::vector<std::string> words, settings, x, dy;
  Parser parser("norms",
                "Lists the norms. With `apply NAME`, evaluates a norm on one row, with its initial parameters.",
                "  normscope norms apply rmsnorm --x 1,2,3,4 --dy 1,0,0,0 --eps 0\n"
                "    y, and the gradients of x and of each parameter (dgain, dbias, ...),\n"
                "    for the output gradient dy");
  parser.positional("apply NAME", words, "a norm to evaluate; without it, all norms are listed", 0, 2);
  parser.option("x", &x, "the row, such as 1,2,3,4");
  parser.option("dy", &dy, "gradient of the output, same length as x");
  parser.option("eps", &call.eps, "eps of the norm [1e-5]");
  parser.option("set", &settings, "an option of the norm, such as p=0.5 (repeat for more)");
  parser.option("dtype", &call.dtype, "precision [float64]", {"float32", "float64"});
  parser.parse(arguments);
  if (words.empty()) return print_catalogue(parser.json);
  if (words.front() != "apply")
    throw UsageError(
        fmt::format("unexpected argument '{}'; write normscope norms apply NAME --x 1,2,3", words.front()));
  if (words.size() < 2) throw UsageError("missing norm name; write normscope norms apply NAME --x 1,2,3");
  call.name = words[1];
  for (const std::string& setting : settings) {
    if (setting.find('=') == std::string::npos)
      throw UsageError(fmt::format("--set: '{}' has no value; write --set NAME=VALUE", setting));
    call.name += (call.name.find(':') == std::string::npos ? ":" : "+") + setting;
  }
  call.x = numbers("x", x);
  call.dy = numbers("dy", dy);
  if (call.x.empty()) throw UsageError("--x is missing; write --x 1,2,3");
  if (!call.dy.empty() && call.dy.size() != call.x.size())
    throw UsageError(
        fmt::format("--dy has {} numbers, but --x has {}; the counts must match", call.dy.size(), call.x.size()));
  if (call.eps < 0) throw UsageError(fmt::format("--eps: {} is negative; give 0 or above", call.eps));
  return print_result(norm_apply(call), parser.json);
}

}  // namespace normscope::cli
