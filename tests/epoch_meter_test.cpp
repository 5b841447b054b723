// Means over an epoch: losses and gradients over all steps, points of the stream over the steps that were measured.
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "run/epoch_meter.h"

namespace normscope {
namespace {

constexpr float kNotMeasured = std::numeric_limits<float>::quiet_NaN();

/// A block matrix, another and a gain, which is none.
std::vector<ParamInfo> parameters() {
  return {{"blocks.0.attn.q.weight", 0, "attention", {8, 8}},
          {"blocks.0.attn_norm.gain", 0, "norm", {8}},
          {"blocks.0.mlp.fc.weight", 0, "mlp", {8, 8}}};
}

void add(EpochMeter& meter, double loss, const std::vector<double>& norms, const std::vector<float>& residual) {
  meter.add(loss, norms, residual);
}

TEST(EpochMeter, AveragesTheStreamOverMeasuredStepsOnly) {
  EpochMeter meter(parameters(), 3);
  EXPECT_TRUE(meter.empty());
  add(meter, 4, {1, 100, 5}, {2, 10, kNotMeasured});
  add(meter, 2, {3, 300, 7}, {kNotMeasured, 20, kNotMeasured});
  add(meter, 3, {5, 500, 9}, {6, 60, kNotMeasured});
  add(meter, 3, {3, 100, 7}, {kNotMeasured, 30, kNotMeasured});
  const EpochRow row = meter.finish(2, true);
  EXPECT_EQ(row.epoch, 2);
  EXPECT_TRUE(row.complete);
  EXPECT_EQ(row.loss, 3);
  EXPECT_EQ(row.param_grad_norm, (std::vector<float>{3, 250, 7}));
  EXPECT_EQ(row.mean_grad_norm, 5) << "the block matrices alike, the gain not at all";
  ASSERT_EQ(row.residual_grad_norm.size(), 3u);
  EXPECT_EQ(row.residual_grad_norm[0], 4) << "of 2 and 6";
  EXPECT_EQ(row.residual_grad_norm[1], 30);
  EXPECT_TRUE(std::isnan(row.residual_grad_norm[2])) << "never measured";
}

TEST(EpochMeter, BeginsAfreshAndGoesOnFromAState) {
  EpochMeter meter(parameters(), 1);
  add(meter, 4, {1, 1, 1}, {2});
  meter.finish(1, true);
  EXPECT_TRUE(meter.empty());
  add(meter, 2, {3, 1, 5}, {8});
  EpochMeter other(parameters(), 1);
  other.restore(meter.state());
  add(other, 6, {5, 1, 7}, {4});
  const EpochRow row = other.finish(2, false);
  EXPECT_FALSE(row.complete);
  EXPECT_EQ(row.loss, 4);
  EXPECT_EQ(row.mean_grad_norm, 5);
  EXPECT_EQ(row.residual_grad_norm, (std::vector<float>{6}));
}

}  // namespace
}  // namespace normscope
