// A training step as a whole: parts of a batch, threads, every preset.
#include "real_helpers.h"
#include "train/session.h"

namespace normscope::real_test {
namespace {

/// A preset, made small enough for a test in everything but what it is made of.
Config small(const std::string& preset, int threads) {
  Config config;
  config.load_preset(preset);
  config.batch_size = 3;
  config.n_layer = 2;
  config.block_size = std::min<std::int64_t>(config.block_size, 64);
  config.vocab_size = std::min<std::int64_t>(std::max<std::int64_t>(config.vocab_size, 65), 500);
  config.threads = threads;
  config.resolve();
  return config;
}

/// The same random tokens at every step.
class Fixed final : public BatchSource {
 public:
  explicit Fixed(std::int64_t vocab) : vocab_(static_cast<std::uint64_t>(vocab)) {}
  void fill(std::int64_t, std::int64_t, const Batch& batch) const override {
    const Random random(5, Purpose::random_tokens, 0);
    for (std::int64_t i = 0; i < batch.predictions(); ++i) {
      if (batch.tokens.defined())
        batch.tokens.data()[i] = static_cast<std::int32_t>(random.below(static_cast<std::uint64_t>(2 * i), vocab_));
      batch.targets.data()[i] = static_cast<std::int32_t>(random.below(static_cast<std::uint64_t>(2 * i + 1), vocab_));
    }
    for (std::int64_t i = 0; batch.features.defined() && i < batch.features.numel(); ++i)
      batch.features.data()[i] = static_cast<real>(random.normal(static_cast<std::uint64_t>(i)));
  }

 private:
  std::uint64_t vocab_;
};

DataShape shape_of(const Config& config) {
  return config.arch == "mlp" ? assumed_shape(config) : DataShape{.classes = config.vocab_size};
}

/// Loss, then every gradient and every weight after two steps, as bytes.
struct Outcome {
  std::vector<double> losses;
  std::vector<real> gradients, weights;
};
Outcome two_steps(const Config& config) {
  Session session(config, shape_of(config));
  const Fixed source(session.model->options().vocab_size);
  TrainStepOptions options = step_options(config, 2);
  options.optimizer.weight_decay = 0.1;
  options.grad_clip = 1;
  TrainStep step(*session.model, source, options);
  Outcome outcome;
  for (std::int64_t s = 0; s < 2; ++s) {
    outcome.losses.push_back(step.run(s).loss);
    outcome.losses.push_back(step.gradient_norms().global);
    for (const Parameter& p : session.model->parameters().all())
      outcome.gradients.insert(outcome.gradients.end(), p.grad(), p.grad() + p.numel());
  }
  for (const Parameter& p : session.model->parameters().all())
    outcome.weights.insert(outcome.weights.end(), p.value(), p.value() + p.numel());
  return outcome;
}

TEST(Step, IsBitwiseTheSameOnOneTwoAndThreeThreadsForEveryPreset) {
  for (const std::string& preset : preset_names()) {
    const Outcome one = two_steps(small(preset, 1));
    ASSERT_GT(one.losses[0], 1) << preset;
    for (const int threads : {2, 3}) {
      const Outcome other = two_steps(small(preset, threads));
      EXPECT_EQ(one.losses, other.losses) << preset << " on " << threads;
      EXPECT_EQ(0, std::memcmp(one.gradients.data(), other.gradients.data(), one.gradients.size() * sizeof(real)))
          << preset << " on " << threads;
      EXPECT_EQ(0, std::memcmp(one.weights.data(), other.weights.data(), one.weights.size() * sizeof(real)))
          << preset << " on " << threads;
    }
  }
}

TEST(Step, SplitsALargeBatchIntoPartsOfWholeSequences) {
  EXPECT_EQ(part_of_batch(12, 64), 12);
  EXPECT_EQ(part_of_batch(64, 256), 8);
  EXPECT_EQ(part_of_batch(33, 64), 17);  // 17 and 16
  EXPECT_EQ(part_of_batch(3, 5000), 1);  // a sequence is never cut
}

TEST(Step, InPartsGivesTheWholeBatchsLossAndGradients) {
  Config config = small("llama-micro", 1);
  config.batch_size = 37;  // of 64 tokens: 19 and 18 sequences
  config.dropout = 0;
  Session session(config, shape_of(config));
  const Parameters& parameters = session.model->parameters();
  const Fixed source(config.vocab_size);
  TrainStep step(*session.model, source, step_options(config, 1));
  std::vector<std::int64_t> parts;
  step.on_part = [&](std::int64_t part) { parts.push_back(part); };
  const double loss = step.gradients(0);
  EXPECT_EQ(parts, (std::vector<std::int64_t>{0, 1}));
  std::vector<std::vector<double>> gradients;
  for (const Parameter& p : parameters.all()) gradients.emplace_back(p.grad(), p.grad() + p.numel());

  parameters.zero_grad();
  Tape tape;
  const Tape::Recording recording(tape);
  const Variable whole = session.model->loss(step.batch(), Pass{true, 1, 0});
  tape.backward(whole);
  EXPECT_NEAR(loss, static_cast<double>(whole.item()), tolerance(2e-6, 1e-14));
  for (std::size_t i = 0; i < parameters.all().size(); ++i) {
    const Parameter& p = parameters.all()[i];
    EXPECT_LE(error_of(gradients[i], std::vector<double>(p.grad(), p.grad() + p.numel())), tolerance(1e-5, 1e-13))
        << p.path;
  }
}

/// The stream behind the last block, once for each part.
class Streams final : public StepListener {
 public:
  explicit Streams(std::string point) : point_(std::move(point)) {}
  void value(const std::string& name, const Variable& x) override {
    if (name == point_) parts.emplace_back(x.value().data(), x.value().data() + x.value().numel());
  }
  std::vector<std::vector<real>> parts;

 private:
  std::string point_;
};

/// Every sequence of every batch is the same, so that only dropout tells parts apart.
class OneSequence final : public BatchSource {
 public:
  void fill(std::int64_t, std::int64_t, const Batch& batch) const override {
    for (std::int64_t i = 0; i < batch.predictions(); ++i)
      batch.tokens.data()[i] = batch.targets.data()[i] = static_cast<std::int32_t>(i % 64 % 7);
  }
};

TEST(Step, DropsOtherEntriesInEachPartMicroBatchAndStep) {
  Config config = small("micro", 1);
  config.block_size = 64, config.batch_size = 64, config.gradient_accumulation_steps = 2;  // two parts of 32 sequences
  config.n_layer = 1, config.dropout = 0.5;
  Session session(config, shape_of(config));
  const OneSequence source;
  TrainStep step(*session.model, source, step_options(config, 2));
  Streams streams(session.model->points().back());
  step.gradients(0, &streams);
  step.gradients(1, &streams);
  ASSERT_EQ(streams.parts.size(), 8u) << "two parts of two micro-batches of two steps";
  for (std::size_t a = 0; a < 8; ++a)
    for (std::size_t b = a + 1; b < 8; ++b) EXPECT_NE(streams.parts[a], streams.parts[b]) << a << " and " << b;
  Streams again(session.model->points().back());
  step.gradients(0, &again);
  EXPECT_EQ(again.parts[1], streams.parts[1]) << "the same step drops the same";
}

TEST(Step, NeverCutsABatchThatALayerTakesStatisticsOver) {
  Config config = small("llama-micro", 1);
  config.batch_size = 37;
  Session session(config, shape_of(config));
  EXPECT_TRUE(session.model->splits_batch());
  const_cast<Parameters&>(session.model->parameters()).need_whole_batch();
  const Fixed source(config.vocab_size);
  TrainStep step(*session.model, source, step_options(config, 1));
  std::int64_t parts = 0;
  step.on_part = [&](std::int64_t) { ++parts; };
  step.gradients(0);
  EXPECT_EQ(parts, 1);
}

}  // namespace
}  // namespace normscope::real_test
