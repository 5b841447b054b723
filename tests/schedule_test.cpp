// The learning rate against nanoGPT's get_lr, and where it is easy to be off by one.
#include <gtest/gtest.h>
#include <normscope/optim/schedule.h>

#include <cmath>

namespace normscope {
namespace {

/// get_lr of nanoGPT's train.py, its lines in order.
double nanogpt(std::int64_t it, double lr, double min_lr, double warmup, double decay) {
  const auto i = static_cast<double>(it);
  if (i < warmup) return lr * (i + 1) / (warmup + 1);
  if (i > decay) return min_lr;
  const double ratio = (i - warmup) / (decay - warmup);
  return min_lr + 0.5 * (1.0 + std::cos(3.14159265358979323846 * ratio)) * (lr - min_lr);
}

TEST(Schedule, IsNanoGptsFormulaAtEveryStep) {
  const Schedule s{1e-3, 1e-4, 100, 2000, true};
  for (std::int64_t it = 0; it < 2200; ++it) ASSERT_NEAR(s.at(it), nanogpt(it, 1e-3, 1e-4, 100, 2000), 1e-17) << it;
}

TEST(Schedule, HasItsKnownValues) {
  const Schedule s{1e-3, 1e-4, 100, 2100, true};
  EXPECT_DOUBLE_EQ(s.at(0), 1e-3 / 101);
  EXPECT_DOUBLE_EQ(s.at(99), 1e-3 * 100 / 101);
  EXPECT_DOUBLE_EQ(s.at(100), 1e-3);
  EXPECT_NEAR(s.at(1100), 5.5e-4, 1e-18) << "half way";
  EXPECT_NEAR(s.at(2100), 1e-4, 1e-18);
  EXPECT_DOUBLE_EQ(s.at(2101), 1e-4);
  EXPECT_DOUBLE_EQ(s.at(1000000), 1e-4);
}

TEST(Schedule, WithoutWarmUpStartsAtTheTop) { EXPECT_DOUBLE_EQ((Schedule{0.5, 0.1, 0, 10, true}.at(0)), 0.5); }

TEST(Schedule, WithDecayOffIsConstant) {
  const Schedule s{3e-4, 1e-5, 100, 2000, false};
  for (const std::int64_t it : {0, 50, 100, 5000}) EXPECT_DOUBLE_EQ(s.at(it), 3e-4);
}

TEST(Schedule, WarmUpAsLongAsTheRunStaysANumber) {
  for (const std::int64_t decay : {5, 10}) {
    const Schedule s{1, 0.1, 10, decay, true};
    for (std::int64_t it = 0; it < 20; ++it) {
      ASSERT_TRUE(std::isfinite(s.at(it))) << it;
      ASSERT_LE(s.at(it), 1) << it;
      ASSERT_GT(s.at(it), 0) << it;
    }
  }
}

}  // namespace
}  // namespace normscope
