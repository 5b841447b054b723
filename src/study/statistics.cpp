#include "study/statistics.h"

#include <normscope/core/random.h>

#include <algorithm>
#include <boost/math/distributions/students_t.hpp>
#include <cmath>
#include <vector>

namespace normscope {

double t_quantile_95(std::int64_t degrees) {
  return boost::math::quantile(boost::math::students_t(static_cast<double>(degrees)), 0.975);
}

Interval mean_interval(std::span<const double> values) {
  Interval out;
  double sum = 0;
  for (double value : values) {
    if (!std::isfinite(value)) continue;
    sum += value;
    ++out.n;
  }
  out.excluded = static_cast<std::int64_t>(values.size()) - out.n;
  if (out.n == 0) return out;
  const double n = static_cast<double>(out.n);
  out.mean = sum / n;
  if (out.n < 2) return out;
  double squares = 0;
  for (double value : values) {
    if (std::isfinite(value)) squares += (value - out.mean) * (value - out.mean);
  }
  out.sd = std::sqrt(squares / (n - 1));
  const double half = t_quantile_95(out.n - 1) * out.sd / std::sqrt(n);
  out.low = out.mean - half;
  out.high = out.mean + half;
  return out;
}

Interval paired_difference(std::span<const double> a, std::span<const double> b) {
  std::vector<double> differences(std::min(a.size(), b.size()));
  for (std::size_t i = 0; i < differences.size(); ++i) differences[i] = b[i] - a[i];  // inf - inf is NaN: left out
  return mean_interval(differences);
}

Interval paired_ratio(std::span<const double> a, std::span<const double> b) {
  std::vector<double> logs(std::min(a.size(), b.size()), kNaN);
  for (std::size_t i = 0; i < logs.size(); ++i) {
    if (a[i] > 0 && b[i] > 0) logs[i] = std::log(b[i]) - std::log(a[i]);
  }
  Interval out = mean_interval(logs);
  out.mean = std::exp(out.mean);
  out.low = std::exp(out.low);
  out.high = std::exp(out.high);
  return out;
}

Interval bootstrap_median(std::span<const double> values, std::uint64_t seed) {
  constexpr std::uint64_t kSamples = 2000;
  std::vector<double> kept;
  for (double value : values) {
    if (std::isfinite(value)) kept.push_back(value);
  }
  Interval out;
  out.n = static_cast<std::int64_t>(kept.size());
  out.excluded = static_cast<std::int64_t>(values.size()) - out.n;
  out.mean = median(kept);
  if (out.n < 2) return out;
  std::vector<double> medians, drawn(kept.size());
  for (std::uint64_t s = 0; s < kSamples; ++s) {
    const Random random(seed, Purpose::bootstrap, s);
    for (std::size_t i = 0; i < drawn.size(); ++i) drawn[i] = kept[random.below(i, kept.size())];
    medians.push_back(median(drawn));
  }
  std::sort(medians.begin(), medians.end());
  constexpr std::size_t kTail = kSamples / 40;  // 2.5 %
  out.low = medians[kTail];
  out.high = medians[kSamples - 1 - kTail];
  return out;
}

}  // namespace normscope
