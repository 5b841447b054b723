// The four statistics of the residual stream that every run file has, read from one meter.
#include <cmath>

#include "core/numbers.h"
#include "stats/statistic.h"

NORMSCOPE_BEGIN

namespace {

double grad_norm(const ResidualSums& s) { return std::sqrt(s.tokens * s.gradient_squares); }
double grad_times_x(const ResidualSums& s) { return std::sqrt(s.tokens * s.product_squares); }
double rms(const ResidualSums& s) { return std::sqrt(s.sum_squares / s.entries); }
double mean_share(const ResidualSums& s) { return s.share / s.tokens; }

template <double (*number)(const ResidualSums&)>
class OfResidual final : public Statistic {
 public:
  explicit OfResidual(const StatContext& context) : meter_(context.residual) {}
  void row(std::span<float> out) override {
    for (std::size_t r = 0; r < out.size(); ++r) {
      const ResidualSums& sums = meter_.sums(r);
      out[r] = sums.tokens > 0 ? static_cast<float>(number(sums)) : kNaN;
    }
  }

 private:
  const ResidualMeter& meter_;
};

}  // namespace

StatisticEntry statistic_residual_grad_norm() {
  return {.name = "residual/grad_norm",
          .unit = "nat",
          .long_name = "residual gradient, root mean square over tokens",
          .stage = "before clipping",
          .norm_order = 2,
          .formula = "sqrt(N) ||dL/dx||_F, N tokens per step",
          .axis = Axis::points,
          .always = true,
          .make = make_statistic<OfResidual<grad_norm>>};
}

StatisticEntry statistic_residual_grad_times_x() {
  return {.name = "residual/grad_times_x",
          .unit = "nat",
          .long_name = "residual gradient norm times stream norm",
          .stage = "before clipping",
          .norm_order = 2,
          .formula = "sqrt(N sum_t ||x_t||^2 ||dL/dx_t||^2)",
          .axis = Axis::points,
          .always = true,
          .make = make_statistic<OfResidual<grad_times_x>>};
}

StatisticEntry statistic_residual_rms() {
  return {.name = "residual/rms",
          .unit = "1",
          .long_name = "root mean square of the residual stream",
          .stage = "forward",
          .norm_order = 2,
          .formula = "sqrt(mean(x^2))",
          .axis = Axis::points,
          .always = true,
          .make = make_statistic<OfResidual<rms>>};
}

StatisticEntry statistic_residual_mean_share() {
  return {.name = "residual/mean_share",
          .unit = "1",
          .long_name = "share of the mean in the stream's mean square",
          .stage = "forward",
          .formula = "mean over tokens of mean(x_t)^2 / mean(x_t^2)",
          .axis = Axis::points,
          .always = true,
          .make = make_statistic<OfResidual<mean_share>>};
}

NORMSCOPE_END
