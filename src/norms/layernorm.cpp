#include <algorithm>

#include "norms/formula.h"
#include "norms/row_norm.h"

NORMSCOPE_BEGIN

kernels::RowNormKernel layernorm_kernel();

NormEntry norm_layernorm() {
  const auto formula = [](const Variable& x, const NormValues& v) {
    const auto width = static_cast<double>(x.shape().last());
    const double count = v.flag("unbiased") ? std::max(1.0, width - 1) : width;
    const Variable c = centred(x);
    return divide(c, root(scale(sum_last(square(c)), 1 / count), v));
  };
  return {
      .name = "layernorm",
      .label = "LayerNorm",
      .formula = "(x - mean(x)) / sqrt(var(x) + eps)",
      .reference = "Ba, Kiros & Hinton 2016, arXiv 1607.06450",
      .options = {eps_outside_option(),
                  {.name = "unbiased", .flag = true, .documentation = "the variance is divided by C - 1 instead of C"}},
      .variants = {"layernorm:eps_outside=true", "layernorm:unbiased=true"},
      .bias = true,
      .has_kernel = true,
      .make = fused(layernorm_kernel(), formula)};
}

NORMSCOPE_END
