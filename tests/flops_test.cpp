// Counting work: "Useful FLOPs of a step" against counts made by hand.
#include <normscope/models/model.h>

#include <gtest/gtest.h>

namespace normscope {
namespace {

ModelOptions nanogpt_cpu() {
  ModelOptions o;
  o.n_layer = 4;
  o.n_head = o.n_kv_head = 4;
  o.n_embd = 128;
  o.n_inner = 512;
  o.block_size = 64;
  o.vocab_size = 65;
  return o;
}

std::unique_ptr<Model> model_of(const ModelOptions& options) {
  static Engine dry({.threads = 1, .dry = true});
  return make_model(dry, options, 1);
}

TEST(Flops, OfNanoGptForACpu) {
  const ModelOptions o = nanogpt_cpu();
  // A token: each weight of a linear map is one multiplication and one addition forward; the tied head counts, the
  // lookup does not. Attention: scores and mixing, (t + 1) C of each, twice: over a sequence 2 T (T + 1) C a layer.
  const double weights = 4 * (4 * 128.0 * 128 + 2 * 128.0 * 512) + 128 * 65, tokens = 12 * 64;
  const double attention = 4 * 2 * 64.0 * 65 * 128 * 12;
  EXPECT_DOUBLE_EQ(model_of(o)->flops(12 * 64), 3 * (2 * weights * tokens + attention));
}

TEST(Flops, OfAGroupedLlama) {
  ModelOptions o = nanogpt_cpu();
  o.n_kv_head = 2;
  o.n_inner = 352;
  o.activation = "swiglu";
  o.tie_weights = false;
  const double weights = 4 * (2 * 128.0 * 128 + 2 * 128.0 * 64 + 3 * 128.0 * 352) + 128 * 65;
  EXPECT_DOUBLE_EQ(model_of(o)->flops(64), 3 * (2 * weights * 64 + 4 * 2 * 64.0 * 65 * 128));
}

TEST(Flops, ProductsHoldEveryWeightOnce) {
  std::int64_t weights = 0;
  for (const ProductShape& p : model_of(nanogpt_cpu())->products()) weights += p.in * p.out * p.count;
  EXPECT_EQ(weights, 804096 - 64 * 128 - 9 * 128);  // all parameters but positions and gains
}

TEST(Flops, GrowLinearlyInTokens) {
  const ModelOptions o = nanogpt_cpu();
  EXPECT_DOUBLE_EQ(model_of(o)->flops(4 * 768), 4 * model_of(o)->flops(768));
}

}  // namespace
}  // namespace normscope
