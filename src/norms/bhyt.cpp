#include "norms/norm_formula.h"

NORMSCOPE_BEGIN

NormEntry norm_bhyt() {
  return formula_entry({.name = "bhyt",
                        .label = "BHyT",
                        .formula = "tanh(scalar(lambda, 2) / kappa * x / sqrt(mean(x^2) + eps))",
                        .reference = "arXiv 2601.09719, with the exact second norm",
                        .options = {{.name = "kappa",
                                     .default_value = 10,
                                     .low = 0,
                                     .high = 1e6,
                                     .above_low = true,
                                     .documentation = "constant that divides lambda"}},
                        .variants = {"bhyt:kappa=2"}});
}

NORMSCOPE_END
