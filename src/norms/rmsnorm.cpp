#include "norms/formula.h"
#include "norms/row_norm.h"

NORMSCOPE_BEGIN

kernels::RowNormKernel rmsnorm_kernel();

NormEntry norm_rmsnorm() {
  const auto formula = [](const Variable& x, const NormValues& v) { return divide(x, root(mean_last(square(x)), v)); };
  return {.name = "rmsnorm",
          .label = "RMSNorm",
          .formula = "x / sqrt(mean(x^2) + eps)",
          .reference = "Zhang & Sennrich 2019, arXiv 1910.07467; 1 + gain: Gemma",
          .options = {eps_outside_option(),
                      {.name = "unit_offset",
                       .flag = true,
                       .documentation = "the output is multiplied by 1 + gain, and gain begins at 0"}},
          .variants = {"rmsnorm:unit_offset=true", "rmsnorm:eps_outside=true"},
          .gain = [](const NormValues& v) -> std::optional<Gain> {
            return v.flag("unit_offset") ? Gain{.start = 0, .offset = 1} : Gain{};
          },
          .make = fused(rmsnorm_kernel(), formula, [](const NormValues& v) { return !v.flag("eps_outside"); })};
}

NORMSCOPE_END
