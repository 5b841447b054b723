#include "norms/formula.h"

NORMSCOPE_BEGIN

NormEntry norm_scale_detached() {
  const auto formula = [](const Variable& x, const NormValues& v) {
    const Variable c = centred(x);
    return divide(c, sqrt(add_scalar(mean_last(square(c)), v.eps)).detach());
  };
  return {.name = "scale_detached",
          .label = "LayerNorm, scale detached",
          .formula = "(x - mean(x)) / detach(sqrt(var(x) + eps))",
          .reference = "DetachNorm: Xu et al. 2019, arXiv 1911.07013",
          .detached = true,
          .bias = true,
          .make = composed(formula)};
}

NORMSCOPE_END
