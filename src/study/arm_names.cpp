// What arms are called.
#include <normscope/norms/norm.h>

#include <fmt/format.h>

#include <algorithm>

#include "config/config_text.h"
#include "study/arms.h"

namespace normscope {
namespace {

/// Keys whose value stands behind a symbol that papers use.
constexpr std::pair<const char*, const char*> kSymbols[] = {{"n_layer", "L"},    {"n_embd", "C"},
                                                            {"n_head", "H"},     {"block_size", "T"},
                                                            {"batch_size", "B"}, {"learning_rate", "lr "}};

/// Does the value say by itself what it is, as "post" and "swiglu" do? "4" and "true" do not, nor does a norm's name
/// that is not the model's norm.
bool speaks_for_itself(const std::string& key, const std::string& value) {
  const KeyInfo* info = find_key(key);
  return info && std::string_view(info->type) == "text" &&
         std::string_view(info->choices).find("NORMS") == std::string_view::npos && value != "true" &&
         value != "false" && value != "auto" && value != "none";
}

/// The values of an arm on some axes, the norm set off by a comma: "RMSNorm, L2 post".
std::string join_values(const Arm& arm, const Axes& axes) {
  std::string out;
  bool comma = false;
  for (const auto& [key, values] : axes) {
    const auto found = arm.find(key);
    if (found == arm.end()) continue;
    out += (out.empty() ? "" : comma ? ", " : " ") + value_label(key, found->second);
    comma = key == "norm";
  }
  return out;
}

Axes varying(const Axes& axes) {
  Axes out;
  for (const auto& axis : axes)
    if (axis.second.size() > 1) out.push_back(axis);
  return out.empty() ? axes : out;  // one arm is called by what it is
}

}  // namespace

std::string first_axis(const Axes& axes) {
  for (const auto& [key, values] : axes)
    if (values.size() > 1) return key;
  return "";
}

const std::vector<std::string>& values_of(const Axes& axes, const std::string& key) {
  return std::find_if(axes.begin(), axes.end(), [&](const auto& axis) { return axis.first == key; })->second;
}

std::size_t first_value(const Arm& arm, const Axes& axes) {
  const std::string key = first_axis(axes);
  if (key.empty()) return 0;
  const auto& values = values_of(axes, key);
  return static_cast<std::size_t>(std::find(values.begin(), values.end(), arm.at(key)) - values.begin());
}

Axes context_axes(const Axes& axes) {
  Axes out;
  const std::string first = first_axis(axes);
  for (const auto& axis : axes)
    if (axis.second.size() > 1 && axis.first != first) out.push_back(axis);
  return out;
}

std::string norm_label(const std::string& norm) {
  if (is_norm_formula(norm)) return norm_entry(norm).label;
  const auto colon = norm.find(':');
  std::string label = norm.substr(0, colon);
  for (const NormEntry& entry : norm_table())
    if (entry.name == label) {
      label = entry.label;
      break;
    }
  if (colon != std::string::npos) label += " (" + norm.substr(colon + 1) + ")";
  return label;
}

std::string value_label(const std::string& key, const std::string& value) {
  if (key == "norm") return norm_label(value);
  if (key == "run" || speaks_for_itself(key, value)) return value;
  for (const auto& [name, symbol] : kSymbols)
    if (key == name) return symbol + value;
  return key + " " + value;
}

std::string arm_text(const Arm& arm, const Axes& axes) {
  std::string out;
  for (const auto& [key, values] : varying(axes)) {
    const auto found = arm.find(key);
    if (found != arm.end()) out += (out.empty() ? "" : ", ") + (key == "run" ? "" : key + " ") + found->second;
  }
  return out;
}

std::string arm_label(const Arm& arm, const Axes& axes) { return join_values(arm, varying(axes)); }

std::string context_label(const Arm& arm, const Axes& axes) { return join_values(arm, context_axes(axes)); }

}  // namespace normscope
