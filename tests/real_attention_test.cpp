// Fused causal attention against its composed twin, and what it must never see: the future.
#include "real_helpers.h"

namespace normscope::real_test {
namespace {

struct Heads {
  std::int64_t query, key;
};

/// Scores of about +-3, so that the softmax is neither flat nor a step.
Variable packed(std::int64_t batch, std::int64_t time, Heads heads, std::int64_t d, const std::string& name = "qkv") {
  return random_leaf({batch, time, (heads.query + 2 * heads.key) * d}, name, 1.2);
}

void expect_twin(std::int64_t time, std::int64_t d, Heads heads, bool turned) {
  const Variable qkv = packed(2, time, heads, d);
  const RopeTables tables = turned ? rope_tables(engine(), time + 1, d, 10000) : RopeTables{};
  const AttentionOptions options{heads.query, heads.key, turned ? &tables : nullptr};
  const Tensor seed = random_tensor({2, time, heads.query * d}, "seed");
  const Result fused = run_with_gradients({qkv}, [&] { return causal_attention(qkv, options); }, seed);
  const Result plain = run_with_gradients({qkv}, [&] { return causal_attention_reference(qkv, options); }, seed);
  // exp(score - log-sum-exp) carries the rounding of a score of about 10 into every weight.
  ASSERT_LE(error_of(numbers(fused.value), numbers(plain.value)), tolerance(3e-6, 1e-14))
      << "T " << time << " D " << d << " heads " << heads.query << "/" << heads.key << " rope " << turned;
  ASSERT_LE(error_of(numbers(fused.gradients[0]), numbers(plain.gradients[0])), tolerance(1e-5, 3e-14))
      << "T " << time << " D " << d << " heads " << heads.query << "/" << heads.key << " rope " << turned;
}

TEST(Attention, IsItsTwinForAllLengthsAndWidths) {
  for (const std::int64_t time : {1, 2, 5, 16, 17, 64, 70, 130})
    for (const std::int64_t d : {4, 5, 8, 16, 24, 32, 64}) expect_twin(time, d, {2, 2}, d % 2 == 0 && time % 2 == 0);
}

TEST(Attention, IsItsTwinForAllKindsOfHeads) {
  for (const Heads heads : {Heads{1, 1}, Heads{3, 3}, Heads{4, 2}, Heads{6, 2}, Heads{4, 1}, Heads{6, 3}})
    for (const std::int64_t time : {1, 5, 17, 40})
      for (const bool turned : {false, true}) expect_twin(time, 8, heads, turned);
}

TEST(Attention, OfOneTokenIsItsValue) {
  const Variable qkv = packed(1, 1, {2, 1}, 4);
  const std::vector<double> v = numbers(qkv), y = numbers(causal_attention(qkv, {2, 1}));
  expect_close(y, {v[12], v[13], v[14], v[15], v[12], v[13], v[14], v[15]}, tolerance(1e-6, 1e-15));
}

TEST(Attention, OfEqualKeysIsTheMeanOfTheValuesSoFar) {
  const std::int64_t T = 21;
  Tensor qkv = random_tensor({1, T, 3}, "values");
  for (std::int64_t t = 0; t < T; ++t) qkv.data()[3 * t + 1] = 2;  // every key the same
  const std::vector<double> y = numbers(causal_attention(Variable(qkv), {1, 1}));
  double sum = 0;
  for (std::int64_t t = 0; t < T; ++t) {
    sum += static_cast<double>(qkv.data()[3 * t + 2]);
    EXPECT_NEAR(y[static_cast<std::size_t>(t)], sum / static_cast<double>(t + 1), tolerance(1e-6, 1e-14)) << t;
  }
}

TEST(Attention, ReadsTheKeyHeadOfItsGroup) {
  // H = 4, G = 2: heads 0, 1 read value head 0; heads 2, 3 read value head 1.
  Tensor qkv = Tensor::full(engine(), {1, 3, 8}, 0);
  for (std::int64_t t = 0; t < 3; ++t) {
    qkv.data()[8 * t + 6] = 1;
    qkv.data()[8 * t + 7] = 2;
  }
  EXPECT_EQ(numbers(causal_attention(Variable(qkv), {4, 2})),
            (std::vector<double>{1, 1, 2, 2, 1, 1, 2, 2, 1, 1, 2, 2}));
}

TEST(Attention, ALaterTokenNeverChangesAnEarlierOutput) {
  for (const std::int64_t time : {2, 16, 17, 33, 70, 130})
    for (const std::int64_t d : {4, 8, 24}) {
      const Heads heads{2, 1};
      const Variable qkv = packed(2, time, heads, d);
      const Tensor before = causal_attention(qkv, {heads.query, heads.key}).value();
      for (const std::int64_t changed : {std::int64_t{1}, time / 2, time - 1}) {
        const Tensor other = qkv.value().clone();
        const std::int64_t row = qkv.shape().last();
        for (std::int64_t b = 0; b < 2; ++b)
          for (std::int64_t t = changed; t < time; ++t)
            for (std::int64_t i = 0; i < row; ++i) other.data()[(b * time + t) * row + i] = as_real(i % 2 ? 1e3 : -1e3);
        const Tensor after = causal_attention(Variable(other), {heads.query, heads.key}).value();
        const std::int64_t width = heads.query * d;
        for (std::int64_t b = 0; b < 2; ++b)
          ASSERT_TRUE(same_bits(before.narrow(b, 1).reshape({time, width}).narrow(0, changed),
                                after.narrow(b, 1).reshape({time, width}).narrow(0, changed)))
              << "T " << time << " D " << d << " from " << changed;
      }
    }
}

TEST(Attention, AnOutputsGradientReachesNoLaterToken) {
  const std::int64_t time = 37, d = 8, row = 4 * d;
  const Variable qkv = packed(1, time, {2, 1}, d);
  for (const std::int64_t t : {0, 15, 16, 36}) {
    const Tensor seed = Tensor::full(engine(), {1, time, 2 * d}, 0);
    for (std::int64_t i = 0; i < 2 * d; ++i) seed.data()[t * 2 * d + i] = 1;
    const Result r = run_with_gradients({qkv}, [&] { return causal_attention(qkv, {2, 1}); }, seed);
    const std::vector<double> g = numbers(r.gradients[0]);
    for (auto i = static_cast<std::size_t>((t + 1) * row); i < g.size(); ++i) ASSERT_EQ(g[i], 0) << t;
    for (std::int64_t s = 0; s <= t; ++s) {  // ... and all values up to it
      double size = 0;
      for (std::int64_t i = 3 * d; i < 4 * d; ++i) size += std::abs(g[static_cast<std::size_t>(s * row + i)]);
      ASSERT_GT(size, 0) << s << " of " << t;
    }
  }
}

TEST(Attention, IsUnmovedByLargeEqualScores) {
  // Queries and keys share a large component: all scores grow by the same 1e4 / 2, the softmax stays.
  const std::int64_t time = 20, d = 4;
  Tensor plain = random_tensor({1, time, 3 * d}, "qkv"), shifted = plain.clone();
  for (std::int64_t t = 0; t < time; ++t) {
    for (const Tensor* x : {&plain, &shifted}) x->data()[t * 3 * d] = 1;
    plain.data()[t * 3 * d + d] = 0;
    shifted.data()[t * 3 * d + d] = as_real(1e4);
  }
  const auto a = numbers(causal_attention(Variable(plain), {1, 1})),
             b = numbers(causal_attention(Variable(shifted), {1, 1}));
  EXPECT_LE(error_of(b, a), tolerance(2e-3, 1e-11));  // float: scores of 5000 are known to 2.4e-4
}

TEST(Attention, OfEqualValuesAndLargeScoresHasNoGradientToItsScores) {
  // Scores of about 1000: their exponentials minus log-sum-exp are known to 3e-5 in float, their sum is not quite 1.
  const std::int64_t time = 20, d = 4;
  const Tensor qkv = Tensor::full(engine(), {1, time, 3 * d}, 1);
  for (std::int64_t t = 0; t < time; ++t)
    for (std::int64_t i = 0; i < 2 * d; ++i) qkv.data()[t * 3 * d + i] = as_real(22 + 0.01 * static_cast<double>(t));
  const Variable x = Variable::leaf(qkv, "qkv");
  const Result r =
      run_with_gradients({x}, [&] { return causal_attention(x, {1, 1}); }, random_tensor({1, time, d}, "seed"));
  const std::vector<double> g = numbers(r.gradients[0]);
  for (std::size_t i = 0; i < g.size(); ++i) {
    if (i % (3 * d) < 2 * d) {
      ASSERT_NEAR(g[i], 0, tolerance(3e-5, 5e-14)) << i;  // 22 times the rounding of sums of up to 20
    }
  }
}

TEST(AttentionDropout, ScalesWhatItKeepsAndSharesItsMaskWithTheGradient) {
  // Equal keys and values 1: an output is (kept weights) / (1 - p) / (t + 1); its gradient to value s is the weight.
  const std::int64_t T = 64;
  const Tensor qkv = Tensor::full(engine(), {200, T, 3}, 1);
  const double p = 0.3;
  const AttentionOptions options{1, 1, nullptr, p, Random(3, Purpose::dropout, 4)};
  const Variable x = Variable::leaf(qkv, "qkv");
  const Tensor seed = Tensor::full(engine(), {200, T, 1}, 0);
  const std::int64_t last = T - 1;
  for (std::int64_t b = 0; b < 200; ++b) seed.data()[b * T + last] = 1;
  const Result r = run_with_gradients({x}, [&] { return causal_attention(x, options); }, seed);
  double kept = 0, total = 0;
  for (std::int64_t b = 0; b < 200; ++b) {
    double weights = 0;
    for (std::int64_t s = 0; s < T; ++s) {
      const double w = static_cast<double>(r.gradients[0].data()[(b * T + s) * 3 + 2]);
      const double full = 1 / (1 - p) / static_cast<double>(T);
      ASSERT_TRUE(w == 0 || std::abs(w - full) < 1e-6) << w;
      kept += w != 0;
      total += 1;
      weights += w;
    }
    ASSERT_NEAR(static_cast<double>(r.value.data()[b * T + last]), weights, 1e-5) << b;
  }
  EXPECT_NEAR(kept / total, 1 - p, 4 * std::sqrt(p * (1 - p) / total));
}

TEST(AttentionDropout, DrawsByHeadQueryAndKey) {
  // Gradients to value s of query t, alone: the weight, so what was kept. Every query's draws begin a block of four.
  const std::int64_t T = 300, H = 2;
  const double p = 0.5;
  const Random random(3, Purpose::dropout, 4);
  const AttentionOptions options{H, H, nullptr, p, random};
  const Variable x = Variable::leaf(Tensor::full(engine(), {1, T, 3 * H}, 1), "qkv");
  for (const std::int64_t t : {0, 1, 63, 64, 255, 256, 257, 299}) {
    const Tensor seed = Tensor::full(engine(), {1, T, H}, 0);
    for (std::int64_t h = 0; h < H; ++h) seed.data()[t * H + h] = 1;
    const Result r = run_with_gradients({x}, [&] { return causal_attention(x, options); }, seed);
    for (std::int64_t h = 0; h < H; ++h)
      for (std::int64_t s = 0; s < T; ++s) {
        const auto element = static_cast<std::uint64_t>((h * T + t) * (T / 4) * 4 + s);
        const bool kept = r.gradients[0].data()[s * 3 * H + 2 * H + h] != 0;
        ASSERT_EQ(kept, s <= t && random.bits(element) >= 0x80000000u)
            << "query " << t << " key " << s << " head " << h;
      }
  }
}

TEST(Attention, IsBitwiseTheSameOnAnyNumberOfThreads) {
  const Tensor data = random_tensor({3, 50, 8 * 16}, "qkv"), seed = random_tensor({3, 50, 4 * 16}, "seed");
  std::vector<Tensor> values, gradients;
  for (const int threads : {1, 2, 3}) {
    Engine own({threads});
    {
      const RopeTables tables = rope_tables(own, 50, 16, 10000);
      const Variable x = Variable::leaf(random_tensor({3, 50, 8 * 16}, "qkv", 1, 0, own), "qkv");
      const AttentionOptions options{4, 2, &tables, 0.2, Random(1, Purpose::dropout, 1)};
      const Result r = run_with_gradients(
          {x}, [&] { return causal_attention(x, options); }, random_tensor({3, 50, 4 * 16}, "seed", 1, 0, own));
      values.push_back(Tensor::from(engine(), r.value.shape(), r.value.to_vector()));
      gradients.push_back(Tensor::from(engine(), r.gradients[0].shape(), r.gradients[0].to_vector()));
    }
  }
  for (const std::size_t k : {1u, 2u}) {
    EXPECT_TRUE(same_bits(values[0], values[k]));
    EXPECT_TRUE(same_bits(gradients[0], gradients[k]));
  }
}

TEST(AttentionEntropy, IsLnOfTheTokensSeenWhereAllScoresAreEqualAndZeroForTheFirst) {
  const std::int64_t B = 2, T = 5, H = 3, D = 4;
  const Tensor qkv = Tensor::full(engine(), {B, T, 3 * H * D}, 0);  // scores 0: weights 1 / (t + 1)
  const AttentionOptions options{
      .heads = H, .kv_heads = H, .rope = nullptr, .dropout = 0, .random = Random(1, Purpose::dropout, 0)};
  const Tensor entropy = attention_entropy(Variable(qkv), options).value();
  ASSERT_EQ(entropy.shape(), (Shape{B, H, T}));
  for (std::int64_t i = 0; i < entropy.numel(); ++i)
    EXPECT_NEAR(static_cast<double>(entropy.data()[i]), std::log(static_cast<double>(i % T + 1)),
                tolerance(1e-6, 1e-12));
}

TEST(AttentionEntropy, IsThatOfTheSoftmaxOfTwoScores) {
  // One head of width 1, two tokens, q = 1 for the second: scores k_0 and k_1, p = 1 / (1 + exp(k_1 - k_0)).
  const Tensor qkv = Tensor::from(engine(), {1, 2, 3}, {1, real(0.5), 0, 1, real(-0.25), 0});
  const AttentionOptions options{
      .heads = 1, .kv_heads = 1, .rope = nullptr, .dropout = 0, .random = Random(1, Purpose::dropout, 0)};
  const Tensor entropy = attention_entropy(Variable(qkv), options).value();
  const double p = 1 / (1 + std::exp(-0.75));
  EXPECT_NEAR(static_cast<double>(entropy.data()[0]), 0, 1e-12);
  EXPECT_NEAR(static_cast<double>(entropy.data()[1]), -p * std::log(p) - (1 - p) * std::log(1 - p),
              tolerance(1e-6, 1e-12));
}

}  // namespace
}  // namespace normscope::real_test
