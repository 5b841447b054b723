// Exact evaluation: every target once, whatever the batch size. Sampled evaluation: windows keyed by seed and step.
#include <normscope/train/evaluate.h>

#include "model_helpers.h"

namespace normscope::real_test {
namespace {

std::vector<std::uint16_t> random_text(std::int64_t count) {
  const Random random(3, Purpose::random_tokens, 1);
  std::vector<std::uint16_t> tokens;
  for (std::int64_t i = 0; i < count; ++i)
    tokens.push_back(static_cast<std::uint16_t>(random.below(static_cast<std::uint64_t>(i), 11)));
  return tokens;
}

/// The loss of one window of `count` targets from `start` on, alone in its batch.
double window_loss(const Transformer& model, const std::vector<std::uint16_t>& tokens, std::int64_t start,
                   std::int64_t count) {
  const NoGrad guard;
  const Batch batch{Indices::empty(engine(), {1, count}), Indices::empty(engine(), {1, count}), {}};
  for (std::int64_t i = 0; i < count; ++i) {
    batch.tokens.data()[i] = tokens[static_cast<std::size_t>(start + i)];
    batch.targets.data()[i] = tokens[static_cast<std::size_t>(start + i + 1)];
  }
  return static_cast<double>(model.loss(batch, {}).item());
}

TEST(ExactEvaluation, IsTheMeanOverAllTargetsOfWindowsSideBySide) {
  const Transformer model(engine(), small({{"init_gain", "20"}}), 5);  // block_size 12; losses that differ much
  for (const std::int64_t length : {2, 12, 13, 14, 25, 62, 73}) {
    const auto tokens = random_text(length);
    const TokenSplit split(tokens, 12);
    double sum = 0;
    for (std::int64_t start = 0; start < length - 1; start += 12) {
      const std::int64_t count = std::min<std::int64_t>(12, length - 1 - start);
      sum += window_loss(model, tokens, start, count) * static_cast<double>(count);
    }
    const double expected = sum / static_cast<double>(length - 1);
    for (const std::int64_t items : {1, 2, 3, 4, 64}) {
      const Evaluation got = exact_evaluation(model, split, {.batch_size = items});
      EXPECT_EQ(got.targets, length - 1);
      EXPECT_NEAR(got.loss, expected, tolerance(2e-6, 1e-12) * expected) << length << " tokens by " << items;
    }
  }
}

TEST(ExactEvaluation, TellsAnObserverOfEveryPointOfEveryBatch) {
  struct Counter final : Observer {
    void value(const std::string& name, const Variable& x) override { tokens[name] += x.shape().rows(); }
    std::map<std::string, std::int64_t> tokens;
  } counter;
  const Transformer model(engine(), small({}), 5);
  const auto text = random_text(62);
  exact_evaluation(model, TokenSplit(text, 12), {.batch_size = 3, .observer = &counter});
  ASSERT_EQ(counter.tokens.size(), model.points().size());
  for (const std::string& point : model.points()) EXPECT_EQ(counter.tokens[point], 61) << point;
}

TEST(SampledEvaluation, DrawsOtherWindowsAtEachStepAndSeedAndTheSameOnesAgain) {
  const Transformer model(engine(), small({{"init_gain", "20"}}), 5);
  const auto tokens = random_text(500);
  const TokenSplit split(tokens, 12);
  const auto loss = [&](std::uint64_t seed, std::int64_t step, std::int64_t batch_size) {
    SampledEvaluateOptions options;
    options.batch_size = batch_size;
    options.items = 5;
    options.seed = seed;
    options.step = step;
    const Evaluation got = sampled_evaluation(model, split, options);
    EXPECT_EQ(got.targets, 60);
    return got.loss;
  };
  EXPECT_EQ(loss(1, 7, 2), loss(1, 7, 2));
  EXPECT_NEAR(loss(1, 7, 2), loss(1, 7, 5), tolerance(1e-5, 1e-12)) << "windows do not depend on the batch";
  EXPECT_GT(std::abs(loss(1, 7, 2) - loss(1, 8, 2)), 1e-3) << "the step";
  EXPECT_GT(std::abs(loss(1, 7, 2) - loss(2, 7, 2)), 1e-3) << "the seed";
}

TEST(ExactEvaluation, OfOneTokenIsRefused) {
  const Transformer model(engine(), small({}), 5);
  const auto tokens = random_text(1);
  EXPECT_NE(message_of<UsageError>([&] {
              exact_evaluation(model, TokenSplit(tokens, 12), {.batch_size = 2});
            }).find("1 token"),
            std::string::npos);
}

}  // namespace
}  // namespace normscope::real_test
