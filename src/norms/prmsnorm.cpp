#include <algorithm>
#include <cmath>

#include "norms/formula.h"

NORMSCOPE_BEGIN

NormEntry norm_prmsnorm() {
  const auto formula = [](const Variable& x, const NormValues& v) {
    const auto width = static_cast<double>(x.shape().last());
    const auto k = std::max<std::int64_t>(1, static_cast<std::int64_t>(std::floor(v.number("p") * width)));
    return divide(x, sqrt(add_scalar(mean_last(square(slice(x, -1, 0, k))), v.eps)));
  };
  return {.name = "prmsnorm",
          .label = "pRMSNorm",
          .formula = "x / sqrt(mean(x_1^2 ... x_k^2) + eps), k = max(1, floor(p C))",
          .reference = "Zhang & Sennrich 2019, arXiv 1910.07467 (k as in its code)",
          .options = {{.name = "p",
                       .default_value = 0.0625,
                       .low = 0,
                       .high = 1,
                       .above_low = true,
                       .documentation = "fraction of the entries used for the mean square"}},
          .variants = {"prmsnorm:p=0.25", "prmsnorm:p=1"},
          .make = composed(formula)};
}

NORMSCOPE_END
