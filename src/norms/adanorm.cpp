#include "norms/norm_formula.h"

NORMSCOPE_BEGIN

NormEntry norm_adanorm() {
  return formula_entry(
      {.name = "adanorm",
       .label = "AdaNorm",
       .formula = "scale * detach(1 - k * (x - mean(x)) / sqrt(var(x) + eps)) * (x - mean(x)) / sqrt(var(x) + eps)",
       .reference = "Xu et al. 2019, arXiv 1911.07013; its code has scale 2, unbiased variance, eps outside the root",
       .options = {{.name = "k",
                    .default_value = 0.1,
                    .low = 0,
                    .high = 1,
                    .documentation = "strength of the damping of large entries"},
                   {.name = "scale",
                    .default_value = 1,
                    .low = 0,
                    .high = 1e3,
                    .above_low = true,
                    .documentation = "constant factor C of the output"}},
       .variants = {"adanorm:k=0.2+scale=2"},
       .gain = no_gain});
}

NORMSCOPE_END
