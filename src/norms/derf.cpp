#include "norms/formula.h"
#include "norms/row_norm.h"

NORMSCOPE_BEGIN

kernels::RowNormKernel derf_kernel();

NormEntry norm_derf() {
  const auto formula = [](const Variable& x, const NormValues& v) {
    return erf(add(multiply(x, v.parameter("a")), v.parameter("s")));
  };
  return {.name = "derf",
          .label = "Derf",
          .formula = "erf(scalar(a, 0.5) * x + scalar(s, 0))",
          .reference = "arXiv 2512.10938; its GPT-2 has a = 1 and embed_scale = learnable",
          .options = {{.name = "a",
                       .default_value = 0.5,
                       .low = 1e-6,
                       .high = 1e6,
                       .documentation = "initial value of the trained factor a"}},
          .variants = {"derf:a=1"},
          .bias = true,
          .saturates_at = 100,
          .parameters = {{.name = "a",
                          .start_text = "0.5",
                          .start = [](const NormValues& v, std::int64_t) { return v.number("a"); }},
                         {.name = "s", .start_text = "0"}},
          .has_kernel = true,
          .make = fused(derf_kernel(), formula)};
}

NORMSCOPE_END
