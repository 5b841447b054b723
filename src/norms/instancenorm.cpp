#include "norms/group.h"

NORMSCOPE_BEGIN

NormEntry norm_instancenorm() {
  return {.name = "instancenorm",
          .label = "InstanceNorm",
          .formula = "(x - mean) / sqrt(var + eps), over the places of each sample and channel",
          .reference = "Ulyanov et al. 2016, arXiv 1607.08022",
          .over = Over::channels,
          .bias = true,
          .make =
              [](const NormRequest& request) {
                return composed([places = request.places](const Variable& x, const NormValues& v) {
                  return group_normalized(x, places, x.shape().last(), v.eps);
                })(request);
              },
          .refuse = [](const NormValues&, const NormSite& site) -> std::string {
            if (site.causal) return "its statistics over the positions of a text would use future tokens";
            return site.places > 1 ? "" : "a sample has one place, so its result would be exactly 0 everywhere";
          }};
}

NORMSCOPE_END
