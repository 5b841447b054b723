#include "norms/formula.h"
#include "norms/row_norm.h"

NORMSCOPE_BEGIN

kernels::RowNormKernel rmsnorm_kernel();

NormEntry norm_rmsnorm() {
  const auto formula = [](const Variable& x, const NormValues& v) { return divide(x, root(mean_last(square(x)), v)); };
  return {.name = "rmsnorm",
          .label = "RMSNorm",
          .formula = "x / sqrt(mean(x^2) + eps)",
          .reference = "Zhang & Sennrich 2019, arXiv 1910.07467; 1 + gain: Gemma; with decay: Qwen3-Next",
          .options = {eps_outside_option(),
                      {.name = "unit_offset",
                       .flag = true,
                       .documentation = "the output is multiplied by 1 + gain, with gain initially 0"},
                      {.name = "decay",
                       .flag = true,
                       .documentation = "weight decay applies to gain; with unit_offset it pulls 1 + gain towards 1"}},
          .variants = {"rmsnorm:unit_offset=true", "rmsnorm:eps_outside=true"},
          .gain = [](const NormValues& v) -> std::optional<Gain> {
            const double offset = v.flag("unit_offset") ? 1 : 0;
            return Gain{.start = 1 - offset, .offset = offset, .decay = v.flag("decay")};
          },
          .has_kernel = true,
          .make = fused(rmsnorm_kernel(), formula)};
}

NORMSCOPE_END
