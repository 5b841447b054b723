// Elementwise functions against the C library in a wider type, over the whole range and at every place in a vector.
#include <algorithm>
#include <cstdint>
#include <limits>

#include "real_helpers.h"

namespace normscope::real_test {
namespace {

using Function = Variable (*)(const Variable&);
constexpr real kInf = std::numeric_limits<real>::infinity(), kNaN = std::numeric_limits<real>::quiet_NaN();
constexpr real kTiny = std::numeric_limits<real>::min(), kLeast = std::numeric_limits<real>::denorm_min();

std::vector<real> values_of(Function f, const std::vector<real>& x) {
  const NoGrad guard;
  return f(Variable(Tensor::from(engine(), {static_cast<std::int64_t>(x.size())}, x))).value().to_vector();
}

std::vector<real> slopes_of(Function f, const std::vector<real>& x) {
  const auto n = static_cast<std::int64_t>(x.size());
  const Variable in = Variable::leaf(Tensor::from(engine(), {n}, x), "x");
  return run_with_gradients({in}, [&] { return f(in); }, Tensor::full(engine(), {n}, 1)).gradients[0].to_vector();
}

/// Steps through the numbers of one sign between two magnitudes, evenly in their bits.
std::vector<real> sweep(real from, real to, int count) {
  std::vector<real> list;
  const double a = std::log2(static_cast<double>(from)), b = std::log2(static_cast<double>(to));
  for (int i = 0; i < count; ++i) {
    const real x = as_real(std::exp2(a + (b - a) * i / (count - 1)));
    list.push_back(x);
    list.push_back(-x);
  }
  return list;
}
std::vector<real> linear_sweep(double from, double to, int count) {
  std::vector<real> list;
  for (int i = 0; i < count; ++i) list.push_back(as_real(from + (to - from) * i / (count - 1)));
  return list;
}

/// |got - exact| in units of the last place of the exact result. Results that the kernels flush (denormals) are zero.
double ulps(real got, long double exact) {
  if (std::isnan(exact)) return std::isnan(got) ? 0 : HUGE_VAL;
  const real rounded = static_cast<real>(exact);
  if (std::isinf(rounded) || std::isinf(got)) return got == rounded ? 0 : HUGE_VAL;
  if (std::abs(exact) < static_cast<long double>(kTiny)) return std::abs(got) <= kTiny ? 0 : HUGE_VAL;
  const real unit = std::abs(std::nextafter(rounded, rounded > 0 ? kInf : -kInf) - rounded);
  return static_cast<double>(std::abs(static_cast<long double>(got) - exact) / static_cast<long double>(unit));
}

void expect_ulps(Function f, long double (*exact)(long double), const std::vector<real>& x, double limit) {
  const std::vector<real> y = values_of(f, x);
  double worst = -1;
  std::size_t at = 0;
  for (std::size_t i = 0; i < x.size(); ++i)
    if (const double u = ulps(y[i], exact(static_cast<long double>(x[i]))); u > worst) worst = u, at = i;
  EXPECT_LE(worst, limit) << "f(" << x[at] << ") = " << y[at];
}

long double exact_exp(long double x) { return std::exp(x); }
long double exact_tanh(long double x) { return std::tanh(x); }
long double exact_erf(long double x) { return std::erf(x); }

// Highway states 1 ulp for exp in double and 4 for tanh in both types; erf in double is the C library's.
TEST(Exp, IsWithinTwoUlpsOverItsRange) {
  const double top = kDouble ? 709.7 : 88.7, bottom = kDouble ? -708.3 : -87.3;
  expect_ulps(exp, exact_exp, linear_sweep(bottom, top, 200001), 2);
  expect_ulps(exp, exact_exp, sweep(kTiny, 1, 20000), 2);
}
TEST(Tanh, IsWithinFourUlpsOverItsRange) {
  expect_ulps(tanh, exact_tanh, linear_sweep(-25, 25, 200001), 4);
  expect_ulps(tanh, exact_tanh, sweep(kTiny, std::numeric_limits<real>::max(), 50000), 4);
}
TEST(Erf, IsWithinFourUlpsOverItsRange) {
  expect_ulps(erf, exact_erf, linear_sweep(-6, 6, 200001), 4);
  expect_ulps(erf, exact_erf, sweep(kTiny, std::numeric_limits<real>::max(), 50000), 4);
}

TEST(Log, IsWithinFourUlpsOverItsRange) {
  expect_ulps(log, [](long double x) { return std::log(x); }, linear_sweep(1e-3, 40, 200001), 4);
  EXPECT_EQ(values_of(log, {1, 0, kInf}), (std::vector<real>{0, -kInf, kInf}));
  EXPECT_TRUE(std::isnan(values_of(log, {-1})[0]));
  EXPECT_TRUE(std::isnan(values_of(log, {kNaN})[0]));
}
TEST(Atan, IsWithinFourUlpsOverItsRange) {
  const auto exact = [](long double x) { return std::atan(x); };
  expect_ulps(atan, exact, linear_sweep(-40, 40, 200001), 4);
  expect_ulps(atan, exact, sweep(1e-20, 1e20, 50000), 4);
  EXPECT_TRUE(std::isnan(values_of(atan, {kNaN})[0]));
}
TEST(Sigmoid, IsWithinFourUlpsOverItsRange) {
  expect_ulps(sigmoid, [](long double x) { return 1 / (1 + std::exp(-x)); }, linear_sweep(-60, 60, 200001), 4);
  EXPECT_EQ(values_of(sigmoid, {0, kInf, -kInf}), (std::vector<real>{real(0.5), 1, 0}));
  EXPECT_TRUE(std::isnan(values_of(sigmoid, {kNaN})[0]));
}
TEST(Sin, IsWithinThreeUlpsOfOne) {
  const std::vector<real> x = linear_sweep(-100, 100, 200001), y = values_of(sin, x);
  double worst = 0;
  for (std::size_t i = 0; i < x.size(); ++i)
    worst = std::max(worst, std::abs(static_cast<double>(y[i]) - std::sin(static_cast<double>(x[i]))));
  EXPECT_LE(worst, 3 * static_cast<double>(std::numeric_limits<real>::epsilon()));
  EXPECT_TRUE(std::isnan(values_of(sin, {kNaN})[0]));
}

TEST(Exp, IsRightAtItsEnds) {
  const real largest = std::numeric_limits<real>::max();
  EXPECT_EQ(values_of(exp, {0, -0.0, kLeast, -kLeast, kInf, -kInf, largest, -largest}),
            (std::vector<real>{1, 1, 1, 1, kInf, 0, kInf, 0}));
  EXPECT_TRUE(std::isnan(values_of(exp, {kNaN})[0]));
  const real log_max = as_real(kDouble ? 709.782712893383973 : 88.7228317);
  expect_ulps(exp, exact_exp,
              linear_sweep(static_cast<double>(log_max) - 0.1, static_cast<double>(log_max) + 0.2, 4001), 2);
  // Below the smallest normal number zero or anything of that size will do, never something large.
  for (const real y : values_of(exp, linear_sweep(kDouble ? -709 : -88, -5000, 4001)))
    ASSERT_TRUE(y >= 0 && y <= kTiny) << y;
}
TEST(Tanh, IsRightAtItsEnds) {
  EXPECT_EQ(values_of(tanh, {0, kInf, -kInf, 100, -100, 1e30f}), (std::vector<real>{0, 1, -1, 1, -1, 1}));
  EXPECT_TRUE(std::isnan(values_of(tanh, {kNaN})[0]));
}
TEST(Erf, IsRightAtItsEnds) {
  EXPECT_EQ(values_of(erf, {0, kInf, -kInf, 10, -10, 1e30f}), (std::vector<real>{0, 1, -1, 1, -1, 1}));
  EXPECT_TRUE(std::isnan(values_of(erf, {kNaN})[0]));
}

TEST(Activations, AreWithinAFewRoundingsOfTheirArgument) {
  struct Row {
    const char* name;
    Function f;
    long double (*exact)(long double);
  };
  const Row table[] = {
      {"gelu", gelu, [](long double x) { return 0.5L * x * std::erfc(-x / std::sqrt(2.0L)); }},
      {"gelu_tanh", gelu_tanh,
       [](long double x) {
         return 0.5L * x * (1 + std::tanh(std::sqrt(2 / 3.14159265358979323846L) * (x + 0.044715L * x * x * x)));
       }},
      {"silu", silu, [](long double x) { return x / (1 + std::exp(-x)); }},
      {"relu", relu, [](long double x) { return x > 0 ? x : 0; }},
      {"square", square, [](long double x) { return x * x; }},
      {"negate", negate, [](long double x) { return -x; }},
      {"abs", abs, [](long double x) { return std::abs(x); }},
  };
  std::vector<real> x = linear_sweep(-20, 20, 40001);
  for (const real v : sweep(as_real(kDouble ? 1e-140 : 1e-18), 1e4f, 5000)) x.push_back(v);
  for (const Row& row : table) {
    const std::vector<real> y = values_of(row.f, x);
    for (std::size_t i = 0; i < x.size(); ++i) {
      const long double exact = row.exact(static_cast<long double>(x[i]));
      // 1 + erf(-large) loses digits, so the error is absolute, in terms of the argument (of the result where larger).
      const long double size = std::max(std::abs(exact), std::abs(static_cast<long double>(x[i])));
      ASSERT_LE(std::abs(static_cast<long double>(y[i]) - exact), 3 * std::numeric_limits<real>::epsilon() * size)
          << row.name << "(" << x[i] << ") = " << y[i];
    }
    EXPECT_TRUE(std::isnan(values_of(row.f, {kNaN})[0])) << row.name;
    EXPECT_EQ(values_of(row.f, {0})[0], 0) << row.name;
    EXPECT_EQ(values_of(row.f, {1e30f})[0], static_cast<real>(row.exact(1e30f))) << row.name;
    EXPECT_FALSE(std::isnan(values_of(row.f, {-1e30f})[0])) << row.name;
  }
}

TEST(Activations, SlopesOfGeluAndSiluAreWithinAFewRoundings) {
  std::vector<real> x = linear_sweep(-9, 9, 20001);  // by turns vectors of small arguments, of large ones and of both
  for (const real v : linear_sweep(-2, 2, 20001)) x.push_back(v);
  const auto check = [&](Function f, auto exact) {
    const std::vector<real> slope = slopes_of(f, x);
    for (std::size_t i = 0; i < x.size(); ++i) {
      const auto at = static_cast<long double>(x[i]);
      // A sum of terms of the order of 1; silu's x (1 - s) loses half a rounding of 1, times x.
      const long double allowed = std::numeric_limits<real>::epsilon() * (2 + std::abs(at) / 2);
      ASSERT_LE(std::abs(static_cast<long double>(slope[i]) - exact(at)), allowed) << "slope at " << at;
    }
  };
  check(gelu, [](long double v) {
    return 0.5L * std::erfc(-v / std::sqrt(2.0L)) + v * std::exp(-v * v / 2) / std::sqrt(2 * 3.14159265358979323846L);
  });
  check(silu, [](long double v) {
    const long double s = 1 / (1 + std::exp(-v));
    return s * (1 + v * (1 - s));
  });
}

TEST(Roots, AndReciprocalsRoundRightly) {
  for (const real x : sweep(kTiny * 4, std::numeric_limits<real>::max() / 4, 5000)) {
    ASSERT_EQ(values_of(sqrt, {std::abs(x)})[0], std::sqrt(std::abs(x))) << x;
    ASSERT_EQ(values_of(reciprocal, {x})[0], 1 / x) << x;
  }
  EXPECT_TRUE(std::isnan(values_of(sqrt, {-1})[0]));
  EXPECT_EQ(values_of(reciprocal, {0})[0], kInf);
}

/// Value and gradient of one number must not depend on its place: full vector, tail, or 70th of 70.
TEST(Unary, ResultsDoNotDependOnThePlaceInAVector) {
  struct Row {
    const char* name;
    Function f;
  };
  const Row table[] = {
#define UNARY(name, formula) {#name, name},
#include <normscope/core/unary.def>
#undef UNARY
  };
  for (const Row& row : table) {
    const Tensor x = random_tensor({70}, "place"), seed = random_tensor({70}, "place seed");
    for (std::int64_t i = 0; i < 70; ++i) x.data()[i] = std::abs(x.data()[i]) + as_real(0.01);
    const Result whole = [&] {
      const Variable v = Variable::leaf(x, "x");
      return run_with_gradients({v}, [&] { return row.f(v); }, seed);
    }();
    for (std::int64_t n = 1; n <= 70; ++n)
      for (const std::int64_t begin : {std::int64_t{0}, 70 - n, std::min<std::int64_t>(3, 70 - n)}) {
        const Variable v = Variable::leaf(x.narrow(begin, n).clone(), "x");
        const Result part = run_with_gradients({v}, [&] { return row.f(v); }, seed.narrow(begin, n));
        ASSERT_TRUE(same_bits(part.value, whole.value.narrow(begin, n))) << row.name << " " << n << " from " << begin;
        ASSERT_TRUE(same_bits(part.gradients[0], whole.gradients[0].narrow(begin, n))) << row.name << " " << n;
      }
  }
}

TEST(Unary, WritesNothingBehindItsEnd) {
  for (std::int64_t n = 1; n <= 70; ++n) {
    const Tensor buffer = Tensor::full(engine(), {n + 64}, 77);
    const Tensor x = random_tensor({n}, "edge");
    add_into(buffer.narrow(0, n), x);
    for (std::int64_t i = n; i < n + 64; ++i) ASSERT_EQ(buffer.data()[i], 77) << n;
    for (std::int64_t i = 0; i < n; ++i) ASSERT_EQ(buffer.data()[i], 77 + x.data()[i]) << n;
  }
}

TEST(Unary, GradientsAreRightInTheTails) {
  // Where finite differences see nothing: saturated, huge and tiny arguments.
  const auto gradient = [](Function f, real at) { return static_cast<double>(slopes_of(f, {at})[0]); };
  for (const Function f : {gelu, gelu_tanh, silu, relu}) {
    EXPECT_EQ(gradient(f, 50), 1);
    EXPECT_EQ(gradient(f, 1e6f), 1);
    EXPECT_NEAR(gradient(f, -50), 0, 1e-18);
    EXPECT_NEAR(gradient(f, -1e6f), 0, 1e-18);
  }
  EXPECT_DOUBLE_EQ(gradient(gelu, 0), 0.5);
  EXPECT_DOUBLE_EQ(gradient(silu, 0), 0.5);
  EXPECT_EQ(gradient(relu, 0), 0);
  EXPECT_EQ(gradient(abs, 0), 0);
  EXPECT_EQ(gradient(tanh, 100), 0);
  EXPECT_EQ(gradient(tanh, 0), 1);
  EXPECT_NEAR(gradient(erf, 0), 1.1283791670955126, 1e-7);
}

}  // namespace
}  // namespace normscope::real_test
