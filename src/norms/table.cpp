#include <algorithm>
#include <charconv>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <normscope/norms/norm.h>
#include <normscope/ops/ops.h>

#include "core/choices.h"
#include "norms/norm_formula.h"

NORMSCOPE_BEGIN

#define NORM(name) NormEntry norm_##name();
#define FORMULA(...)
#include "norms/norms.def"
#undef FORMULA
#undef NORM

const std::vector<NormEntry>& norm_table() {
  static const std::vector<NormEntry> table{
#define NORM(name) norm_##name(),
#define FORMULA(name_, label_, formula_, reference_, ...) \
  formula_entry(                                          \
      {.name = #name_, .label = label_, .formula = formula_, .reference = reference_ __VA_OPT__(, ) __VA_ARGS__}),
#include "norms/norms.def"
#undef FORMULA
#undef NORM
  };
  return table;
}

NormEntry norm_entry(const std::string& name) {
  return is_norm_formula(name) ? entry_of_formula(name) : entry_named(norm_table(), "norm", name);
}

std::vector<std::string> norm_variants(const NormEntry& entry) {
  std::vector<std::string> texts{entry.name};
  texts.insert(texts.end(), entry.variants.begin(), entry.variants.end());
  return texts;
}

namespace {

std::string refusal(const NormEntry& entry, const NormValues& values, const NormSite& site) {
  return entry.refuse ? entry.refuse(values, site) : "";
}

void require_fit(const NormEntry& entry, const NormValues& values, const NormSite& site) {
  const std::string reason = refusal(entry, values, site);
  if (!reason.empty()) throw UsageError("norm \"" + entry.name + "\" does not fit here: " + reason);
}

}  // namespace

void require_fit(const NormSpec& spec, const NormSite& site) {
  const NormEntry entry = norm_entry(spec.name);
  require_fit(entry, norm_values(entry, spec), site);
}

std::vector<std::string> norm_variants(const NormSite& site) {
  std::vector<std::string> texts;
  for (const NormEntry& entry : norm_table())
    for (const std::string& text : norm_variants(entry))
      if (refusal(entry, norm_values(entry, parse_norm(text, {})), site).empty()) texts.push_back(text);
  return texts;
}

std::optional<Gain> gain_of_one(const NormValues&) { return Gain{}; }
std::optional<Gain> no_gain(const NormValues&) { return {}; }

double NormValues::number(const std::string& option) const {
  const auto found = options.find(option);
  if (found == options.end()) throw Error("[norm] the formula reads option \"" + option + "\", the entry has none");
  return found->second;
}

const Variable& NormValues::parameter(const std::string& name) const {
  const auto found = parameters.find(name);
  if (found == parameters.end()) throw Error("[norm] the formula reads parameter \"" + name + "\", the entry has none");
  return found->second;
}

std::string range_text(const NormOption& option) {
  if (option.flag) return "true or false";
  return fmt::format("{}{:g}, {:g}]", option.above_low ? "(" : "[", option.low, option.high);
}

std::string default_text(const NormOption& option) {
  return option.flag ? "false" : fmt::format("{:g}", option.default_value);
}

std::string parameters_text(const NormEntry& entry) {
  std::vector<std::string> parts;
  for (const NormParameter& p : entry.parameters)
    parts.push_back(fmt::format("{} [{}] ({})", p.name, p.each_entry ? "C" : "1", p.start ? p.start_text : "0"));
  if (entry.gain(norm_values(entry, {}))) {
    parts.push_back("gain [C]");
    if (entry.bias) parts.push_back("bias [C]");
  }
  return parts.empty() ? "-" : fmt::format("{}", fmt::join(parts, ", "));
}

namespace {

/// What a norm takes, for an error: "eps, bias, affine, p (share of the entries ...; (0, 1]; default 0.0625)".
std::string options_text(const NormEntry& entry) {
  std::string text = "eps, bias, affine";
  for (const NormOption& o : entry.options) {
    text += fmt::format(", {} ({}; {}; default {})", o.name, o.documentation, range_text(o), default_text(o));
  }
  return text;
}

std::optional<double> value_of(const NormOption& option, const std::string& text) {
  if (option.flag) return text == "true" ? std::optional(1.0) : text == "false" ? std::optional(0.0) : std::nullopt;
  double number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size()) return {};
  const bool high_enough = option.above_low ? number > option.low : number >= option.low;
  return high_enough && number <= option.high ? std::optional(number) : std::nullopt;
}

}  // namespace

NormValues norm_values(const NormEntry& entry, const NormSpec& spec) {
  NormValues values{.eps = spec.eps};
  for (const NormOption& o : entry.options) values.options[o.name] = o.flag ? 0 : o.default_value;
  for (const auto& [key, text] : spec.options) {
    const auto option =
        std::find_if(entry.options.begin(), entry.options.end(), [&](const NormOption& o) { return o.name == key; });
    if (option == entry.options.end())
      throw UsageError(
          fmt::format("norm \"{}\" has no option \"{}\"; it takes: {}", entry.name, key, options_text(entry)));
    const std::optional<double> value = value_of(*option, text);
    if (!value)
      throw UsageError(fmt::format("norm \"{}\": {} = {} must be {}{} ({})", entry.name, key, text,
                                   option->flag ? "" : "a number in ", range_text(*option), option->documentation));
    values.options[key] = *value;
  }
  return values;
}

std::unique_ptr<Norm> make_norm(const NormEntry& entry, const Scope& scope, const NormSpec& spec, std::int64_t width,
                                std::int64_t places) {
  const NormValues values = norm_values(entry, spec);
  require_fit(entry, values, {.width = width, .places = places, .hidden = false});
  const std::optional<Gain> gain = spec.affine ? entry.gain(values) : std::nullopt;
  if (entry.over == Over::batch) scope.parameters.need_whole_batch();
  return entry.make({.scope = scope,
                     .entry = entry,
                     .spec = spec,
                     .values = values,
                     .width = width,
                     .places = places,
                     .gain = gain,
                     .bias = gain && spec.bias.value_or(entry.bias)});
}

std::unique_ptr<Norm> make_norm(const Scope& scope, const NormSpec& spec, std::int64_t width, std::int64_t places) {
  return make_norm(norm_entry(spec.name), scope, spec, width, places);
}

std::pair<Variable, Variable> Norm::add_forward(const Variable& x, const Variable& f, const Pass& pass) const {
  const Variable h = add(x, f);
  return {h, forward(h, pass)};
}

NORMSCOPE_END
