#include <cmath>

#include "norms/formula.h"
#include "norms/row_norm.h"

NORMSCOPE_BEGIN

kernels::RowNormKernel scalenorm_kernel();

NormEntry norm_scalenorm() {
  const auto formula = [](const Variable& x, const NormValues& v) {
    const double least = v.eps * v.eps;  // max(|x|, eps) = sqrt(eps^2 + relu(|x|^2 - eps^2))
    const Variable length = sqrt(add_scalar(relu(add_scalar(sum_last(square(x)), -least)), least));
    return multiply(x, divide(v.parameter("g"), length));
  };
  return {.name = "scalenorm",
          .label = "ScaleNorm",
          .formula = "scalar(g, sqrt(C)) * x / max(sqrt(sum(x^2)), eps)",
          .reference = "Nguyen & Salazar 2019, arXiv 1910.05895",
          .gain = no_gain,
          .parameters = {{.name = "g",
                          .start_text = "sqrt(C)",
                          .start = [](const NormValues&,
                                      std::int64_t width) { return std::sqrt(static_cast<double>(width)); }}},
          .has_kernel = true,
          .make = fused(scalenorm_kernel(), formula)};
}

NORMSCOPE_END
