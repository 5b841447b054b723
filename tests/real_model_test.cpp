// Whole models: gradients, causality, residual points, overrides.
#include <algorithm>
#include <map>
#include <set>

#include <normscope/optim/optimizer.h>

#include "model_helpers.h"

namespace normscope::real_test {
namespace {

std::vector<std::string> transformer_presets() {
  std::vector<std::string> names;
  for (const std::string& name : preset_names()) {
    Config config;
    config.load_preset(name);
    if (config.arch != "mlp") names.push_back(name);
  }
  return names;
}

class Presets : public ::testing::TestWithParam<std::string> {};

TEST_P(Presets, EveryParameterReceivesAGradient) {
  // Large presets keep their width; depth, context and vocabulary are cut to seconds' work.
  std::map<std::string, std::string> cut{{"batch_size", "1"}};
  const std::string& name = GetParam();
  if (name == "gpt2-124m" || name == "llama-15m") cut["vocab_size"] = "300";
  if (name == "gpt2-124m" || name == "llama-15m" || name == "nanogpt") {
    cut["n_layer"] = "2";
    cut["block_size"] = "32";
  }
  const Transformer model(engine(), options_of(name, cut), 1337);
  backward(model, {true, 1337, 0}, nullptr, 1);
  for (const Parameter& p : model.parameters().all()) {
    ASSERT_NE(p.grad(), nullptr) << p.path;
    const double size = largest(row_of(p.grad(), p.numel()));
    EXPECT_TRUE(std::isfinite(size)) << p.path;
    EXPECT_GT(size, 0) << p.path;
  }
  // Logits are 0.02 sqrt(C) times standard normal: log V + variance / 2, known to the noise of the few targets.
  const ModelOptions& o = model.options();
  const double std = 0.02 * std::sqrt(static_cast<double>(o.n_embd));
  EXPECT_NEAR(forward_loss(model, 3, 1), std::log(static_cast<double>(o.vocab_size)) + std * std / 2,
              4 * std / std::sqrt(static_cast<double>(o.block_size)))
      << name;
}
INSTANTIATE_TEST_SUITE_P(All, Presets, ::testing::ValuesIn(transformer_presets()), [](const auto& preset) {
  std::string name = preset.param;
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
});

TEST(Model, EveryParameterOfEveryNormAndPlacementReceivesAGradient) {
  for (const PlacementEntry& placement : placement_table())
    for (const std::string& norm : norm_variants({.width = 16, .causal = true}))
      for (const char* arch : {"gpt", "llama"}) {
        const Transformer model(engine(),
                                small({{"arch", arch},
                                       {"norm", norm},
                                       {"norm_placement", placement.name},
                                       {"bias", "true"},
                                       {"tie_weights", "false"},
                                       {"norm_bias", "true"}}),
                                5);
        backward(model, {});
        UpdateNorms norms;
        Optimizer(model.parameters(), {.name = "sgd"}).step(0.1, 1, norms);  // a scalar that starts at 0 hides others
        backward(model, {});
        for (const Parameter& p : model.parameters().all()) {
          ASSERT_NE(p.grad(), nullptr) << p.path;
          if (p.path.ends_with("attn.k.bias")) continue;  // zero by identity: it moves all scores of a row alike
          EXPECT_GT(largest(row_of(p.grad(), p.numel())), 0)
              << arch << " " << norm << " " << placement.name << " " << p.path;
        }
      }
}

TEST(Model, ASecondBackwardDoublesEveryGradient) {  // every op's way of adding to what is there
  for (const char* arch : {"gpt", "llama"})
    for (const std::string& norm : norm_variants({.width = 16, .causal = true})) {
      const Transformer model(
          engine(),
          small({{"arch", arch}, {"norm", norm}, {"bias", "true"}, {"norm_bias", "true"}, {"init_gain", "20"}}), 5);
      backward(model, {});
      std::map<std::string, std::vector<double>> once;
      for (const Parameter& p : model.parameters().all()) once[p.path] = row_of(p.grad(), p.numel());
      backward(model, {}, nullptr, 2, false);
      for (const Parameter& p : model.parameters().all()) {
        std::vector<double> expected;
        for (const double g : once[p.path]) expected.push_back(2 * g);
        // Key biases are zero by identity, so their gradient is all rounding: measured against 1.
        const double floor = p.path.ends_with("attn.k.bias") ? 1 : 0;
        EXPECT_LE(error_of(row_of(p.grad(), p.numel()), expected, floor), tolerance(1e-5, 1e-13))
            << arch << " " << norm << " " << p.path;
      }
    }
}

TEST(Model, InitialLossIsLogV) {
  // Logits of a stream of length sqrt(C) have variance C 0.02^2 = 0.03; residual adds two such streams, and with a tied
  // head the token's own embedding in both.
  for (const char* arch : {"gpt", "llama"})
    for (const PlacementEntry& placement : placement_table())
      EXPECT_NEAR(forward_loss(Transformer(
                      engine(), options_of("micro", {{"arch", arch}, {"norm_placement", placement.name}}), 3)),
                  std::log(65.0), placement.name == "residual" ? 0.3 : 0.1)
          << arch << " " << placement.name;
}

TEST(Model, ALaterTokenNeverChangesAnEarlierLogit) {
  const NoGrad guard;
  for (const char* arch : {"gpt", "llama"})
    for (const PlacementEntry& placement : placement_table()) {
      const Transformer model(engine(),
                              small({{"arch", arch}, {"norm_placement", placement.name}, {"init_gain", "20"}}), 3);
      const Indices tokens = random_tokens(engine(), 2, 12, 11, 1), other = tokens.clone();
      for (std::int64_t b = 0; b < 2; ++b)
        for (std::int64_t t = 7; t < 12; ++t) other.data()[12 * b + t] = (tokens.data()[12 * b + t] + 1) % 11;
      const Tensor before = model.logits(tokens, {}).value(), after = model.logits(other, {}).value();
      for (std::int64_t b = 0; b < 2; ++b) {
        const auto part = [&](const Tensor& t, std::int64_t from, std::int64_t n) {
          return t.reshape({24, 11}).narrow(12 * b + from, n);
        };
        EXPECT_TRUE(same_bits(part(before, 0, 7), part(after, 0, 7))) << arch << " " << placement.name;
        EXPECT_FALSE(same_bits(part(before, 7, 1), part(after, 7, 1))) << arch << " " << placement.name;
      }
      // ... and a shorter context gives the same logits as the start of a longer one (tiles may differ: rounding).
      const Indices start = Indices::empty(engine(), {1, 5});
      std::copy_n(tokens.data(), 5, start.data());
      EXPECT_LE(error_of(numbers(model.logits(start, {}).value()), numbers(before.reshape({24, 11}).narrow(0, 5))),
                tolerance(1e-5, 1e-13));
    }
}

TEST(Model, DropoutWorksInTrainingOnlyAndDependsOnTheStep) {
  const Transformer model(engine(), small({{"dropout", "0.3"}, {"init_gain", "20"}}), 3);
  const NoGrad guard;
  const Indices tokens = random_tokens(engine(), 2, 12, 11, 1);
  const auto logits = [&](const Pass& pass) { return model.logits(tokens, pass).value(); };
  EXPECT_TRUE(same_bits(logits({}), logits({false, 9, 4})));
  EXPECT_FALSE(same_bits(logits({}), logits({true, 9, 4})));
  EXPECT_TRUE(same_bits(logits({true, 9, 4}), logits({true, 9, 4})));
  EXPECT_FALSE(same_bits(logits({true, 9, 4}), logits({true, 9, 5})));
  EXPECT_FALSE(same_bits(logits({true, 9, 4}), logits({true, 8, 4})));
}

struct Keeper final : Observer {
  void value(const std::string& name, const Variable& x) override {
    order.push_back(name);
    values[name] = numbers(x);
    if (x.tracked()) x.on_grad([this, name](const Tensor& g) { gradients[name] = numbers(g); });
  }
  Names order;
  std::map<std::string, std::vector<double>> values, gradients;
};

TEST(ResidualPoints, ArePassedInOrderWithTheirGradients) {
  for (const PlacementEntry& placement : placement_table())
    for (const bool final_norm : {true, false}) {
      const Transformer model(
          engine(), small({{"norm_placement", placement.name}, {"final_norm", final_norm ? "true" : "false"}}), 3);
      Keeper keeper;
      backward(model, {}, &keeper);
      Names names;
      for (int r = 0; r < 7 + final_norm; ++r) names.push_back("residual." + std::to_string(r));
      EXPECT_EQ(model.points(), names) << placement.name;
      EXPECT_EQ(keeper.order, names) << placement.name;
      EXPECT_EQ(keeper.gradients.size(), names.size()) << placement.name;
      for (const auto& [name, g] : keeper.gradients) EXPECT_GT(largest(g), 0) << placement.name << " " << name;
    }
}

TEST(ResidualPoints, AreToldWithoutATape) {
  const Transformer model(engine(), small({}), 3);
  Keeper trained, watched;
  backward(model, {}, &trained);
  const NoGrad guard;
  model.logits(random_tokens(engine(), 2, 12, 11, 1), {.observer = &watched});
  EXPECT_EQ(watched.order, model.points());
  EXPECT_EQ(watched.values, trained.values);
  EXPECT_TRUE(watched.gradients.empty());
}

TEST(ResidualPoints, DifferByTheSubLayersOutputUnderPre) {
  // Each sub-layer computed again from the parameters: MLP of block 1 on N(residual.3) is residual.4 - residual.3.
  const Transformer model(engine(), small({{"bias", "true"}, {"init_gain", "20"}}), 3);
  Keeper keeper;
  backward(model, {}, &keeper);
  const auto parameter = [&](const std::string& path) {
    const Parameter& p = model.parameters().at(path);
    return Variable(Tensor::from(engine(), p.shape, {p.value(), p.value() + p.numel()}));
  };
  const auto point = [&](int r) {
    return Variable(tensor({2, 12, 16}, keeper.values.at("residual." + std::to_string(r))));
  };
  const auto normed = [&](const Variable& x, const std::string& norm) {
    const Variable centred = subtract(x, mean_last(x));
    const Variable n = divide(centred, sqrt(add_scalar(mean_last(square(centred)), 1e-5)));
    return add(multiply(n, parameter(norm + ".gain")), parameter(norm + ".bias"));
  };
  for (int i = 0; i < 3; ++i) {
    const std::string block = "blocks." + std::to_string(i);
    const auto map = [&](const Variable& x, const std::string& name) {
      return linear(x, parameter(block + "." + name + ".weight"), parameter(block + "." + name + ".bias"));
    };
    const Variable h = normed(point(2 * i), block + ".attn_norm");
    const Variable qkv = concat({map(h, "attn.q"), map(h, "attn.k"), map(h, "attn.v")}, 2);
    const Variable attention = map(causal_attention_reference(qkv, {4, 4}), "attn.proj");
    const Variable mlp = map(gelu(map(normed(point(2 * i + 1), block + ".mlp_norm"), "mlp.fc")), "mlp.proj");
    EXPECT_LE(
        error_of(numbers(add(point(2 * i), attention)), keeper.values.at("residual." + std::to_string(2 * i + 1))),
        tolerance(1e-5, 1e-13))
        << i;
    EXPECT_LE(error_of(numbers(add(point(2 * i + 1), mlp)), keeper.values.at("residual." + std::to_string(2 * i + 2))),
              tolerance(1e-5, 1e-13))
        << i;
  }
  EXPECT_LE(error_of(numbers(normed(point(6), "final_norm")), keeper.values.at("residual.7")), tolerance(1e-5, 1e-13));
  Tensor seven = tensor({2, 12, 16}, keeper.values.at("residual.7"));
  const NoGrad guard;
  EXPECT_LE(error_of(numbers(linear(Variable(seven), parameter("embed.tokens"))),
                     numbers(model.logits(random_tokens(engine(), 2, 12, 11, 1), {}))),
            tolerance(1e-5, 1e-13));
}

TEST(BlockOverride, TakesEffectInItsBlockAlone) {
  Config config;
  for (const auto& [key, value] : kSmall) config.set(key, value, "test");
  config.set("block.1.norm", "rmsnorm", "test");
  config.set("block.2.norm_eps", "0.5", "test");
  config.resolve();
  const ModelOptions options = model_options(config, {.classes = 11});
  const Names names = names_of(options);
  const auto has = [&](const std::string& name) { return std::find(names.begin(), names.end(), name) != names.end(); };
  EXPECT_TRUE(has("blocks.0.attn_norm.bias"));
  EXPECT_FALSE(has("blocks.1.attn_norm.bias"));
  EXPECT_FALSE(has("blocks.1.mlp_norm.bias"));
  EXPECT_TRUE(has("blocks.2.attn_norm.bias"));
  ModelOptions plain = options;
  plain.block.erase(2);
  const auto points = [&](const ModelOptions& o) {
    Keeper keeper;
    backward(Transformer(engine(), o, 3), {}, &keeper);
    return keeper.values;
  };
  const auto with = points(options), without = points(plain);
  EXPECT_EQ(with.at("residual.4"), without.at("residual.4"));
  EXPECT_NE(with.at("residual.5"), without.at("residual.5")) << "eps of block 2";
}

TEST(ModelErrors, NameWhatDoesNotFit) {
  const Transformer model(engine(), small({}), 3);
  expect_says(message_of([&] { model.logits(random_tokens(engine(), 1, 13, 11, 1), {}); }),
              {"[transformer]", "[1, 13]", "12"});
  expect_says(message_of([&] { model.logits(Indices::full(engine(), {1, 3}, 11), {}); }),
              {"[embedding]", "token 11", "[0, 11)"});
  ModelOptions bad = small({});
  bad.placement = "middle";
  expect_says(message_of<UsageError>([&] { Transformer(engine(), bad, 1); }), {"middle", "pre, post"});
}

}  // namespace
}  // namespace normscope::real_test
