#include "norms/formula.h"
#include "norms/row_norm.h"

NORMSCOPE_BEGIN

kernels::RowNormKernel dyt_kernel();

NormEntry norm_dyt() {
  const auto formula = [](const Variable& x, const NormValues& v) { return tanh(multiply(x, v.parameter("alpha"))); };
  return {.name = "dyt",
          .label = "DyT",
          .formula = "tanh(scalar(alpha, 0.5) * x)",
          .reference = "Zhu et al. 2025, arXiv 2503.10622",
          .options = {{.name = "alpha",
                       .default_value = 0.5,
                       .low = 1e-6,
                       .high = 1e6,
                       .documentation = "initial value of the trained alpha"}},
          .variants = {"dyt:alpha=0.25"},
          .bias = true,
          .parameters = {{.name = "alpha",
                          .start_text = "0.5",
                          .start = [](const NormValues& v, std::int64_t) { return v.number("alpha"); }}},
          .has_kernel = true,
          .make = fused(dyt_kernel(), formula)};
}

NORMSCOPE_END
