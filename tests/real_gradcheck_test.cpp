// The gradient checker itself: it must catch wrong gradients of every kind, and accept right ones.
#include <algorithm>

#include <normscope/autograd/gradcheck.h>
#include <normscope/norms/norm.h>

#include "real_helpers.h"

namespace normscope::real_test {
namespace {

// float32 has no digits for central differences to 1e-6; the checker is a float64 tool.
#if defined(NORMSCOPE_FLOAT64)

constexpr double kPass = 1e-6;

double worst(const std::vector<Variable>& leaves, const std::function<Variable()>& f) {
  double top = 0;
  for (const GradientError& e : check_gradients(leaves, f, {})) top = std::max(top, e.error);
  return top;
}

/// y = x W^T by the library, with a gradient of the test's making.
using Backward = std::function<void(Grads&, const Tensor& x, const Tensor& w)>;
Variable crooked_product(const Variable& x, const Variable& w, const Backward& backward) {
  const Tensor y = [&] {
    const NoGrad guard;
    return matmul(x, w).value();
  }();
  return record("crooked", {&x, &w}, y, [backward, a = x.value(), b = w.value()](Grads& g) { backward(g, a, b); });
}
Tensor product(const Tensor& a, const Tensor& b) {
  const NoGrad guard;
  return matmul(Variable(a), Variable(b)).value();
}
Tensor turned(const Tensor& a) {
  const NoGrad guard;
  return transpose(Variable(a), 0, 1).value();
}
Tensor times(const Tensor& a, double factor) {
  const NoGrad guard;
  return scale(Variable(a), factor).value();
}

TEST(Gradcheck, AcceptsARightGradient) {
  const Variable x = random_leaf({4, 4}, "x"), w = random_leaf({4, 4}, "w");
  EXPECT_LE(worst({x, w},
                  [&] {
                    return crooked_product(x, w, [](Grads& g, const Tensor& a, const Tensor& b) {
                      g.give(0, product(g.out(), turned(b)));
                      g.give(1, product(turned(a), g.out()));
                    });
                  }),
            kPass);
}

TEST(Gradcheck, CatchesAWrongFactorHoweverSmall) {
  const Variable x = random_leaf({4, 4}, "x"), w = random_leaf({4, 4}, "w");
  for (const double factor : {1.00001, 0.5, 2.0, -1.0, 0.0}) {
    const auto errors =
        check_gradients({x, w},
                        [&] {
                          return crooked_product(x, w, [factor](Grads& g, const Tensor& a, const Tensor& b) {
                            g.give(0, product(g.out(), turned(b)));
                            g.give(1, times(product(turned(a), g.out()), factor));
                          });
                        },
                        {});
    EXPECT_LE(errors[0].error, kPass) << factor;
    EXPECT_GT(errors[1].error, kPass) << factor;
    EXPECT_EQ(errors[1].tensor, "w");
    EXPECT_NEAR(errors[1].error, std::abs(factor - 1) / std::max(1.0, std::abs(factor)), 1e-6);
  }
}

TEST(Gradcheck, CatchesATransposedGradient) {
  const Variable x = random_leaf({4, 4}, "x"), w = random_leaf({4, 4}, "w");
  EXPECT_GT(worst({x, w},
                  [&] {
                    return crooked_product(x, w, [](Grads& g, const Tensor& a, const Tensor& b) {
                      g.give(0, product(g.out(), b));  // W^T forgotten
                      g.give(1, product(turned(a), g.out()));
                    });
                  }),
            0.1);
}

TEST(Gradcheck, CatchesAMissingGradient) {
  const Variable x = random_leaf({4, 4}, "x"), w = random_leaf({4, 4}, "w");
  EXPECT_EQ(worst({x, w},
                  [&] {
                    return crooked_product(
                        x, w, [](Grads& g, const Tensor& a, const Tensor&) { g.give(1, product(turned(a), g.out())); });
                  }),
            1);
}

TEST(Gradcheck, CatchesAMissingUse) {
  // x^2 whose gradient is counted once: the mistake of an engine that overwrites instead of adding.
  const Variable x = random_leaf({5}, "x");
  EXPECT_NEAR(worst({x},
                    [&] {
                      const Variable now(x.value());
                      const Tensor y = multiply(now, now).value();
                      return record("half", {&x}, y, [v = x.value()](Grads& g) {
                        const NoGrad guard;
                        g.give(0, multiply(Variable(g.out()), Variable(v)).value());
                      });
                    }),
              0.5, 1e-6);
}

/// LayerNorm without gain whose gradient lacks terms. 0: all terms there; 1: the mean's is missing; 2: the variance's
/// is missing; 3: returns zero.
Variable lamed_norm(const Variable& x, int kind) {
  const std::int64_t width = x.shape().last();
  const double n = static_cast<double>(width);
  Tensor y = empty_like(x.value());
  std::vector<double> rs;
  for (std::int64_t r = 0; r < x.shape().rows(); ++r) {
    const real* row = x.value().data() + r * width;
    double mean = 0, var = 0;
    for (std::int64_t i = 0; i < width; ++i) mean += row[i] / n;
    for (std::int64_t i = 0; i < width; ++i) var += (row[i] - mean) * (row[i] - mean) / n;
    rs.push_back(1 / std::sqrt(var + 1e-5));
    for (std::int64_t i = 0; i < width; ++i) y.data()[r * width + i] = (row[i] - mean) * rs.back();
  }
  return record("lamed_norm", {&x}, y, [y, rs, width, n, kind](Grads& g) {
    const Tensor dx = Tensor::full(y.engine(), y.shape(), 0);
    for (std::size_t r = 0; kind != 3 && r < rs.size(); ++r) {
      const auto at = static_cast<std::int64_t>(r) * width;
      double mean = 0, dot = 0;
      for (std::int64_t i = at; i < at + width; ++i) {
        mean += g.out().data()[i] / n;
        dot += g.out().data()[i] * y.data()[i] / n;
      }
      for (std::int64_t i = at; i < at + width; ++i)
        dx.data()[i] = rs[r] * (g.out().data()[i] - (kind == 1 ? 0 : mean) - (kind == 2 ? 0 : y.data()[i] * dot));
    }
    g.give(0, dx);
  });
}

TEST(Gradcheck, CatchesANormThatLacksATerm) {
  const Variable x = random_leaf({3, 7}, "x");
  EXPECT_LE(worst({x}, [&] { return lamed_norm(x, 0); }), kPass);
  for (const int kind : {1, 2, 3}) EXPECT_GT(worst({x}, [&] { return lamed_norm(x, kind); }), 0.05) << kind;
}

TEST(Gradcheck, SumsOfOutputsWouldSeeNothing) {
  // Why outputs are weighted at random: the sum of a LayerNorm's outputs is 0 whatever x is, so its true gradient is
  // zero, and a backward that returns nothing passes when that sum is the loss. Handed the op itself, the checker sees
  // it.
  const Variable x = random_leaf({3, 7}, "x");
  EXPECT_LE(worst({x}, [&] { return sum(lamed_norm(x, 3)); }), kPass);
  EXPECT_EQ(worst({x}, [&] { return lamed_norm(x, 3); }), 1);
  // A zero that is not one by identity is caught in a sum as well.
  EXPECT_EQ(worst({x}, [&] { return sum(square(lamed_norm(add(x, scale(x, 0)), 3))); }) > kPass,
            worst({x}, [&] { return sum(square(lamed_norm(x, 3))); }) > kPass);
}

TEST(Gradcheck, CatchesAGradientThatDependsOnNothing) {
  const Variable x = random_leaf({6}, "x");
  const auto noisy = [&](double noise) {
    return worst({x}, [&] {
      const Tensor y = scale(Variable(x.value()), 0).value();  // constant output: true gradient zero
      return record("noisy", {&x}, y, [noise, like = x.value()](Grads& g) {
        g.give(0, Tensor::full(g.out().engine(), like.shape(), noise));
      });
    });
  };
  EXPECT_LE(noisy(0), kPass);
  EXPECT_GT(noisy(1e-3), kPass);
  EXPECT_GT(noisy(1e-5), kPass);
}

TEST(Gradcheck, HoldsWhatIsDetached) {
  const Variable x = random_leaf({6}, "x");
  EXPECT_LE(worst({x}, [&] { return multiply(x, x.detach()); }), kPass);          // x * constant
  EXPECT_LE(worst({x}, [&] { return multiply(x, square(x).detach()); }), kPass);  // of a value in between
  EXPECT_LE(worst({x}, [&] { return add(square(x), exp(x.detach())); }), kPass);  // nothing from the second
  const auto forgets = [&] {                                                      // 2 x, where x is right
    return record("forgets", {&x}, multiply(x, x.detach()).value(),
                  [v = x.value()](Grads& g) { g.give(0, times(multiply(Variable(g.out()), Variable(v)).value(), 2)); });
  };
  EXPECT_GT(worst({x}, forgets), kPass);
  int calls = 0;
  expect_says(message_of([&] { worst({x}, [&] { return calls++ == 0 ? square(x) : multiply(x, x.detach()); }); }),
              {"detaches more values"});
}

TEST(Gradcheck, CatchesNaN) {
  const Variable x = random_leaf({6}, "x");
  EXPECT_GT(worst({x},
                  [&] {
                    return record("nan", {&x}, x.value().clone(), [](Grads& g) {
                      g.give(0, Tensor::full(g.out().engine(), g.out().shape(), std::nan("")));
                    });
                  }),
            kPass);
}

TEST(Gradcheck, CatchesAFaultInOneElementOfMany) {
  // 64 of 4096 elements are tried at random; a fault in one row of 64 is met, with 1 - (63/64)^64 = 63 % a seed.
  const Variable x = random_leaf({64, 64}, "x");
  int caught = 0;
  for (std::uint64_t seed = 1; seed <= 8; ++seed)
    for (const GradientError& e : check_gradients({x},
                                                  [&] {
                                                    return record("one row", {&x}, x.value().clone(), [](Grads& g) {
                                                      const Tensor dx = g.out().clone();
                                                      std::fill_n(dx.data() + 5 * 64, 64, real{0});
                                                      g.give(0, dx);
                                                    });
                                                  },
                                                  {.seed = seed}))
      caught += e.error > kPass;
  EXPECT_GE(caught, 2);
}

TEST(Gradcheck, LeavesTheInputsAsTheyWere) {
  const Variable x = random_leaf({3, 7}, "x", 1, 100);
  const std::vector<double> before = numbers(x);
  (void)worst({x}, [&] { return softmax(x); });
  EXPECT_EQ(numbers(x), before);
}

#endif

}  // namespace
}  // namespace normscope::real_test
