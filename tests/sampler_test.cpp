// Samplers: what an epoch is, and that a batch depends on nothing but (seed, step, micro-batch).
#include <gtest/gtest.h>
#include <normscope/core/error.h>
#include <normscope/data/sampler.h>

#include <algorithm>
#include <map>
#include <numeric>
#include <set>

namespace normscope {
namespace {

std::vector<std::uint16_t> counting(std::size_t n) {
  std::vector<std::uint16_t> tokens(n);
  std::iota(tokens.begin(), tokens.end(), std::uint16_t{0});
  return tokens;
}

SamplerOptions options(std::int64_t T, std::int64_t B, const std::string& kind = "shuffle", std::uint64_t seed = 1) {
  SamplerOptions o;
  o.kind = kind;
  o.block_size = T;
  o.batch_size = B;
  o.seed = seed;
  return o;
}

std::vector<std::int64_t> epoch_starts(const Sampler& sampler, std::int64_t epoch, std::int64_t steps,
                                       std::int64_t micros) {
  std::vector<std::int64_t> all;
  for (std::int64_t s = (epoch - 1) * steps; s < epoch * steps; ++s) {
    for (std::int64_t m = 0; m < micros; ++m) {
      const auto starts = sampler.starts(s, m);
      all.insert(all.end(), starts.begin(), starts.end());
    }
  }
  return all;
}

std::string message_of(std::size_t n, const SamplerOptions& o) {
  try {
    const auto tokens = counting(n);
    Sampler{tokens, o};
  } catch (const UsageError& error) {
    return error.what();
  }
  return "no UsageError";
}

TEST(Shuffle, MicroPresetHasFiftySteps) {
  const auto tokens = counting(51264);
  const Sampler sampler(tokens, options(64, 16));
  EXPECT_EQ(sampler.windows_per_epoch(), 800);
  EXPECT_EQ(sampler.steps_per_epoch(), 50);
  EXPECT_EQ(sampler.dropped_windows(), 0);
  EXPECT_EQ(sampler.epoch_label(), "epoch");
  EXPECT_EQ(sampler.epoch_of(0), 1);
  EXPECT_EQ(sampler.epoch_of(49), 1);
  EXPECT_EQ(sampler.epoch_of(50), 2);
  EXPECT_TRUE(sampler.ends_epoch(49));
  EXPECT_FALSE(sampler.ends_epoch(48));
  EXPECT_FALSE(sampler.ends_epoch(50));
  const auto one_less = counting(51263);
  EXPECT_EQ(Sampler(one_less, options(64, 16)).windows_per_epoch(), 799);
}

// Every epoch: W different windows on one grid of spacing T, all inside the data, whatever N and the offset.
TEST(Shuffle, VisitsEachWindowOnce) {
  for (const std::int64_t n : {16, 17, 23, 24, 100, 103, 104}) {
    const std::int64_t T = 8;
    const auto tokens = counting(n);
    const Sampler sampler(tokens, options(T, 1));
    EXPECT_EQ(sampler.windows_per_epoch(), (n - T) / T);
    std::set<std::int64_t> offsets;
    for (std::int64_t epoch = 1; epoch <= 60; ++epoch) {
      auto starts = epoch_starts(sampler, epoch, sampler.steps_per_epoch(), 1);
      std::sort(starts.begin(), starts.end());
      ASSERT_EQ(static_cast<std::int64_t>(starts.size()), (n - T) / T);
      ASSERT_GE(starts.front(), 0);
      ASSERT_LT(starts.front(), T);
      ASSERT_LE(starts.back() + T, n - 1) << "the last target must exist";
      for (std::size_t k = 1; k < starts.size(); ++k) ASSERT_EQ(starts[k], starts[k - 1] + T);
      offsets.insert(starts.front());
    }
    EXPECT_EQ(offsets.size(), static_cast<std::size_t>(T)) << "sixty epochs draw every offset";
  }
}

TEST(Shuffle, TailIsDroppedAndCounted) {
  const auto tokens = counting(8 * 24);
  auto o = options(8, 3);
  o.accumulation_steps = 2;
  const Sampler sampler(tokens, o);
  EXPECT_EQ(sampler.windows_per_epoch(), 23);
  EXPECT_EQ(sampler.steps_per_epoch(), 3);
  EXPECT_EQ(sampler.dropped_windows(), 5);
  const auto starts = epoch_starts(sampler, 1, 3, 2);
  EXPECT_EQ(std::set<std::int64_t>(starts.begin(), starts.end()).size(), 18u);
}

TEST(Shuffle, OrderIsShuffledAndKeyedBySeedAndEpoch) {
  const auto tokens = counting(8 * 101);
  const Sampler a(tokens, options(8, 5)), same(tokens, options(8, 5)), other(tokens, options(8, 5, "shuffle", 2));
  const auto first = epoch_starts(a, 1, 20, 1);
  EXPECT_FALSE(std::is_sorted(first.begin(), first.end()));
  EXPECT_NE(first, epoch_starts(a, 2, 20, 1));
  EXPECT_EQ(first, epoch_starts(same, 1, 20, 1));
  EXPECT_NE(first, epoch_starts(other, 1, 20, 1));
}

TEST(Shuffle, EveryOrderIsAsLikely) {
  const auto tokens = counting(40);
  const Sampler sampler(tokens, options(8, 4));  // four windows, 24 orders
  std::map<std::vector<std::int64_t>, int> count;
  for (std::int64_t epoch = 0; epoch < 2400; ++epoch) {
    auto order = sampler.starts(epoch, 0);
    for (auto& start : order) start /= 8;
    ++count[order];
  }
  ASSERT_EQ(count.size(), 24u);
  double chi2 = 0;
  for (const auto& [order, n] : count) chi2 += (n - 100.0) * (n - 100.0) / 100.0;
  EXPECT_LT(chi2, 49.7);  // 99.9 % of chi-square with 23 degrees of freedom
}

TEST(Sampler, CallsOutOfOrderGiveTheSame) {
  const auto tokens = counting(1000);
  for (const char* kind : {"shuffle", "random"}) {
    auto o = options(8, 2, kind);
    o.accumulation_steps = 3;
    const Sampler forward(tokens, o), backward(tokens, o);
    std::vector<std::vector<std::int64_t>> all;
    for (int step = 0; step < 100; ++step) {
      for (int micro = 0; micro < 3; ++micro) all.push_back(forward.starts(step, micro));
    }
    for (int step = 99; step >= 0; --step) {
      for (int micro = 2; micro >= 0; --micro) EXPECT_EQ(backward.starts(step, micro), all[3 * step + micro]);
    }
  }
}

TEST(Sampler, TargetsAreTokensShiftedByOne) {
  const auto tokens = counting(500);
  for (const char* kind : {"shuffle", "random"}) {
    const Sampler sampler(tokens, options(7, 3, kind));
    std::vector<std::int32_t> x(21), y(21);
    for (int step = 0; step < 40; ++step) {
      sampler.batch(step, 0, x, y);
      const auto starts = sampler.starts(step, 0);
      for (int b = 0; b < 3; ++b) {
        for (int t = 0; t < 7; ++t) {
          ASSERT_EQ(x[7 * b + t], starts[b] + t);
          ASSERT_EQ(y[7 * b + t], starts[b] + t + 1);
        }
      }
    }
    std::vector<std::int32_t> wrong(20);
    EXPECT_THROW(sampler.batch(0, 0, wrong, y), Error);
    EXPECT_THROW(sampler.starts(0, 1), Error);
    EXPECT_THROW(sampler.starts(-1, 0), Error);
  }
}

TEST(RandomWindows, DrawsWithReplacementOverAllStarts) {
  const auto tokens = counting(40);
  const Sampler sampler(tokens, options(8, 4, "random"));
  EXPECT_EQ(sampler.steps_per_epoch(), 2);  // ceil(40 / 32)
  EXPECT_EQ(sampler.dropped_windows(), 0);
  std::vector<int> count(32);
  for (int step = 0; step < 4000; ++step) {
    for (const auto start : sampler.starts(step, 0)) {
      ASSERT_GE(start, 0);
      ASSERT_LT(start, 32);  // N - T
      ++count[start];
    }
  }
  double chi2 = 0;
  for (const int c : count) chi2 += (c - 500.0) * (c - 500.0) / 500.0;
  EXPECT_LT(chi2, 61.1);  // 99.9 % of chi-square with 31 degrees of freedom
}

TEST(RandomWindows, AccumulationIsBatchesInARow) {
  const auto tokens = counting(1000);
  auto o = options(8, 2, "random");
  const Sampler plain(tokens, o);
  o.accumulation_steps = 4;
  const Sampler accumulated(tokens, o);
  for (int step = 0; step < 5; ++step) {
    for (int micro = 0; micro < 4; ++micro)
      EXPECT_EQ(accumulated.starts(step, micro), plain.starts(4 * step + micro, 0));
  }
}

TEST(PseudoEpochs, CountStepsAndLeaveTheBatches) {
  const auto tokens = counting(1000);
  auto o = options(8, 4);
  const Sampler real(tokens, o);
  o.epoch_iters = 10;
  const Sampler pseudo(tokens, o);
  EXPECT_EQ(real.steps_per_epoch(), 31);
  EXPECT_EQ(pseudo.steps_per_epoch(), 10);
  EXPECT_EQ(pseudo.epoch_of(10), 2);
  EXPECT_TRUE(pseudo.ends_epoch(9));
  EXPECT_EQ(pseudo.epoch_label(), "pseudo-epoch (10 steps)");
  for (int step = 0; step < 70; ++step) EXPECT_EQ(real.starts(step, 0), pseudo.starts(step, 0));
}

TEST(Sampler, RefusesWhatCannotBeFilled) {
  const auto has = [](const std::string& message, const std::string& part) {
    EXPECT_NE(message.find(part), std::string::npos) << part << " in: " << message;
  };
  EXPECT_EQ(message_of(16, options(8, 1)), "no UsageError");
  has(message_of(15, options(8, 1)), "block_size = 8");
  has(message_of(15, options(8, 1)), "15");
  EXPECT_EQ(message_of(9, options(8, 1, "random")), "no UsageError");
  has(message_of(8, options(8, 1, "random")), "block_size = 8");
  has(message_of(0, options(8, 1, "random")), "has 0");
  has(message_of(40, options(8, 5)), "batch_size 5");
  EXPECT_EQ(message_of(40, options(8, 4)), "no UsageError");
  has(message_of(100, options(8, 4, "sequential")), "'sequential' is unknown");
  has(message_of(100, options(0, 4)), "block_size = 0");
  has(message_of(100, options(8, -1)), "batch_size = -1");
  has(message_of(100, options(8, std::int64_t{1} << 62, "random")), "batch_size");
}

}  // namespace
}  // namespace normscope
