#pragma once
// Which norm, with which options: what `norm = "layernorm:bias=false"` says.
#include <map>
#include <optional>
#include <string>

namespace normscope {

struct NormSpec {
  std::string name = "layernorm";
  double eps = 1e-5;
  bool affine = true;                            ///< gain (and bias where the norm has one)
  std::optional<bool> bias{};                    ///< unset: what the norm's definition has
  std::map<std::string, std::string> options{};  ///< the rest, for the norm itself
};

/// The number behind option `key`, or `fallback`. Raises UsageError when it is no number or outside [low, high].
double number_option(const NormSpec& spec, const std::string& key, double fallback, double low, double high);

/// Parses "name" or "name:key=value+key=value"; eps, bias and affine override `defaults`. Raises UsageError.
NormSpec parse_norm(const std::string& text, const NormSpec& defaults);

}  // namespace normscope
