// Parameters of whole models: names, shapes, counts, initial values.
#include <algorithm>
#include <map>
#include <set>

#include "model_helpers.h"

namespace normscope::real_test {
namespace {

Names expected(const Names& outside, const Names& in_a_block, int layers) {
  Names names = outside;
  for (int i = 0; i < layers; ++i)
    for (const std::string& name : in_a_block) names.push_back("blocks." + std::to_string(i) + "." + name);
  std::sort(names.begin(), names.end());
  return names;
}

TEST(ModelNames, AreTheInterfacesForGpt) {
  const Names weights{"attn.q.weight",    "attn.k.weight", "attn.v.weight",
                      "attn.proj.weight", "mlp.fc.weight", "mlp.proj.weight"};
  const Names norms{"attn_norm.gain", "mlp_norm.gain"};
  Names block = weights;
  block.insert(block.end(), norms.begin(), norms.end());
  EXPECT_EQ(names_of(small({{"norm_bias", "false"}})),
            expected({"embed.tokens", "embed.positions", "final_norm.gain"}, block, 3));
  for (const char* name : {"attn_norm.bias", "mlp_norm.bias"}) block.push_back(name);
  EXPECT_EQ(names_of(small({})),
            expected({"embed.tokens", "embed.positions", "final_norm.gain", "final_norm.bias"}, block, 3));
  for (const std::string& w : weights) block.push_back(w.substr(0, w.size() - 6) + "bias");
  EXPECT_EQ(
      names_of(small({{"bias", "true"}, {"tie_weights", "false"}})),
      expected({"embed.tokens", "embed.positions", "final_norm.gain", "final_norm.bias", "head.weight"}, block, 3));
}

TEST(ModelNames, AreTheInterfacesForLlama) {
  const Names block{"attn.q.weight", "attn.k.weight",   "attn.v.weight",  "attn.proj.weight", "mlp.gate.weight",
                    "mlp.up.weight", "mlp.proj.weight", "attn_norm.gain", "mlp_norm.gain"};
  EXPECT_EQ(names_of(small({{"arch", "llama"}})), expected({"embed.tokens", "final_norm.gain"}, block, 3));
  EXPECT_EQ(names_of(small({{"arch", "llama"}, {"tie_weights", "false"}})),
            expected({"embed.tokens", "final_norm.gain", "head.weight"}, block, 3));
}

TEST(ModelNames, ShapesAreOutTimesIn) {
  const Transformer model(
      engine(), small({{"arch", "llama"}, {"n_kv_head", "2"}, {"n_inner", "40"}, {"tie_weights", "false"}}), 1);
  const std::map<std::string, Shape> shapes{{"embed.tokens", {11, 16}},
                                            {"blocks.1.attn.q.weight", {16, 16}},
                                            {"blocks.1.attn.k.weight", {8, 16}},
                                            {"blocks.1.attn.v.weight", {8, 16}},
                                            {"blocks.1.mlp.gate.weight", {40, 16}},
                                            {"blocks.1.mlp.proj.weight", {16, 40}},
                                            {"final_norm.gain", {16}},
                                            {"head.weight", {11, 16}}};
  for (const auto& [path, shape] : shapes) EXPECT_EQ(model.parameters().at(path).shape, shape) << path;
  EXPECT_EQ(model.parameters().at("blocks.1.attn.k.weight").block, 1);
  EXPECT_EQ(model.parameters().at("head.weight").block, -1);
}

std::int64_t count(const ModelOptions& options, const std::string& ending = "") {
  const Transformer model(engine(), options, 1);
  std::int64_t sum = 0;
  for (const Parameter& p : model.parameters().all()) sum += p.path.ends_with(ending) ? p.numel() : 0;
  return sum;
}

TEST(ModelCounts, AreTheKnownOnes) {
  EXPECT_EQ(count(options_of("nanogpt-cpu")), 804096);
  EXPECT_EQ(count(options_of("nanogpt")), 10745088);  // nanoGPT prints 10.65M: without the 98,304 of its positions
  const std::int64_t L = 3, d = 16;
  for (const char* norm : {"layernorm", "rmsnorm"}) {  // C22
    EXPECT_EQ(count(small({{"norm", norm}}), ".gain"), (2 * L + 1) * d);
    EXPECT_EQ(count(small({{"norm", norm}}), "norm.bias"), norm[0] == 'l' ? (2 * L + 1) * d : 0);
  }
  EXPECT_EQ(count(small({{"norm", "none"}}), ".gain"), 0);
  EXPECT_EQ(count(small({{"norm_placement", "post"}}), ".gain"), 2 * L * d) << "post has no final norm";
  EXPECT_EQ(count(small({{"norm_placement", "post"}, {"final_norm", "true"}}), ".gain"), (2 * L + 1) * d);
  EXPECT_EQ(count(small({{"norm_affine", "false"}}), ".gain"), 0);
}

TEST(ModelInit, IsNanoGpts) {
  const Transformer model(
      engine(), options_of("nanogpt-cpu", {{"bias", "true"}, {"norm_bias", "true"}, {"tie_weights", "false"}}), 1337);
  for (const Parameter& p : model.parameters().all()) {
    const std::vector<double> w = row_of(p.value(), p.numel());
    if (!p.is_matrix()) {
      EXPECT_EQ(w, std::vector<double>(w.size(), p.path.ends_with(".gain") ? 1 : 0)) << p.path;
      continue;
    }
    double mean = 0, square = 0;
    for (const double x : w) {
      mean += x / static_cast<double>(w.size());
      square += x * x / static_cast<double>(w.size());
    }
    const double std = p.path.ends_with("proj.weight") ? 0.02 / std::sqrt(8.0) : 0.02,
                 n = static_cast<double>(w.size());
    EXPECT_NEAR(mean, 0, 4.5 * std / std::sqrt(n)) << p.path;
    EXPECT_NEAR(std::sqrt(square), std, 4.5 * std / std::sqrt(2 * n)) << p.path;
    EXPECT_LT(largest(w), 6 * std) << p.path;
  }
}

TEST(ModelInit, DiffersBetweenParametersAndFollowsItsKeys) {
  const Transformer model(engine(), small({}), 1), again(engine(), small({}), 1), other(engine(), small({}), 2);
  const Transformer wide(engine(), small({{"init_gain", "3"}, {"init_shift", "0.5"}}), 1);
  std::set<std::vector<double>> seen;
  for (const Parameter& p : model.parameters().all()) {
    if (!p.is_matrix()) continue;
    const auto w = row_of(p.value(), p.numel());
    EXPECT_TRUE(seen.insert({w.begin(), w.begin() + 16}).second) << p.path << " repeats another's draws";
    EXPECT_EQ(w, row_of(again.parameters().at(p.path).value(), p.numel()));
    EXPECT_NE(w, row_of(other.parameters().at(p.path).value(), p.numel())) << p.path;
    for (std::int64_t i = 0; i < p.numel(); ++i)
      ASSERT_NEAR(static_cast<double>(wide.parameters().at(p.path).value()[i]),
                  3 * w[static_cast<std::size_t>(i)] + 0.5, 1e-6);
  }
}

}  // namespace
}  // namespace normscope::real_test
