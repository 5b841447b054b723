#include "study/statistics.h"

#include <normscope/core/random.h>

#include <algorithm>
#include <boost/math/distributions/non_central_t.hpp>
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

double t_test(double mean, double sd, std::int64_t n) {
  if (n < 2 || !std::isfinite(mean) || !std::isfinite(sd)) return kNaN;
  if (sd == 0) return mean == 0 ? 1 : 0;
  const double t = std::abs(mean) / (sd / std::sqrt(static_cast<double>(n)));
  return 2 * boost::math::cdf(boost::math::complement(boost::math::students_t(static_cast<double>(n - 1)), t));
}

double smallest_effect(double sd, std::int64_t n) {
  if (n < 2 || !std::isfinite(sd)) return kNaN;
  const double degrees = static_cast<double>(n - 1), edge = t_quantile_95(n - 1);
  const auto power = [&](double shift) {
    const boost::math::non_central_t t(degrees, shift);
    return boost::math::cdf(boost::math::complement(t, edge)) + boost::math::cdf(t, -edge);
  };
  double low = 0, high = 2;  // the power grows with the shift
  while (power(high) < 0.8) high *= 2;
  for (int i = 0; i < 60; ++i) (power((low + high) / 2) < 0.8 ? low : high) = (low + high) / 2;
  return high * sd / std::sqrt(static_cast<double>(n));
}

double unpaired_seeds(double var_a, double var_b, double half) {
  if (!(half > 0) || !std::isfinite(var_a + var_b)) return kNaN;
  const auto enough = [&](std::int64_t m) {
    return t_quantile_95(2 * m - 2) * std::sqrt((var_a + var_b) / static_cast<double>(m)) <= half * (1 + 1e-9);
  };
  constexpr std::int64_t kMost = 1 << 20;
  std::int64_t low = 1, high = 2;
  while (!enough(high) && high < kMost) low = high, high *= 2;
  if (!enough(high)) return kNaN;
  while (high - low > 1) (enough((low + high) / 2) ? high : low) = (low + high) / 2;
  return static_cast<double>(high);
}

PairFacts pair_facts(std::span<const double> a, std::span<const double> b) {
  std::vector<double> first, second;
  for (std::size_t i = 0; i < std::min(a.size(), b.size()); ++i) {
    if (!std::isfinite(a[i]) || !std::isfinite(b[i])) continue;
    first.push_back(a[i]);
    second.push_back(b[i]);
  }
  const Interval left = mean_interval(first), right = mean_interval(second),
                 difference = paired_difference(first, second);
  PairFacts out;
  out.base = left.mean;
  if (difference.n < 2) return out;
  out.p = t_test(difference.mean, difference.sd, difference.n);
  double products = 0;
  for (std::size_t i = 0; i < first.size(); ++i) products += (first[i] - left.mean) * (second[i] - right.mean);
  const double spread = left.sd * right.sd * static_cast<double>(first.size() - 1);
  out.correlation = spread > 0 && first.size() > 2 ? products / spread : kNaN;  // of two pairs it is 1 or -1 always
  out.detectable = smallest_effect(difference.sd, difference.n);
  out.unpaired = unpaired_seeds(left.sd * left.sd, right.sd * right.sd, difference.high - difference.mean);
  return out;
}

std::vector<double> holm(std::span<const double> p) {
  std::vector<std::size_t> order;
  for (std::size_t i = 0; i < p.size(); ++i)
    if (std::isfinite(p[i])) order.push_back(i);
  std::sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return p[a] < p[b]; });
  std::vector<double> out(p.size(), kNaN);
  double largest = 0;
  for (std::size_t i = 0; i < order.size(); ++i) {
    largest = std::max(largest, static_cast<double>(order.size() - i) * p[order[i]]);
    out[order[i]] = std::min(1.0, largest);
  }
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
