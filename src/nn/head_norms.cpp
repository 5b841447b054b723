#include "nn/head_norms.h"

#include <cmath>

#include <normscope/norms/packed_norm.h>

NORMSCOPE_BEGIN

Variable scaled(const Variable& x, const Variable& factor) {
  const Shape each = x.shape().with(-1, 1);
  return multiply(x, broadcast_to(factor, each));
}

namespace {
/// Rows of length 1; those shorter than eps are divided by it, as torch.nn.functional.normalize does.
NormEntry unit_length() {
  const auto formula = [](const Variable& x, const NormValues& v) {
    const double least = v.eps * v.eps;  // max(|x|, eps) = sqrt(eps^2 + relu(|x|^2 - eps^2))
    return divide(x, sqrt(add_scalar(relu(add_scalar(sum_last(square(x)), -least)), least)));
  };
  return {.name = "l2",
          .label = "unit length",
          .formula = "x / max(|x|, eps)",
          .reference = "Henry et al. 2020, arXiv 2010.04245",
          .gain = no_gain,
          .make = composed(formula)};
}
}  // namespace

NormEntry head_norm_entry(const std::string& name) {
  const NormEntry entry = name == "l2" ? unit_length() : norm_entry(name);
  if (entry.over != Over::rows)
    throw UsageError("norm \"" + name + "\" takes its statistics over more than a row; queries, keys and values need " +
                     "a norm of rows, such as rmsnorm");
  return entry;
}

std::unique_ptr<HeadNorms> HeadNorms::make(const Scope& scope, const AttentionSpec& spec) {
  if (!spec.qk_norm && !spec.v_norm) return nullptr;
  return std::unique_ptr<HeadNorms>(new HeadNorms(scope, spec));
}

HeadNorms::HeadNorms(const Scope& scope, const AttentionSpec& spec)
    : root_(std::sqrt(static_cast<double>(spec.width / spec.heads))) {
  const std::int64_t d = spec.width / spec.heads;
  const auto part = [&](const char* name, std::int64_t heads, const std::optional<HeadNormSpec>& norm) -> Part {
    if (!norm) return {heads, d, nullptr};
    const std::int64_t rows = norm->whole ? 1 : heads, width = heads * d / rows;
    return {rows, width, make_norm(head_norm_entry(norm->norm.name), scope.in(name).as("norm"), norm->norm, width)};
  };
  parts_[0] = part("q_norm", spec.heads, spec.qk_norm);
  parts_[1] = part("k_norm", spec.kv_heads, spec.qk_norm);
  parts_[2] = part("v_norm", spec.kv_heads, spec.v_norm);
  if (!spec.qk_norm || spec.qk_norm->norm.name != "l2") return;
  const auto length = static_cast<double>(spec.context);
  if (length < 2)
    throw UsageError("qk_norm = l2 starts its scale at log2(L^2 - L); it needs a block_size L of 2 or more");
  scale_ = scope.as("scalar").add("scale", {1}, Init::constant(std::log2(length * length - length)));
}

void HeadNorms::after_update(std::int64_t step) {
  for (const Part& part : parts_)
    if (part.norm) part.norm->after_update(step);
}

Variable HeadNorms::operator()(const Variable& qkv, const Pass& pass) const {
  if (!scale_.defined()) {
    std::array<PackedPart, 3> packed;
    for (std::size_t i = 0; i < parts_.size(); ++i) packed[i] = {parts_[i].norm.get(), parts_[i].rows, parts_[i].width};
    if (Variable y = packed_norm(qkv, packed); y.defined()) return y;
  }
  const Shape& s = qkv.shape();
  std::vector<Variable> parts;
  std::int64_t begin = 0;
  for (const Part& part : parts_) {
    const std::int64_t width = part.rows * part.width;
    Variable x = slice(qkv, 2, begin, begin + width);
    begin += width;
    if (part.norm)
      x = reshape(part.norm->forward(reshape(x, {s[0], s[1], part.rows, part.width}), pass), {s[0], s[1], width});
    parts.push_back(x);
  }
  if (scale_.defined()) parts[0] = scaled(parts[0], scale(scale_, root_));
  return concat(parts, 2);
}

NORMSCOPE_END
