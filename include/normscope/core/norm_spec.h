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

/// Does `text` say what the norm is as a formula, "formula: ..."?
bool is_norm_formula(const std::string& text);

/// A formula in names of files: "formula-" and a hash of the text.
std::string formula_short_name(const std::string& text);
/// A norm in names of files: the text itself, and of a formula its own name, "NAME" of "formula: NAME = ...", or
/// formula_short_name().
std::string norm_short_name(const std::string& text);

/// Parses "formula: ...", which has no options, or "name" or "name:key=value+key=value"; eps, bias and affine override
/// `defaults`. Raises UsageError.
NormSpec parse_norm(const std::string& text, const NormSpec& defaults);

/// A norm of queries, keys or values: "rmsnorm:whole=true".
struct HeadNormSpec {
  NormSpec norm{};
  bool whole = false;  ///< over the width of all heads at once, not over each head
};

/// parse_norm() with the option `whole`. Raises UsageError.
HeadNormSpec parse_head_norm(const std::string& text, const NormSpec& defaults);

}  // namespace normscope
