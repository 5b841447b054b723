// Random numbers: the published Philox vectors, ranges, moments, and that streams differ.
#include <gtest/gtest.h>
#include <normscope/core/random.h>

#include <array>
#include <cmath>
#include <set>
#include <vector>

namespace normscope {
namespace {

using Block = std::array<std::uint32_t, 4>;

Block block(const Random& random, std::uint64_t b) {
  Block out;
  random.block(b, out.data());
  return out;
}

// Random123's known answers for philox4x32-10; the counter is (block | purpose << 56, stream), the key the seed.
TEST(Random, PhiloxKnownAnswers) {
  EXPECT_EQ(block(Random(0, Purpose{0}, 0), 0), (Block{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}));
  EXPECT_EQ(block(Random(~0ULL, Purpose{0xff}, ~0ULL), 0x00ffffffffffffffULL),
            (Block{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}));
  EXPECT_EQ(block(Random(0x299f31d0a4093822ULL, Purpose{0x85}, 0x0370734413198a2eULL), 0x00a308d3243f6a88ULL),
            (Block{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}));
}

TEST(Random, BitsAreTheBlocksInOrder) {
  const Random random(7, Purpose::init, 3);
  for (std::uint64_t i = 0; i < 40; ++i) EXPECT_EQ(random.bits(i), block(random, i / 4)[i % 4]);
}

TEST(Random, StreamOfIsFnv1a) {
  EXPECT_EQ(stream_of(""), 0xcbf29ce484222325ULL);
  EXPECT_EQ(stream_of("a"), 0xaf63dc4c8601ec8cULL);
  EXPECT_EQ(stream_of("foobar"), 0x85944171f73967e8ULL);
}

// Five standard errors; the numbers are fixed, so the test passes or fails for good.
TEST(Random, UniformHasRangeAndMoments) {
  const Random random(1, Purpose::init, stream_of("uniform"));
  const int n = 200000;
  double sum = 0, squares = 0, pairs = 0;
  for (int i = 0; i < n; ++i) {
    const double u = random.uniform(i);
    ASSERT_GE(u, 0.0);
    ASSERT_LT(u, 1.0);
    sum += u;
    squares += u * u;
    pairs += (u - 0.5) * (random.uniform(i + 1) - 0.5);
  }
  EXPECT_NEAR(sum / n, 0.5, 5 * std::sqrt(1.0 / 12 / n));
  EXPECT_NEAR(squares / n, 1.0 / 3, 5 * std::sqrt(4.0 / 45 / n));
  EXPECT_NEAR(pairs / n, 0.0, 5.0 / 12 / std::sqrt(n));
}

TEST(Random, NormalMoments) {
  const Random random(2, Purpose::init, stream_of("normal"));
  const int n = 200000;
  double m1 = 0, m2 = 0, m3 = 0, m4 = 0, neighbours = 0;
  int beyond_two = 0;
  for (int i = 0; i < n; ++i) {
    const double z = random.normal(i);
    m1 += z;
    m2 += z * z;
    m3 += z * z * z;
    m4 += z * z * z * z;
    neighbours += z * random.normal(i ^ 1);
    beyond_two += std::abs(z) > 2;
  }
  const double unit = 5 / std::sqrt(n);
  EXPECT_NEAR(m1 / n, 0, unit);
  EXPECT_NEAR(m2 / n, 1, unit * std::sqrt(2));
  EXPECT_NEAR(m3 / n, 0, unit * std::sqrt(15));
  EXPECT_NEAR(m4 / n, 3, unit * std::sqrt(96));
  EXPECT_NEAR(neighbours / n, 0, unit * std::sqrt(2));  // each pair counts twice
  EXPECT_NEAR(static_cast<double>(beyond_two) / n, 0.0455003, unit * std::sqrt(0.0455));
}

TEST(Random, BelowIsUniform) {
  const Random random(3, Purpose::window, 0);
  const int n = 140000, sides = 7;
  std::vector<int> count(sides);
  for (int i = 0; i < n; ++i) {
    const auto value = random.below(i, sides);
    ASSERT_LT(value, static_cast<std::uint64_t>(sides));
    ++count[value];
  }
  double chi2 = 0;
  for (const int c : count) chi2 += std::pow(c - n / sides, 2) / (n / sides);
  EXPECT_LT(chi2, 22.5);  // 99.9 % of chi-square with 6 degrees of freedom
  for (int i = 0; i < 100; ++i) EXPECT_EQ(random.below(i, 1), 0u);
  std::set<std::uint64_t> high;
  for (int i = 0; i < 100; ++i) high.insert(random.below(i, ~0ULL) >> 62);
  EXPECT_EQ(high.size(), 4u);  // a large n uses all 64 bits
}

TEST(Random, SeedPurposeAndStreamMakeStreams) {
  const std::vector<Random> streams = {{1, Purpose::init, 1},
                                       {2, Purpose::init, 1},
                                       {1, Purpose::dropout, 1},
                                       {1, Purpose::init, 2},
                                       {1ULL << 32, Purpose::init, 1},
                                       {1, Purpose::init, 1ULL << 32},
                                       {1, Purpose::init, stream_of("blocks.0.attn.q.weight")},
                                       {1, Purpose::init, stream_of("blocks.1.attn.q.weight")}};
  std::set<Block> seen;
  for (const auto& stream : streams) {
    for (std::uint64_t b = 0; b < 100; ++b) seen.insert(block(stream, b));
    seen.insert(block(stream, 1ULL << 40));
  }
  EXPECT_EQ(seen.size(), streams.size() * 101);
}

TEST(Random, SameKeySameNumbers) {
  const Random a(5, Purpose::init, 9), b(5, Purpose::init, 9);
  for (std::uint64_t i = 100; i-- > 0;) EXPECT_EQ(a.normal(i), b.normal(i));
}

}  // namespace
}  // namespace normscope
