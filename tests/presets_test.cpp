// The shipped presets are the recipes they are named after.
#include <gtest/gtest.h>
#include "config/config.h"

#include <filesystem>

#include "cli_helpers.h"

namespace normscope {
namespace {

Config preset(const std::string& name) {
  Config config;
  config.load_preset(name);
  config.resolve();
  return config;
}

/// Key by key: what a resolved preset must hold.
void expect_values(const std::string& name, const std::map<std::string, std::string>& values) {
  const Config config = preset(name);
  for (const auto& [key, value] : values) EXPECT_EQ(config.get(key), value) << name << " " << key;
}

TEST(Presets, AllAreThereAndResolve) {
  EXPECT_EQ(preset_names(), (std::vector<std::string>{"gpt2-124m", "llama-15m", "llama-micro", "m1", "m2", "micro",
                                                      "nanogpt", "nanogpt-cpu"}));
  for (const std::string& name : preset_names()) {
    EXPECT_NO_THROW(preset(name)) << name;
    const std::string text = cli_test::read_text(std::string(NORMSCOPE_SOURCE) + "/models/presets/" + name + ".toml");
    EXPECT_EQ(text.substr(0, 2), "# ") << name << ": the first line says what it is";
  }
}

TEST(Presets, Micro) {
  std::map<std::string, std::string> shared{
      {"n_layer", "4"},          {"n_head", "4"},        {"n_embd", "64"},
      {"block_size", "64"},      {"batch_size", "16"},   {"learning_rate", "0.001"},
      {"min_lr", "0.0001"},      {"beta1", "0.9"},       {"beta2", "0.95"},
      {"weight_decay", "0"},     {"warmup_iters", "30"}, {"max_iters", "300"},
      {"lr_decay_iters", "300"}, {"grad_clip", "1"},     {"sampler", "shuffle"},
      {"norm_bias", "auto"},     {"dropout", "0"}};
  shared["arch"] = "gpt", shared["norm"] = "layernorm", shared["n_inner"] = "256";
  expect_values("micro", shared);
  shared["arch"] = "llama", shared["norm"] = "rmsnorm", shared["n_inner"] = "192";
  expect_values("llama-micro", shared);
}

TEST(Presets, NanoGpt) {
  expect_values("nanogpt-cpu", {{"arch", "gpt"},
                                {"sampler", "random"},
                                {"norm_bias", "false"},
                                {"bias", "false"},
                                {"block_size", "64"},
                                {"batch_size", "12"},
                                {"n_layer", "4"},
                                {"n_head", "4"},
                                {"n_embd", "128"},
                                {"dropout", "0"},
                                {"max_iters", "2000"},
                                {"lr_decay_iters", "2000"},
                                {"learning_rate", "0.001"},
                                {"min_lr", "0.0001"},
                                {"warmup_iters", "100"},
                                {"beta1", "0.9"},
                                {"beta2", "0.99"},
                                {"weight_decay", "0.1"},
                                {"grad_clip", "1"},
                                {"eval_iters", "20"},
                                {"eval_interval", "250"},
                                {"seed", "1337"},
                                {"activation", "gelu"}});
  expect_values("nanogpt", {{"arch", "gpt"},
                            {"sampler", "random"},
                            {"norm_bias", "false"},
                            {"bias", "false"},
                            {"block_size", "256"},
                            {"batch_size", "64"},
                            {"n_layer", "6"},
                            {"n_head", "6"},
                            {"n_embd", "384"},
                            {"dropout", "0.2"},
                            {"max_iters", "5000"},
                            {"lr_decay_iters", "5000"},
                            {"learning_rate", "0.001"},
                            {"min_lr", "0.0001"},
                            {"warmup_iters", "100"},
                            {"beta2", "0.99"},
                            {"eval_iters", "200"},
                            {"eval_interval", "250"}});
}

TEST(Presets, Large) {
  expect_values("gpt2-124m", {{"arch", "gpt"},
                              {"bias", "false"},
                              {"norm_bias", "false"},
                              {"vocab_size", "50257"},
                              {"block_size", "256"},
                              {"batch_size", "4"},
                              {"n_layer", "12"},
                              {"n_head", "12"},
                              {"n_embd", "768"},
                              {"n_inner", "3072"},
                              {"learning_rate", "0.0006"},
                              {"beta2", "0.95"}});
  expect_values("llama-15m", {{"arch", "llama"},
                              {"vocab_size", "32000"},
                              {"block_size", "256"},
                              {"n_layer", "6"},
                              {"n_head", "6"},
                              {"n_kv_head", "6"},
                              {"n_embd", "288"},
                              {"n_inner", "768"},
                              {"tie_weights", "true"},
                              {"norm", "rmsnorm"},
                              {"activation", "swiglu"}});
}

}  // namespace
}  // namespace normscope
