#include "norms/norm_formula.h"

NORMSCOPE_BEGIN

NormEntry norm_fixnorm() {
  return formula_entry({.name = "fixnorm",
                        .label = "FixNorm",
                        .formula = "scale * x / max(sqrt(sum(x^2)), eps)",
                        .reference = "unit-length word embeddings: Nguyen & Salazar 2019, arXiv 1910.05895",
                        .options = {{.name = "scale",
                                     .default_value = 1,
                                     .low = 0,
                                     .high = 1e6,
                                     .above_low = true,
                                     .documentation = "constant factor on the unit-length vector"}},
                        .variants = {"fixnorm:scale=8"},
                        .gain = no_gain,
                        .refuse = [](const NormValues&, const NormSite& site) -> std::string {
                          return site.hidden ? "it normalizes word embeddings; use --embed_norm fixnorm" : "";
                        }});
}

NORMSCOPE_END
