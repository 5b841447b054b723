#include "norms/formula.h"

NORMSCOPE_BEGIN

NormEntry norm_none() {
  return {.name = "none",
          .label = "no norm",
          .formula = "x",
          .reference = "baseline: no normalization",
          .gain = no_gain,
          .make = composed([](const Variable& x, const NormValues&) { return x; })};
}

NORMSCOPE_END
