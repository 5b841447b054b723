// Initial values by name, buffers, and what a pass and the hook after an update are told.
#include <normscope/models/transformer.h>
#include <normscope/train/train_step.h>
#include <normscope/train/weights.h>

#include <cmath>
#include <filesystem>
#include <map>

#include "files.h"
#include "real_helpers.h"

namespace normscope::real_test {
namespace {

using test_files::TemporaryFolder;

Transformer with_init(const std::string& init) {
  return {
      engine(), {.n_layer = 2, .n_embd = 64, .n_inner = 192, .vocab_size = 50, .tie_weights = false, .init = init}, 7};
}

double std_of(const Model& model, const std::string& path) {
  const Parameter& p = model.parameters().at(path);
  double square = 0;
  for (std::int64_t i = 0; i < p.numel(); ++i)
    square += static_cast<double>(p.value()[i]) * static_cast<double>(p.value()[i]);
  return std::sqrt(square / static_cast<double>(p.numel()));
}

TEST(Init, OfADryEngineComputesNothing) {
  Engine dry({.threads = 2, .dry = true});
  EXPECT_EQ(dry.threads(), 2) << "the team it plans for";
  const std::int64_t n = std::int64_t{1} << 20;  // the matrix would take 8 TB
  fill(dry, nullptr, {n, n}, Init::orthogonal(), Random(1, Purpose::init, 1));
}

TEST(Init, StandardDeviationsFollowTheFormulas) {
  const double plain = 0.02, L = 2;
  struct Wanted {
    double q, v, attention, fc, mlp, head;
  };
  const std::map<std::string, Wanted> wanted{
      {"auto", {plain, plain, plain / 2, plain, plain / 2, plain}},
      {"normal", {plain, plain, plain / 2, plain, plain / 2, plain}},
      {"normal_plain", {plain, plain, plain, plain, plain, plain}},
      {"xavier",
       {std::sqrt(2 / 128.0), std::sqrt(2 / 128.0), std::sqrt(2 / 128.0), std::sqrt(2 / 256.0), std::sqrt(2 / 256.0),
        std::sqrt(2 / 114.0)}},
      {"he",
       {std::sqrt(2 / 64.0), std::sqrt(2 / 64.0), std::sqrt(2 / 64.0), std::sqrt(2 / 64.0), std::sqrt(2 / 192.0),
        std::sqrt(1 / 64.0)}},
      {"small",
       {std::sqrt(2 / 320.0), std::sqrt(2 / 320.0), 2 / (L * 8), std::sqrt(2 / 320.0), 2 / (L * 8),
        std::sqrt(2 / 320.0)}},
      {"orthogonal", {1 / 8.0, 1 / 8.0, 1 / 8.0, 1 / std::sqrt(192.0), 1 / std::sqrt(192.0), 1 / 8.0}},
      {"zero_qk", {0, plain, plain / 2, plain, plain / 2, plain}},
  };
  for (const InitEntry& entry : init_table()) EXPECT_TRUE(wanted.count(entry.name)) << entry.name;
  for (const auto& [name, w] : wanted) {
    const Transformer model = with_init(name);
    const std::map<std::string, double> by_path{{"attn.q.weight", w.q},  {"attn.k.weight", w.q},
                                                {"attn.v.weight", w.v},  {"attn.proj.weight", w.attention},
                                                {"mlp.fc.weight", w.fc}, {"mlp.proj.weight", w.mlp}};
    for (const auto& [path, std] : by_path)
      EXPECT_NEAR(std_of(model, "blocks.1." + path), std, 0.05 * std) << name << path;
    EXPECT_NEAR(std_of(model, "head.weight"), w.head, 0.05 * w.head) << name;
    EXPECT_NEAR(std_of(model, "embed.tokens"), plain, 0.05 * plain) << name;
    EXPECT_NEAR(std_of(model, "embed.positions"), plain, 0.05 * plain) << name;
  }
  expect_says(message_of<UsageError>([] { with_init("uniform"); }), {"uniform", "auto, normal", "orthogonal"});
}

TEST(Init, NormalsShareTheirDraws) {
  const Transformer normal = with_init("normal"), he = with_init("he");
  const char* path = "blocks.0.mlp.fc.weight";
  const double ratio = std::sqrt(2 / 64.0) / 0.02;
  for (std::int64_t i = 0; i < 100; ++i)
    EXPECT_NEAR(static_cast<double>(he.parameters().at(path).value()[i]),
                ratio * static_cast<double>(normal.parameters().at(path).value()[i]), 1e-6);
}

TEST(Init, OrthogonalRowsOrColumnsAreOrthonormal) {
  const Random random(3, Purpose::init, 4);
  for (const Shape& shape : {Shape{7, 20}, Shape{20, 7}, Shape{9, 9}}) {
    const std::int64_t out = shape[0], in = shape[1];
    std::vector<real> w(static_cast<std::size_t>(out * in));
    fill(engine(), w.data(), shape, Init::orthogonal(2), random);
    const bool rows = out <= in;
    const auto entry = [&](std::int64_t v, std::int64_t i) {
      return static_cast<double>(w[static_cast<std::size_t>(rows ? v * in + i : i * in + v)]);
    };
    for (std::int64_t a = 0; a < std::min(out, in); ++a)
      for (std::int64_t b = 0; b <= a; ++b) {
        double product = 0;
        for (std::int64_t i = 0; i < std::max(out, in); ++i) product += entry(a, i) * entry(b, i);
        EXPECT_NEAR(product, a == b ? 4 : 0, tolerance(2e-6, 1e-14)) << shape << a << " " << b;
      }
  }
}

TEST(Buffers, AreSavedButNotTrained) {
  const auto make = [](Parameters& parameters, double value) {
    const Scope scope{parameters, "layer", 0, "norm"};
    scope.add("gain", {3}, Init::constant(1));
    return scope.add_buffer("running_mean", {3}, value);
  };
  Parameters parameters(engine(), 1), other(engine(), 1);
  const Tensor mean = make(parameters, 0.5), loaded = make(other, 0);
  mean.data()[1] = 7;
  EXPECT_EQ(parameters.numel(), 3);
  EXPECT_EQ(parameters.all().size(), 1u);
  EXPECT_EQ(parameters.buffers().at(0).path, "layer.running_mean");
  EXPECT_EQ(Optimizer(parameters, {}).first().size(), 1u);
  expect_says(message_of([&] { parameters.add_buffer("layer.gain", {1}, 0); }), {"layer.gain", "twice"});

  const TemporaryFolder folder;
  save_weights(parameters, folder / "weights.h5");
  load_weights(other, folder / "weights.h5");
  EXPECT_EQ(loaded.to_vector(), (std::vector<real>{0.5, 7, 0.5}));
  Parameters more(engine(), 1);
  make(more, 0);
  more.add_buffer("layer.count", {1}, 0);
  expect_says(message_of<UsageError>([&] { load_weights(more, folder / "weights.h5"); }), {"layer.count"});
}

/// A model that writes down what it is told.
class Listener final : public Model {
 public:
  Listener() : Model(real_test::engine(), {}, 1), w_(parameters_.add("w", -1, "head", {2, 2}, Init::normal(1))) {}
  Variable logits(const Batch& batch, const Pass& pass) const override {
    passes.push_back(pass);
    return linear(Variable(batch.features), w_);
  }
  Batch make_batch(std::int64_t items) const override {
    return {{}, Indices::full(engine(), {items}, 1), Tensor::full(engine(), {items, 2}, 1)};
  }
  std::vector<ProductShape> products() const override { return {{2, 2, 1}}; }
  void after_update(std::int64_t step) override { updates.push_back(step); }
  mutable std::vector<Pass> passes;
  std::vector<std::int64_t> updates;

 private:
  Variable w_;
};

class Ones final : public BatchSource {
  void fill(std::int64_t, std::int64_t, const Batch&) const override {}
};

TEST(TrainStep, TellsThePassItsStepAndTheModelItsUpdates) {
  Listener model;
  const Ones source;
  TrainStep step(model, source, {.steps = 9, .batch_size = 2, .accumulation_steps = 2, .seed = 5});
  step.run(3);
  step.run(4);
  ASSERT_EQ(model.passes.size(), 4u);
  for (std::size_t i = 0; i < 4; ++i) {
    EXPECT_EQ(model.passes[i].step, i < 2 ? 3 : 4);
    EXPECT_EQ(model.passes[i].steps, 9);
    EXPECT_EQ(model.passes[i].micro_step, 6 + i) << "as before: step times accumulation plus micro-batch";
    EXPECT_TRUE(model.passes[i].training);
    EXPECT_EQ(model.passes[i].seed, 5u);
  }
  EXPECT_EQ(model.updates, (std::vector<std::int64_t>{3, 4}));
}

}  // namespace
}  // namespace normscope::real_test
