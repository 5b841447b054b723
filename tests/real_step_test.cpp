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

void fill_in(const Batch& batch, std::int64_t vocab) {
  const Random random(5, Purpose::random_tokens, 0);
  for (std::int64_t i = 0; i < batch.tokens.numel(); ++i) {
    batch.tokens.data()[i] = static_cast<std::int32_t>(random.below(static_cast<std::uint64_t>(2 * i), vocab));
    batch.targets.data()[i] = static_cast<std::int32_t>(random.below(static_cast<std::uint64_t>(2 * i + 1), vocab));
  }
}

/// Loss, then every gradient and every weight after two steps, as bytes.
struct Outcome {
  std::vector<double> losses;
  std::vector<real> gradients, weights;
};
Outcome two_steps(const Config& config) {
  Session session(config, config.vocab_size);
  StepRunner runner(session.model, config);
  Optimizer optimizer(session.model.parameters(), {config.optimizer, config.beta1, config.beta2, 1e-8, 0.1});
  GradientNorms norms;
  UpdateNorms updates;
  Outcome outcome;
  for (std::int64_t step = 0; step < 2; ++step) {
    outcome.losses.push_back(
        runner.run(step, [&](auto, const Batch& b) { fill_in(b, session.model.options().vocab_size); }, nullptr));
    optimizer.measure(norms);
    outcome.losses.push_back(norms.global);
    for (const Parameter& p : session.model.parameters().all())
      outcome.gradients.insert(outcome.gradients.end(), p.grad(), p.grad() + p.numel());
    optimizer.step(1e-3, Optimizer::clip_factor(norms.global, 1), updates);
  }
  for (const Parameter& p : session.model.parameters().all())
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
  EXPECT_EQ(StepRunner::part_of_batch(12, 64), 12);
  EXPECT_EQ(StepRunner::part_of_batch(64, 256), 8);
  EXPECT_EQ(StepRunner::part_of_batch(33, 64), 17);  // 17 and 16
  EXPECT_EQ(StepRunner::part_of_batch(3, 5000), 1);  // a sequence is never cut
}

TEST(Step, InPartsGivesTheWholeBatchsLossAndGradients) {
  Config config = small("llama-micro", 1);
  config.batch_size = 37;  // of 64 tokens: 19 and 18 sequences
  config.dropout = 0;
  Session session(config, config.vocab_size);
  const Parameters& parameters = session.model.parameters();
  StepRunner runner(session.model, config);
  const double loss = runner.run(0, [&](auto, const Batch& b) { fill_in(b, config.vocab_size); }, nullptr);
  std::vector<std::vector<double>> gradients;
  for (const Parameter& p : parameters.all()) gradients.emplace_back(p.grad(), p.grad() + p.numel());

  parameters.zero_grad();
  Tape tape;
  const Tape::Recording recording(tape);
  const Variable whole = session.model.loss(runner.batch().tokens, runner.batch().targets, Pass{true, 1, 0});
  tape.backward(whole);
  EXPECT_NEAR(loss, static_cast<double>(whole.item()), tolerance(2e-6, 1e-14));
  for (std::size_t i = 0; i < parameters.all().size(); ++i) {
    const Parameter& p = parameters.all()[i];
    EXPECT_LE(error_of(gradients[i], std::vector<double>(p.grad(), p.grad() + p.numel())), tolerance(1e-5, 1e-13))
        << p.path;
  }
}

}  // namespace
}  // namespace normscope::real_test
