// Matrix products against three plain loops, on any number of threads.
#include <algorithm>

#include "kernels/kernels.h"
#include "real_helpers.h"

namespace normscope::real_test {
namespace {

struct Size {
  std::int64_t m, n, k;
};
const Size kSizes[] = {{1, 1, 1},     {1, 7, 3},     {5, 1, 9},      {3, 5, 1},    {7, 9, 11},
                       {16, 16, 16},  {17, 33, 5},   {1, 64, 65},    {64, 1, 65},  {63, 65, 67},
                       {97, 31, 129}, {200, 70, 90}, {600, 70, 500}, {29, 50, 801}};  // sums in parts, A packed

/// op(A) op(B) + beta C in double; a and b hold the stored matrices.
std::vector<double> naive(Size s, bool ta, bool tb, const real* a, std::int64_t lda, const real* b, std::int64_t ldb,
                          double beta, const std::vector<double>& c) {
  std::vector<double> out(static_cast<std::size_t>(s.m * s.n));
  for (std::int64_t i = 0; i < s.m; ++i)
    for (std::int64_t j = 0; j < s.n; ++j) {
      double sum = 0;
      for (std::int64_t p = 0; p < s.k; ++p)
        sum += static_cast<double>(ta ? a[p * lda + i] : a[i * lda + p]) *
               static_cast<double>(tb ? b[j * ldb + p] : b[p * ldb + j]);
      const auto at = static_cast<std::size_t>(i * s.n + j);
      out[at] = sum + (beta != 0 ? beta * c[at] : 0);
    }
  return out;
}

std::vector<Engine*> engines() {
  static std::vector<std::unique_ptr<Engine>> all;
  std::vector<Engine*> pointers;
  if (all.empty())
    for (const auto backend : {GemmBackend::highway, GemmBackend::onednn, GemmBackend::openblas})
      for (const int threads : {1, 2, 3}) all.push_back(std::make_unique<Engine>(EngineOptions{threads, backend}));
  for (const auto& e : all) pointers.push_back(e.get());
  return pointers;
}

TEST(Gemm, IsTheNaiveProductForEveryTransposeAndBeta) {
  for (const Size s : kSizes)
    for (const int kind : {0, 1, 2, 3})
      for (const int beta : {0, 1}) {
        const bool ta = kind & 1, tb = kind & 2;
        const std::int64_t lda = (ta ? s.m : s.k) + 3, ldb = (tb ? s.k : s.n) + 2;  // rows with gaps
        const Tensor a = random_tensor({ta ? s.k : s.m, lda}, "A"), b = random_tensor({tb ? s.n : s.k, ldb}, "B");
        const Tensor start = random_tensor({s.m, s.n}, "C");
        const auto expected = naive(s, ta, tb, a.data(), lda, b.data(), ldb, beta, numbers(start));
        for (Engine* e : engines()) {
          Tensor c = start.clone();
          if (beta == 0) std::fill_n(c.data(), c.numel(), std::numeric_limits<real>::quiet_NaN());  // must not be read
          kernels::gemm(*e, ta, tb, s.m, s.n, s.k, a.data(), lda, b.data(), ldb, as_real(beta), c.data(), s.n);
          // A sum of k products of size 1: k roundings at worst.
          const double limit = std::sqrt(static_cast<double>(s.k) + 1) * 4 * std::numeric_limits<real>::epsilon();
          ASSERT_LE(error_of(numbers(c), expected, 1), limit)
              << s.m << " " << s.n << " " << s.k << " kind " << kind << " beta " << beta << " threads " << e->threads();
        }
      }
}

TEST(Gemm, LeavesTheGapsBetweenRowsOfCAlone) {
  const Tensor a = random_tensor({20, 8}, "A"), b = random_tensor({8, 6}, "B"), c = Tensor::full(engine(), {20, 9}, 77);
  kernels::gemm(engine(), false, false, 20, 6, 8, a.data(), 8, b.data(), 6, 0, c.data(), 9);
  for (std::int64_t i = 0; i < 20; ++i)
    for (std::int64_t j = 6; j < 9; ++j) ASSERT_EQ(c.data()[i * 9 + j], 77);
}

TEST(Gemm, OverNoTermsIsZeroOrWhatWasThere) {
  const Tensor c = Tensor::full(engine(), {3, 4}, 5);
  kernels::gemm(engine(), false, false, 3, 4, 0, nullptr, 1, nullptr, 4, 1, c.data(), 4);
  EXPECT_EQ(numbers(c), std::vector<double>(12, 5));
  kernels::gemm(engine(), false, false, 3, 4, 0, nullptr, 1, nullptr, 4, 0, c.data(), 4);
  EXPECT_EQ(numbers(c), std::vector<double>(12, 0));
  kernels::gemm(engine(), false, false, 0, 4, 2, nullptr, 2, nullptr, 4, 0, nullptr, 4);
  kernels::gemm(engine(), false, false, 3, 0, 2, nullptr, 2, nullptr, 1, 0, nullptr, 1);
}

// What an engine plans that computes nothing is what one takes that does, on any number of threads.
TEST(Gemm, TakesTheMemoryThatADryEnginePlans) {
  for (const int threads : {1, 2, 5, 16})
    for (const Size s : {Size{512, 128, 768}, Size{768, 128, 512}, Size{40, 40, 40}})
      for (const bool ta : {false, true}) {
        std::size_t peak[2];
        for (const bool dry : {false, true}) {
          Engine e({threads, GemmBackend::highway, dry});
          const Tensor a = Tensor::full(e, {s.m, s.k}, 1), b = Tensor::full(e, {s.k, s.n}, 1);
          const Tensor c = Tensor::full(e, {s.m, s.n}, 0);
          kernels::gemm(e, ta, false, s.m, s.n, s.k, a.data(), ta ? s.m : s.k, b.data(), s.n, 0, c.data(), s.n);
          peak[dry] = e.pool().peak();
        }
        EXPECT_EQ(peak[0], peak[1]) << threads << " threads, " << s.m << " x " << s.n << " x " << s.k << " " << ta;
      }
}

// Rows a multiple of 4096 bytes apart are copied before they are used; the sums must not notice.
TEST(Gemm, IsBitwiseTheSameForRowsThatShareTheCachesSets) {
  for (const Size s : {Size{37, 50, 1024}, Size{12, 32, 2048}, Size{5, 17, 1000}}) {
    const std::int64_t crowded = (s.k + 1023) / 1024 * 1024, apart = crowded + 19;
    const Tensor a = random_tensor({s.m, crowded}, "A"), b = random_tensor({s.n, s.k}, "B");
    const Tensor moved = Tensor::full(engine(), {s.m, apart}, 0);
    for (std::int64_t i = 0; i < s.m; ++i) std::copy_n(a.data() + i * crowded, crowded, moved.data() + i * apart);
    for (Engine* e : engines()) {
      const Tensor c = Tensor::full(engine(), {s.m, s.n}, 0), d = Tensor::full(engine(), {s.m, s.n}, 1);
      kernels::gemm(*e, false, true, s.m, s.n, s.k, a.data(), crowded, b.data(), s.k, 0, c.data(), s.n);
      kernels::gemm(*e, false, true, s.m, s.n, s.k, moved.data(), apart, b.data(), s.k, 0, d.data(), s.n);
      if (e->gemm() == GemmBackend::highway) {
        EXPECT_TRUE(same_bits(c, d)) << s.m << " " << s.n << " " << s.k;
      }
      EXPECT_LE(error_of(numbers(c), naive(s, false, true, a.data(), crowded, b.data(), s.k, 0, numbers(c)), 1), 1e-4);
    }
  }
}

TEST(Gemm, IsBitwiseTheSameOnAnyNumberOfThreads) {
  // Shapes that are split into tiles, and long sums that a library might split among threads.
  for (const Size s : {Size{192, 64, 128}, Size{768, 128, 128}, Size{64, 64, 5000}, Size{8, 128, 4000},
                       Size{130, 67, 301}, Size{600, 100, 700}})
    for (const int kind : {0, 1, 2, 3}) {
      const bool ta = kind & 1, tb = kind & 2;
      const std::int64_t lda = ta ? s.m : s.k, ldb = tb ? s.k : s.n;
      const Tensor a = random_tensor({s.m, s.k}, "A"), b = random_tensor({s.k, s.n}, "B");
      std::vector<Tensor> c;
      for (Engine* e : engines()) {
        c.push_back(Tensor::full(engine(), {s.m, s.n}, 0));
        kernels::gemm(*e, ta, tb, s.m, s.n, s.k, a.data(), lda, b.data(), ldb, 0, c.back().data(), s.n);
      }
      for (const std::size_t first : {0u, 3u, 6u})
        for (const std::size_t k : {1u, 2u})
          EXPECT_TRUE(same_bits(c[first], c[first + k])) << s.m << " " << s.n << " " << s.k << " kind " << kind;
    }
}

TEST(Matmul, IsBatchedOverLeadingExtents) {
  const Variable a = random_leaf({2, 3, 4, 5}, "a"), b = random_leaf({2, 3, 5, 6}, "b");
  const Tensor seed = random_tensor({2, 3, 4, 6}, "seed");
  const Result r = run_with_gradients({a, b}, [&] { return matmul(a, b); }, seed);
  for (std::int64_t i = 0; i < 6; ++i) {
    const real *pa = a.value().data() + i * 20, *pb = b.value().data() + i * 30, *pg = seed.data() + i * 24;
    const auto part = [&](const Tensor& t, std::int64_t n) {
      return std::vector<double>(t.data() + i * n, t.data() + (i + 1) * n);
    };
    const double limit = tolerance(1e-6, 1e-14);
    EXPECT_LE(error_of(part(r.value, 24), naive({4, 6, 5}, false, false, pa, 5, pb, 6, 0, {})), limit);
    EXPECT_LE(error_of(part(r.gradients[0], 20), naive({4, 5, 6}, false, true, pg, 6, pb, 6, 0, {})), limit);
    EXPECT_LE(error_of(part(r.gradients[1], 30), naive({5, 6, 4}, true, false, pa, 5, pg, 6, 0, {})), limit);
  }
}

TEST(Matmul, OverNoTermsIsZero) {
  const NoGrad guard;
  const Variable y =
      matmul(Variable(Tensor::full(engine(), {2, 3, 0}, 0)), Variable(Tensor::full(engine(), {2, 0, 4}, 0)));
  EXPECT_EQ(y.shape(), (Shape{2, 3, 4}));
  EXPECT_EQ(numbers(y), std::vector<double>(24, 0));
}

TEST(Linear, IsXWTransposedPlusBias) {
  const Variable x = random_leaf({2, 3, 5}, "x"), w = random_leaf({4, 5}, "w"), b = random_leaf({4}, "b");
  const Tensor seed = random_tensor({2, 3, 4}, "seed");
  const Result r = run_with_gradients({x, w, b}, [&] { return linear(x, w, b); }, seed);
  std::vector<double> bias_rows, column_sums(4, 0);
  for (std::size_t i = 0; i < 24; ++i) {
    bias_rows.push_back(numbers(b)[i % 4]);
    column_sums[i % 4] += numbers(seed)[i];
  }
  const double limit = tolerance(1e-6, 1e-14);
  const real *px = x.value().data(), *pw = w.value().data();
  EXPECT_EQ(r.value.shape(), (Shape{2, 3, 4}));
  EXPECT_LE(error_of(numbers(r.value), naive({6, 4, 5}, false, true, px, 5, pw, 5, 1, bias_rows)), limit);
  EXPECT_LE(error_of(numbers(r.gradients[0]), naive({6, 5, 4}, false, false, seed.data(), 4, pw, 5, 0, {})), limit);
  EXPECT_LE(error_of(numbers(r.gradients[1]), naive({4, 5, 6}, true, false, seed.data(), 4, px, 5, 0, {})), limit);
  EXPECT_LE(error_of(numbers(r.gradients[2]), column_sums), limit);
}

TEST(Products, NameTheOpAndBothShapes) {
  const Variable a = random_leaf({2, 3}, "a"), b = random_leaf({4, 5}, "b"), c = random_leaf({1, 3, 5}, "c"),
                 d = random_leaf({2, 2, 3}, "d");
  expect_says(message_of([&] { matmul(a, b); }), {"[matmul]", "[2, 3]", "[4, 5]"});
  expect_says(message_of([&] { matmul(a, c); }), {"[matmul]", "[2, 3]", "[1, 3, 5]"});
  expect_says(message_of([&] { matmul(d, c); }), {"[matmul]", "[2, 2, 3]", "[1, 3, 5]"});
  expect_says(message_of([&] { linear(a, b); }), {"[linear]", "[2, 3]", "[4, 5]"});
  expect_says(message_of([&] { linear(a, random_leaf({4, 3}, "w"), random_leaf({3}, "b")); }),
              {"[linear]", "[3]", "4"});
}

}  // namespace
}  // namespace normscope::real_test
