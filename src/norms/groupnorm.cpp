#include <fmt/format.h>

#include "norms/group.h"
#include "ops/check.h"

NORMSCOPE_BEGIN

Variable group_normalized(const Variable& x, std::int64_t places, std::int64_t groups, double eps) {
  const std::int64_t width = x.shape().last(), rows = x.shape().numel() / width, of_group = width / groups;
  check(rows % places == 0, "norm", "input ", x.shape(), " for samples of ", places, " places");
  const std::int64_t samples = rows / places;
  const Variable split = reshape(x, {samples, places, groups, of_group});
  const Variable by_group = places == 1 ? split : transpose(split, 1, 2);
  const Variable c = centred(reshape(by_group, {samples, groups, places * of_group}));
  const Variable n = divide(c, sqrt(add_scalar(mean_last(square(c)), eps)));
  if (places == 1) return reshape(n, x.shape());
  return reshape(transpose(reshape(n, {samples, groups, places, of_group}), 1, 2), x.shape());
}

NormEntry norm_groupnorm() {
  const auto groups = [](const NormValues& v) { return static_cast<std::int64_t>(v.number("groups")); };
  return {.name = "groupnorm",
          .label = "GroupNorm",
          .formula = "(x - mean) / sqrt(var + eps), over C / groups channels and the places of each sample",
          .reference = "Wu & He 2018, arXiv 1803.08494",
          .options = {{.name = "groups",
                       .default_value = 1,
                       .low = 1,
                       .high = 1 << 20,
                       .documentation = "groups of neighbouring channels, must divide C; 1 is LayerNorm of a sample"}},
          .variants = {"groupnorm:groups=2"},
          .over = Over::channels,
          .bias = true,
          .make =
              [groups](const NormRequest& request) {
                return composed([groups, places = request.places](const Variable& x, const NormValues& v) {
                  return group_normalized(x, places, groups(v), v.eps);
                })(request);
              },
          .refuse = [](const NormValues& v, const NormSite& site) -> std::string {
            const double given = v.number("groups");
            const auto whole = static_cast<std::int64_t>(given);
            if (given != static_cast<double>(whole)) return fmt::format("groups = {:g} is not a whole number", given);
            if (site.width % whole != 0)
              return fmt::format("groups = {} does not divide the width {}", whole, site.width);
            return site.causal && site.places > 1 ? "its statistics over places would use future tokens" : "";
          }};
}

NORMSCOPE_END
