#pragma once
// Small-sample statistics of paired runs: means with Student's t-intervals, differences, ratios, medians.
#include <cstdint>
#include <span>
#include <vector>

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
/// What paired values say beside their interval; NaN where it cannot be said.
struct PairFacts {
  double base = kNaN;         ///< mean of a over the pairs that count
  double p = kNaN;            ///< two-sided p of the paired t-test
  double correlation = kNaN;  ///< Pearson's r between a and b over the pairs, of which it takes 3
  double detectable = kNaN;   ///< smallest_effect() of these pairs
  double unpaired = kNaN;     ///< unpaired_seeds() of these pairs
};
/// Facts of b - a; pairs with a value that is not finite are left out.
PairFacts pair_facts(std::span<const double> a, std::span<const double> b);

/// Two-sided p of Student's t-test that the mean is 0: t = mean / (sd / sqrt n), n - 1 degrees of freedom. NaN when
/// n < 2; with sd = 0 it is 0, or 1 where the mean is 0 as well.
double t_test(double mean, double sd, std::int64_t n);
/// The smallest true mean difference that a two-sided paired t-test at 5 % finds with a probability of 80 %, when the
/// differences have the standard deviation `sd`: ncp sd / sqrt(n), where a noncentral t of n - 1 degrees of freedom
/// with noncentrality ncp lies outside +-t(0.975) with probability 0.8 (Cohen, Statistical Power Analysis for the
/// Behavioral Sciences, 2nd ed. 1988, chapter 2). NaN when n < 2.
double smallest_effect(double sd, std::int64_t n);
/// How many runs an arm the same half width would have needed without pairs: the smallest m >= 2 with
/// t(0.975, 2m - 2) sqrt((var_a + var_b) / m) <= half, the two-sample interval of equal sizes. NaN when half is 0 or m
/// would be over a million: the differences do not vary.
double unpaired_seeds(double var_a, double var_b, double half);
/// Holm's adjusted p-values (Scandinavian Journal of Statistics 6, 1979): of m sorted p, the largest of
/// (m - i + 1) p_i over the first ones, at most 1. NaN stays NaN and is not counted.
std::vector<double> holm(std::span<const double> p);

/// The median of `values`, in `mean`, and its 95 % interval: the percentiles 2.5 and 97.5 of the medians of 2,000
/// samples drawn from them with replacement. `seed` fixes the draws. Values that are not finite are left out and
/// counted; sd is NaN.
Interval bootstrap_median(std::span<const double> values, std::uint64_t seed);

}  // namespace normscope
