// AdamW and SGD against a scalar re-implementation in double; gradient norms; any number of threads.
#include <normscope/optim/optimizer.h>

#include <algorithm>
#include <memory>

#include "real_helpers.h"

namespace normscope::real_test {
namespace {

/// A matrix of more than one tile, a vector with a tail, and two matrices side by side.
struct Model {
  explicit Model(int threads = 1) : engine({threads}), parameters(engine, 3) {
    parameters.add("matrix", -1, "mlp", {130, 257}, Init::normal(0.5));
    parameters.add("vector", -1, "norm", {37}, Init::constant(1));
    parameters.add_side_by_side({{"q", 5, Init::normal(1)}, {"k", 3, Init::normal(1)}}, 0, "attention", 7);
  }
  /// Gradients of step `t`, a pure function of it; `size` scales them.
  void set_gradients(int t, double size) {
    for (const Parameter& p : parameters.all()) {
      Leaf& leaf = *p.leaf.leaf();
      if (!leaf.grad.defined()) leaf.grad = empty_like(p.leaf.value());
      leaf.has_grad = true;
      const Random random(static_cast<std::uint64_t>(t), Purpose::perturb, stream_of(p.path));
      for (std::int64_t i = 0; i < p.numel(); ++i)
        p.grad()[i] = as_real(size * random.normal(static_cast<std::uint64_t>(i)));
    }
  }
  Engine engine;
  Parameters parameters;
};

using Numbers = std::vector<double>;
Numbers values(const Parameter& p) { return {p.value(), p.value() + p.numel()}; }
Numbers gradients(const Parameter& p) { return {p.grad(), p.grad() + p.numel()}; }
double norm_of(const Numbers& v) {
  double sum = 0;
  for (const double x : v) sum += x * x;
  return std::sqrt(sum);
}

TEST(Optimizer, AdamWIsTheTextbooksOverTwentySteps) {
  const OptimizerOptions options{"adamw", 0.9, 0.95, 1e-8, 0.1};
  Model model;
  Optimizer optimizer(model.parameters, options);
  std::vector<Numbers> w, m, v;
  for (const Parameter& p : model.parameters.all()) {
    w.push_back(values(p));
    m.push_back(Numbers(w.back().size(), 0));
    v.push_back(m.back());
  }
  GradientNorms norms;
  UpdateNorms updates;
  for (int t = 1; t <= 20; ++t) {
    const double lr = 1e-2 / t, limit = t % 2 ? 1.0 : 1e6;
    model.set_gradients(t, t % 3 ? 0.01 : 1);
    optimizer.measure(norms);
    const double clip = Optimizer::clip_factor(norms.global, limit);
    double total = 0;
    for (std::size_t p = 0; p < w.size(); ++p) {
      const Numbers g = gradients(model.parameters.all()[p]);
      total += norm_of(g) * norm_of(g);
    }
    ASSERT_NEAR(clip, std::min(1.0, limit / (std::sqrt(total) + 1e-6)), tolerance(1e-6, 1e-13));
    optimizer.step(lr, clip, updates);
    for (std::size_t p = 0; p < w.size(); ++p) {
      const Parameter& parameter = model.parameters.all()[p];
      const Numbers g = gradients(parameter);
      const Numbers before = w[p];
      const double decay = parameter.path == "vector" ? 0 : 0.1;
      Numbers change;
      for (std::size_t i = 0; i < g.size(); ++i) {
        const double gi = g[i] * clip;
        w[p][i] -= lr * decay * w[p][i];
        m[p][i] = 0.9 * m[p][i] + 0.1 * gi;
        v[p][i] = 0.95 * v[p][i] + 0.05 * gi * gi;
        const double mh = m[p][i] / (1 - std::pow(0.9, t)), vh = v[p][i] / (1 - std::pow(0.95, t));
        w[p][i] -= lr * mh / (std::sqrt(vh) + 1e-8);
        change.push_back(w[p][i] - before[i]);
      }
      // float32: 20 steps of a few roundings each, on weights of size 1.
      ASSERT_LE(error_of(values(parameter), w[p]), tolerance(2e-6, 1e-13)) << parameter.path << " step " << t;
      ASSERT_NEAR(std::sqrt(updates.weight_squares[p]), norm_of(before), norm_of(before) * tolerance(3e-6, 1e-12));
      // The change is what is left after rounding weights of size 1 in float32: 6e-8 a weight.
      const double rounding = tolerance(6e-8, 1e-16) * std::sqrt(static_cast<double>(g.size()));
      ASSERT_NEAR(std::sqrt(updates.change_squares[p]), norm_of(change),
                  norm_of(change) * tolerance(1e-4, 1e-10) + rounding);
    }
  }
  EXPECT_EQ(optimizer.steps(), 20);
}

TEST(Optimizer, SgdIsMomentumWithDecayOnMatricesOnly) {
  Model model;
  Optimizer optimizer(model.parameters, {"sgd", 0.9, 0, 0, 0.01});
  std::vector<Numbers> w, m;
  for (const Parameter& p : model.parameters.all()) {
    w.push_back(values(p));
    m.push_back(Numbers(w.back().size(), 0));
  }
  UpdateNorms updates;
  for (int t = 1; t <= 20; ++t) {
    model.set_gradients(t, 0.1);
    optimizer.step(0.05, 0.5, updates);
    for (std::size_t p = 0; p < w.size(); ++p) {
      const Parameter& parameter = model.parameters.all()[p];
      const Numbers g = gradients(parameter);
      for (std::size_t i = 0; i < g.size(); ++i) {
        m[p][i] = 0.9 * m[p][i] + 0.5 * g[i] + (parameter.path == "vector" ? 0 : 0.01) * w[p][i];
        w[p][i] -= 0.05 * m[p][i];
      }
      ASSERT_LE(error_of(values(parameter), w[p]), tolerance(2e-6, 1e-13)) << parameter.path << " step " << t;
    }
  }
  EXPECT_TRUE(optimizer.second().empty());
}

TEST(Optimizer, MeasuresEachParameterByItself) {
  Model model;
  const Optimizer optimizer(model.parameters, {});
  model.set_gradients(4, 0.3);
  GradientNorms norms;
  optimizer.measure(norms);
  double total = 0;
  for (std::size_t p = 0; p < norms.sum_squares.size(); ++p) {
    const Numbers g = gradients(model.parameters.all()[p]);
    // 1024 squares are summed in float32 lanes before double takes over.
    EXPECT_NEAR(std::sqrt(norms.sum_squares[p]), norm_of(g), norm_of(g) * tolerance(1e-6, 1e-13));
    EXPECT_EQ(norms.max_abs[p], largest(g));
    total += norms.sum_squares[p];
  }
  EXPECT_DOUBLE_EQ(norms.global, std::sqrt(total));
  EXPECT_TRUE(norms.finite);
}

TEST(Optimizer, NoticesWhatIsNoNumber) {
  for (const double bad : {HUGE_VAL, -HUGE_VAL, std::nan("")}) {
    Model model;
    const Optimizer optimizer(model.parameters, {});
    model.set_gradients(1, 1);
    model.parameters.at("k").grad()[20] = as_real(bad);  // the last element of the last parameter
    GradientNorms norms;
    optimizer.measure(norms);
    EXPECT_FALSE(norms.finite);
  }
}

// 1 - lr decay, rounded, would shrink every weight by 1.7e-8 too much, a step.
TEST(Optimizer, DecayOfManyStepsIsNotBiased) {
  Model model;
  Optimizer optimizer(model.parameters, {"adamw", 0.9, 0.95, 1e-8, 0.1});
  model.set_gradients(1, 0);
  const double before = norm_of(values(model.parameters.at("matrix")));
  UpdateNorms updates;
  for (int t = 0; t < 1000; ++t) optimizer.step(1e-3, 1, updates);
  EXPECT_NEAR(norm_of(values(model.parameters.at("matrix"))) / before, std::pow(1 - 1e-4, 1000), 1e-6);
}

// A vector's max drops NaN, and with it what its lane held before.
TEST(Optimizer, LargestMagnitudeOfNanIsNan) {
  for (const std::int64_t at : {0, 1, 36}) {
    Model model;
    const Optimizer optimizer(model.parameters, {});
    model.set_gradients(1, 1);
    model.parameters.at("vector").grad()[at] = std::numeric_limits<real>::quiet_NaN();
    GradientNorms norms;
    optimizer.measure(norms);
    EXPECT_TRUE(std::isnan(norms.max_abs[1])) << at;
    EXPECT_GT(norms.max_abs[0], 0);
    EXPECT_GT(norms.max_abs[2], 0);
  }
}

TEST(Optimizer, WithoutAGradientLeavesWeightsAndMeasuresZero) {
  Model model;
  Optimizer optimizer(model.parameters, {"adamw", 0.9, 0.95, 1e-8, 0.5});
  const Numbers before = values(model.parameters.at("matrix"));
  GradientNorms norms;
  UpdateNorms updates;
  optimizer.measure(norms);
  EXPECT_EQ(norms.global, 0);
  optimizer.step(0.1, 1, updates);
  EXPECT_EQ(values(model.parameters.at("matrix")), before);
  EXPECT_EQ(updates.change_squares[0], 0);
}

TEST(Optimizer, ClipFactor) {
  EXPECT_EQ(Optimizer::clip_factor(0.5, 1), 1);
  EXPECT_DOUBLE_EQ(Optimizer::clip_factor(2, 1), 1 / (2 + 1e-6));
  EXPECT_DOUBLE_EQ(Optimizer::clip_factor(1, 1), 1 / (1 + 1e-6)) << "as PyTorch: just below 1";
  EXPECT_EQ(Optimizer::clip_factor(1e30, 0), 1) << "0 is off";
  EXPECT_EQ(Optimizer::clip_factor(0, 1), 1);
}

TEST(Optimizer, IsBitwiseTheSameOnAnyNumberOfThreads) {
  for (const char* name : {"adamw", "sgd"}) {
    std::vector<Numbers> weights;
    std::vector<double> sums;
    for (const int threads : {1, 2, 3}) {
      Model model(threads);
      Optimizer optimizer(model.parameters, {name, 0.9, 0.99, 1e-8, 0.1});
      GradientNorms norms;
      UpdateNorms updates;
      for (int t = 1; t <= 3; ++t) {
        model.set_gradients(t, 0.2);
        optimizer.measure(norms);
        optimizer.step(0.01, Optimizer::clip_factor(norms.global, 1), updates);
      }
      Numbers all;
      for (const Parameter& p : model.parameters.all())
        for (const double x : values(p)) all.push_back(x);
      weights.push_back(all);
      sums.push_back(norms.global + updates.change_squares[0] + updates.weight_squares[0]);
    }
    EXPECT_EQ(weights[0], weights[1]) << name;
    EXPECT_EQ(weights[0], weights[2]) << name;
    EXPECT_EQ(sums[0], sums[1]) << name;
    EXPECT_EQ(sums[0], sums[2]) << name;
  }
}

TEST(Optimizer, RefusesAnUnknownName) {
  Model model;
  expect_says(message_of<UsageError>([&] { Optimizer(model.parameters, {"adam", 0.9, 0.99, 1e-8, 0}); }),
              {"adam", "adamw, sgd"});
}

TEST(Parameters, AreFoundByPathAndRegisteredOnce) {
  Model model;
  EXPECT_EQ(model.parameters.numel(), 130 * 257 + 37 + 35 + 21);
  EXPECT_EQ(model.parameters.at("k").shape, (Shape{3, 7}));
  EXPECT_EQ(model.parameters.at("k").offset, 35);
  EXPECT_FALSE(model.parameters.at("vector").is_matrix());
  expect_says(message_of([&] { model.parameters.at("v"); }), {"[parameters]", "v"});
  expect_says(message_of([&] { model.parameters.add("q", 0, "mlp", {2}, Init::constant(0)); }), {"q", "twice"});
}

}  // namespace
}  // namespace normscope::real_test
