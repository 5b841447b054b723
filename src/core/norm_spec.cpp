#include <normscope/core/norm_spec.h>

#include <cmath>
#include <set>
#include <sstream>

#include <fmt/format.h>

#include <normscope/core/error.h>
#include <normscope/core/random.h>

namespace normscope {

namespace {
bool boolean(const std::string& key, const std::string& value, const std::string& text) {
  if (value == "true" || value == "false") return value == "true";
  throw UsageError("norm \"" + text + "\": " + key + " = \"" + value + "\" must be true or false");
}
double positive(const std::string& key, const std::string& value, const std::string& text) {
  std::size_t used = 0;
  double number = -1;
  try {
    number = std::stod(value, &used);
  } catch (const std::exception&) {
  }
  if (used != value.size() || !(number >= 0) || !std::isfinite(number))
    throw UsageError("norm \"" + text + "\": " + key + " = \"" + value + "\" must be a number >= 0");
  return number;
}
}  // namespace

bool is_norm_formula(const std::string& text) { return text.starts_with("formula:"); }

std::string formula_short_name(const std::string& text) {
  return fmt::format("formula-{:06x}", stream_of(text) & 0xffffff);
}

std::string norm_short_name(const std::string& text) {
  if (!is_norm_formula(text)) return text;
  const auto equals = text.find('=');
  if (equals == std::string::npos) return formula_short_name(text);
  const auto begin = text.find_first_not_of(' ', text.find(':') + 1);
  return text.substr(begin, text.find_last_not_of(' ', equals - 1) + 1 - begin);
}

NormSpec parse_norm(const std::string& text, const NormSpec& defaults) {
  NormSpec spec = defaults;
  const auto colon = is_norm_formula(text) ? std::string::npos : text.find(':');
  spec.name = text.substr(0, colon);
  spec.options.clear();
  if (colon == std::string::npos) return spec;
  std::set<std::string> given;
  std::istringstream rest(text.substr(colon + 1) + "+");  // so that an empty last option is seen
  for (std::string option; std::getline(rest, option, '+');) {
    const auto equals = option.find('=');
    const std::string key = option.substr(0, equals),
                      value = equals == std::string::npos ? "true" : option.substr(equals + 1);
    if (key.empty()) throw UsageError("norm \"" + text + "\": write options as name:key=value+key=value");
    if (!given.insert(key).second) throw UsageError("norm \"" + text + "\": " + key + " is given twice");
    if (key == "eps")
      spec.eps = positive(key, value, text);
    else if (key == "bias")
      spec.bias = boolean(key, value, text);
    else if (key == "affine")
      spec.affine = boolean(key, value, text);
    else
      spec.options[key] = value;
  }
  return spec;
}

HeadNormSpec parse_head_norm(const std::string& text, const NormSpec& defaults) {
  HeadNormSpec spec{.norm = parse_norm(text, defaults)};
  if (const auto whole = spec.norm.options.extract("whole")) spec.whole = boolean("whole", whole.mapped(), text);
  return spec;
}

}  // namespace normscope
