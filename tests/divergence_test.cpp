// What counts as diverged, in numbers alone.
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "run/divergence.h"

namespace normscope {
namespace {

constexpr double kInfinite = std::numeric_limits<double>::infinity();
constexpr double kNoNumber = std::numeric_limits<double>::quiet_NaN();

TEST(Divergence, OfHealthyStepsIsNone) {
  DivergenceJudge judge(65);
  for (int s = 0; s < 50; ++s) EXPECT_FALSE(judge.step({.step = s, .loss = 4.2, .grad_norm = 1}));
  judge.end(4.1);
  EXPECT_FALSE(judge.found());
}

TEST(Divergence, OfAValueThatIsNotFiniteEndsTheRunAtOnce) {
  for (const double bad : {kInfinite, -kInfinite, kNoNumber}) {
    DivergenceJudge loss(65), gradient(65);
    EXPECT_FALSE(loss.step({.step = 0, .loss = 4, .grad_norm = 1}));
    EXPECT_TRUE(loss.step({.step = 1, .loss = bad, .grad_norm = 1}));
    EXPECT_EQ(loss.found()->step, 1);
    EXPECT_EQ(loss.found()->where, "loss");
    EXPECT_TRUE(gradient.step({.step = 0, .loss = 4, .grad_norm = bad}));
    EXPECT_EQ(gradient.found()->where, "gradient");
  }
  DivergenceJudge stream(65);  // the loss of a dead model is finite
  EXPECT_TRUE(stream.step({.step = 7, .loss = 4.17, .grad_norm = 0, .nonfinite = "block 1"}));
  EXPECT_EQ(stream.found()->attributes().at("diverged_step"), "7");
  EXPECT_EQ(stream.found()->attributes().at("diverged_where"), "block 1");
  EXPECT_TRUE(stream.step({.step = 8, .loss = 4, .grad_norm = 1})) << "it stays so";
  EXPECT_EQ(stream.found()->step, 7);
}

TEST(Divergence, OfAGradientOfExactlyZeroTakesThreeStepsInARow) {
  DivergenceJudge judge(65);
  int s = 0;
  for (const double g : {1.0, 0.0, 0.0, 1.0, 0.0, 0.0})
    EXPECT_FALSE(judge.step({.step = s++, .loss = 4.17, .grad_norm = g, .overflow = "block 0"}));
  EXPECT_TRUE(judge.step({.step = s, .loss = 4.17, .grad_norm = 0}));
  EXPECT_EQ(judge.found()->step, 4) << "the first of the three";
  EXPECT_NE(judge.found()->where.find("block 0"), std::string::npos);
}

TEST(Divergence, IsNotATextOfOneCharacter) {
  DivergenceJudge judge(1);
  for (int s = 0; s < 30; ++s) EXPECT_FALSE(judge.step({.step = s, .loss = 0, .grad_norm = 0}));
  judge.end(0);
  EXPECT_FALSE(judge.found());
}

TEST(Divergence, OfTheLossIsJudgedInTheEndAgainstThreeTimesGuessing) {
  const double limit = 3 * std::log(65.0);
  const auto judge_of = [](std::initializer_list<double> losses, double val) {
    DivergenceJudge judge(65);
    std::int64_t s = 0;
    for (const double loss : losses) EXPECT_FALSE(judge.step({.step = s++, .loss = loss, .grad_norm = 1}));
    judge.end(val);
    return judge;
  };
  EXPECT_FALSE(judge_of({4, limit * 0.99}, limit).found());
  EXPECT_FALSE(judge_of({limit * 1.5, limit * 0.4}, 4).found()) << "the mean counts";
  const auto train = judge_of({4, limit * 2, limit * 2}, 4);
  ASSERT_TRUE(train.found());
  EXPECT_EQ(train.found()->step, 1);
  EXPECT_EQ(train.found()->where, "training loss");
  const auto val = judge_of({4, 4}, limit * 1.01);
  ASSERT_TRUE(val.found());
  EXPECT_EQ(val.found()->where, "exact validation loss");
  EXPECT_TRUE(judge_of({4, 4}, kNoNumber).found());
  EXPECT_TRUE(judge_of({4, 4}, kInfinite).found());

  DivergenceJudge recovered(65);  // only the last 20 steps count
  for (int s = 0; s < 40; ++s) recovered.step({.step = s, .loss = s < 20 ? 1e6 : 4, .grad_norm = 1});
  recovered.end(4);
  EXPECT_FALSE(recovered.found());
}

TEST(Divergence, NamesThePlacesOfTheModel) {
  EXPECT_EQ(point_place(0, 6, 2), "embedding (residual.0)");
  EXPECT_EQ(point_name(0, 6, 2).label, "embedding");
  EXPECT_EQ(point_name(3, 6, 2).label, "1 attention");
  EXPECT_EQ(point_name(4, 5, 2).label, "1 mlp");
  EXPECT_EQ(point_name(5, 6, 2).label, "final norm");
  EXPECT_EQ(point_name(2, 3, 2).label, "1");
  EXPECT_EQ(point_place(3, 6, 2), "block 1, stream after attention (residual.3)");
  EXPECT_EQ(point_place(4, 5, 2), "block 1, stream after the MLP (residual.4)");
  EXPECT_EQ(point_place(5, 6, 2), "output of the final norm (residual.5)");
  EXPECT_EQ(point_place(0, 3, 2), "input (residual.0)");
  EXPECT_EQ(point_place(2, 3, 2), "block 1, output (residual.2)");
}

}  // namespace
}  // namespace normscope
