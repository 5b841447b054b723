#pragma once
// Small-sample statistics of paired runs: means with Student's t-intervals, differences, ratios, medians.
#include <cstdint>
#include <span>

#include "core/numbers.h"

namespace normscope {

/// A mean and its 95 % interval. n < 2: the interval is NaN. `excluded` counts values or pairs that were not finite.
struct Interval {
  std::int64_t n = 0, excluded = 0;
  double mean = kNaN, sd = kNaN, low = kNaN, high = kNaN;

  bool has_interval() const { return n >= 2; }
  /// Is `value` (0 for differences, 1 for ratios) inside the interval, or is there no interval to say otherwise?
  bool includes(double value) const { return !has_interval() || (low <= value && value <= high); }
};

/// t such that P(|T| <= t) = 0.95 for Student's T with `degrees` >= 1 degrees of freedom.
double t_quantile_95(std::int64_t degrees);

/// mean +- t sd / sqrt(n), sd with n - 1; values that are not finite are left out and counted.
Interval mean_interval(std::span<const double> values);
/// The mean of b - a over pairs; pairs with a value that is not finite are left out and counted.
Interval paired_difference(std::span<const double> a, std::span<const double> b);
/// The geometric mean of b / a over pairs: exp of the interval of the mean of log(b / a). Pairs with a value that is
/// not finite and positive are left out and counted; sd is that of the logarithms.
Interval paired_ratio(std::span<const double> a, std::span<const double> b);
/// The median of `values`, in `mean`, and its 95 % interval: the percentiles 2.5 and 97.5 of the medians of 2,000
/// samples drawn from them with replacement. `seed` fixes the draws. Values that are not finite are left out and
/// counted; sd is NaN.
Interval bootstrap_median(std::span<const double> values, std::uint64_t seed);

}  // namespace normscope
