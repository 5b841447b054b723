// Small-sample statistics against closed forms and printed tables.
#include <gtest/gtest.h>
#include "study/statistics.h"
#include <normscope/core/random.h>

#include <cmath>
#include <limits>
#include <vector>

namespace normscope {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

TEST(Statistics, StudentsQuantileHasItsClosedForms) {
  EXPECT_NEAR(t_quantile_95(1), std::tan(M_PI * 0.475), 1e-9);                   // Cauchy
  EXPECT_NEAR(t_quantile_95(2), 0.95 * std::sqrt(2 / (1 - 0.95 * 0.95)), 1e-9);  // 2 degrees
  EXPECT_NEAR(t_quantile_95(4), 2.776445105, 1e-8);                              // printed tables
  EXPECT_NEAR(t_quantile_95(1000000), 1.959966, 1e-5);                           // normal
}

TEST(Statistics, MeanInterval) {
  const std::vector<double> values{1, 2, 3, 4, 5};
  const Interval out = mean_interval(values);
  EXPECT_EQ(out.n, 5);
  EXPECT_EQ(out.excluded, 0);
  EXPECT_DOUBLE_EQ(out.mean, 3);
  EXPECT_NEAR(out.sd, std::sqrt(2.5), 1e-12);
  EXPECT_NEAR(out.high - out.mean, 2.776445105 * std::sqrt(0.5), 1e-8);
  EXPECT_NEAR(out.mean - out.low, out.high - out.mean, 1e-12);
}

TEST(Statistics, OneValueHasNoInterval) {
  const std::vector<double> one{7};
  const Interval out = mean_interval(one);
  EXPECT_EQ(out.n, 1);
  EXPECT_DOUBLE_EQ(out.mean, 7);
  EXPECT_FALSE(out.has_interval());
  EXPECT_TRUE(std::isnan(out.low) && std::isnan(out.high) && std::isnan(out.sd));
  EXPECT_TRUE(out.includes(100));
}

TEST(Statistics, NoValues) {
  const Interval out = mean_interval({});
  EXPECT_EQ(out.n, 0);
  EXPECT_TRUE(std::isnan(out.mean));
}

TEST(Statistics, PairedDifferenceForgetsTheSeedsSpread) {
  const std::vector<double> a{1, 10, 100}, b{1.5, 10.5, 100.5};
  const Interval out = paired_difference(a, b);
  EXPECT_DOUBLE_EQ(out.mean, 0.5);
  EXPECT_NEAR(out.high - out.low, 0, 1e-9);
  EXPECT_FALSE(out.includes(0));
}

TEST(Statistics, DivergedRunsAreLeftOutAndCounted) {
  const std::vector<double> a{1, kNaN, 3, kInfinity}, b{2, 5, 4, kInfinity};
  const Interval out = paired_difference(a, b);
  EXPECT_EQ(out.n, 2);
  EXPECT_EQ(out.excluded, 2);
  EXPECT_DOUBLE_EQ(out.mean, 1);
}

TEST(Statistics, RatioIsGeometric) {
  const std::vector<double> a{1, 1}, b{2, 8};
  const Interval out = paired_ratio(a, b);
  EXPECT_NEAR(out.mean, 4, 1e-12);
  // logs ln2 and 3 ln2: sd sqrt(2) ln2, half width t1 * ln2
  EXPECT_NEAR(std::log(out.high / out.mean), t_quantile_95(1) * std::log(2.0), 1e-9);
  EXPECT_NEAR(out.low * out.high, 16, 1e-9);
  EXPECT_TRUE(out.includes(1));
}

TEST(Statistics, RatioAndItsInverseAgree) {
  const std::vector<double> a{1.0, 1.3, 0.7}, b{1.1, 1.7, 0.9};
  const Interval up = paired_ratio(a, b), down = paired_ratio(b, a);
  EXPECT_NEAR(up.mean * down.mean, 1, 1e-12);
  EXPECT_NEAR(up.low * down.high, 1, 1e-12);
}

TEST(Statistics, RatioOfZeroOrNegativeIsLeftOut) {
  const std::vector<double> a{0, 1, -1}, b{1, 3, 2};
  const Interval out = paired_ratio(a, b);
  EXPECT_EQ(out.n, 1);
  EXPECT_EQ(out.excluded, 2);
  EXPECT_NEAR(out.mean, 3, 1e-12);
}

// a=[2.51,2.55,2.49,2.60,2.53]; b=[2.52,2.553,2.502,2.608,2.531]; all below from scipy 1.17
const std::vector<double> kFirst{2.51, 2.55, 2.49, 2.60, 2.53}, kSecond{2.52, 2.553, 2.502, 2.608, 2.531};

TEST(Statistics, PairFactsAreThoseOfScipy) {
  const PairFacts facts = pair_facts(kFirst, kSecond);
  EXPECT_NEAR(facts.base, 2.536, 1e-12);
  EXPECT_NEAR(facts.p, 0.030960716449216875, 1e-12);          // scipy.stats.ttest_rel(b, a).pvalue
  EXPECT_NEAR(facts.correlation, 0.9942179340968808, 1e-9);   // scipy.stats.pearsonr(a, b)[0]
  EXPECT_NEAR(facts.detectable, 0.007835289995819592, 1e-8);  // see SmallestEffect
  // m=2; sp2=(var(a,ddof=1)+var(b,ddof=1))/2; while t.ppf(.975,2*m-2)*sqrt(2*sp2/m) > half: m+=1
  EXPECT_EQ(facts.unpaired, 398);
}

TEST(Statistics, PairFactsLeaveOutWhatDiverged) {
  std::vector<double> a = kFirst, b = kSecond;
  a.push_back(kNaN), b.push_back(9);
  a.push_back(1), b.push_back(kInfinity);
  const PairFacts facts = pair_facts(a, b), whole = pair_facts(kFirst, kSecond);
  EXPECT_EQ(facts.p, whole.p);
  EXPECT_EQ(facts.base, whole.base);
  EXPECT_TRUE(std::isnan(pair_facts(std::vector<double>{1}, std::vector<double>{2}).p)) << "one pair says nothing";
  EXPECT_TRUE(std::isnan(pair_facts({}, {}).base));
  const PairFacts two = pair_facts(std::vector<double>{1, 2}, std::vector<double>{2, 5});
  EXPECT_TRUE(std::isfinite(two.p));
  EXPECT_TRUE(std::isnan(two.correlation)) << "two pairs lie on a line always";
}

TEST(Statistics, TTestHasItsClosedForms) {
  EXPECT_NEAR(t_test(1, std::sqrt(2.0), 2), 1 - 2 / M_PI * std::atan(1.0), 1e-12);  // 1 degree: Cauchy at t = 1
  const double t = 2 / (1 / std::sqrt(3.0));                                        // 2 degrees: 1 - t / sqrt(2 + t^2)
  EXPECT_NEAR(t_test(-2, 1, 3), 1 - t / std::sqrt(2 + t * t), 1e-12);
  EXPECT_EQ(t_test(0.5, 0, 3), 0);
  EXPECT_EQ(t_test(0, 0, 3), 1);
  EXPECT_TRUE(std::isnan(t_test(1, 1, 1)));
}

/// The p of a mean is below 0.05 exactly where the 95 % interval excludes 0.
TEST(Statistics, TTestAgreesWithTheInterval) {
  const std::vector<double> values{0.1, 0.3, 0.2, 0.4};
  const Interval out = mean_interval(values);
  const double half = out.high - out.mean;
  EXPECT_NEAR(t_test(half, out.sd, out.n), 0.05, 1e-9);
}

TEST(Statistics, SmallestEffect) {
  // tc=t.ppf(.975,n-1); brentq(lambda c: nct.sf(tc,n-1,c)+nct.cdf(-tc,n-1,c)-.8, .1, 40)/sqrt(n)
  EXPECT_NEAR(smallest_effect(1, 2), 11.549888435882394, 1e-6);
  EXPECT_NEAR(smallest_effect(1, 3), 3.2640435496995694, 1e-8);
  EXPECT_NEAR(smallest_effect(1, 5), 1.6819969659555543, 1e-8);
  EXPECT_NEAR(smallest_effect(1, 10), 0.9960013714554435, 1e-8);
  EXPECT_NEAR(smallest_effect(1, 30), 0.5292356151129559, 1e-8);
  EXPECT_NEAR(smallest_effect(0.25, 10), 0.9960013714554435 / 4, 1e-8);
  // Many seeds: the normal's (1.959964 + 0.841621) sd / sqrt(n)
  EXPECT_NEAR(smallest_effect(1, 1000000), 2.801585e-3, 1e-7);
  EXPECT_EQ(smallest_effect(0, 5), 0);
  EXPECT_TRUE(std::isnan(smallest_effect(1, 1)));
}

TEST(Statistics, UnpairedSeedsIsTheFirstThatIsEnough) {
  for (const double half : {0.01, 0.5, 1.0, 5.0}) {
    const double m = unpaired_seeds(1, 2, half);
    const auto width = [](double n) { return t_quantile_95(static_cast<std::int64_t>(2 * n - 2)) * std::sqrt(3 / n); };
    EXPECT_LE(width(m), half * (1 + 1e-6)) << half;
    if (m > 2) {
      EXPECT_GT(width(m - 1), half) << half;
    }
  }
  EXPECT_TRUE(std::isnan(unpaired_seeds(1, 1, 0)));
  EXPECT_TRUE(std::isnan(unpaired_seeds(1, 1, 1e-17))) << "rounding is no spread";
}

TEST(Statistics, Holm) {
  EXPECT_EQ(holm(std::vector<double>{0.01, 0.04, 0.03}), (std::vector<double>{0.03, 0.06, 0.06}));
  EXPECT_EQ(holm(std::vector<double>{0.5, 0.9}), (std::vector<double>{1, 1}));
  EXPECT_EQ(holm(std::vector<double>{0.02}), std::vector<double>{0.02}) << "one test needs no correction";
  const std::vector<double> some = holm(std::vector<double>{kNaN, 0.01, 0.02});
  EXPECT_TRUE(std::isnan(some[0]));
  EXPECT_DOUBLE_EQ(some[1], 0.02);
  EXPECT_TRUE(holm({}).empty());
}

TEST(Statistics, BootstrapMedian) {
  const std::vector<double> values{1, 2, kNaN, 3, 4, 100};
  const Interval out = bootstrap_median(values, 1);
  EXPECT_EQ(out.n, 5);
  EXPECT_EQ(out.excluded, 1);
  EXPECT_DOUBLE_EQ(out.mean, 3);
  // The median of 5 draws is 1 when 3 of them are: probability 0.058; so the percentile 2.5 is 1, and 97.5 is 100.
  EXPECT_DOUBLE_EQ(out.low, 1);
  EXPECT_DOUBLE_EQ(out.high, 100);
  EXPECT_FALSE(bootstrap_median(std::vector<double>{7}, 1).has_interval());
  EXPECT_TRUE(std::isnan(bootstrap_median(std::vector<double>{7}, 1).low));
  EXPECT_EQ(bootstrap_median({}, 1).n, 0);
}

TEST(Statistics, BootstrapMedianIsFixedByItsSeed) {
  std::vector<double> values;
  const Random random(5, Purpose::perturb, 0);
  for (std::uint64_t i = 0; i < 30; ++i) values.push_back(random.normal(i));
  EXPECT_EQ(bootstrap_median(values, 1).low, bootstrap_median(values, 1).low);
  EXPECT_NE(bootstrap_median(values, 1).low + bootstrap_median(values, 1).high,
            bootstrap_median(values, 2).low + bootstrap_median(values, 2).high);
}

/// Of 500 samples of 30 rounds from a skewed distribution (the exponential of a normal: median 1), 95 % of the
/// intervals hold the median.
TEST(Statistics, BootstrapMedianCoversWhatItSays) {
  int covered = 0;
  for (std::uint64_t draw = 0; draw < 500; ++draw) {
    const Random random(7, Purpose::perturb, draw);
    std::vector<double> values;
    for (std::uint64_t i = 0; i < 30; ++i) values.push_back(std::exp(random.normal(i)));
    covered += bootstrap_median(values, draw).includes(1);
  }
  EXPECT_NEAR(covered / 500.0, 0.95, 0.03);
}

TEST(Statistics, Median) {
  EXPECT_DOUBLE_EQ(median(std::vector<double>{3, 1, 2}), 2);
  EXPECT_DOUBLE_EQ(median(std::vector<double>{4, 1, kNaN, 3, 2}), 2.5);
  EXPECT_TRUE(std::isnan(median({})));
}

}  // namespace
}  // namespace normscope
