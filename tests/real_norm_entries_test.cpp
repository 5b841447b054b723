// The catalogue of norms: closed forms of what has no kernel, options and their errors, entries of a test's own.
#include <normscope/autograd/gradcheck.h>
#include <normscope/norms/norm.h>

#include <algorithm>
#include <cmath>

#include "real_helpers.h"

namespace normscope::real_test {
namespace {

struct Row {
  std::vector<double> y, dx;
  std::map<std::string, std::vector<double>> gradients;
};

/// One row through a norm whose parameters are as they begin.
Row of_row(const std::string& variant, const std::vector<double>& x, const std::vector<double>& dy, double eps) {
  Parameters parameters(engine(), 1);
  NormSpec defaults;
  defaults.eps = eps;
  const auto width = static_cast<std::int64_t>(x.size());
  const auto norm = make_norm({parameters, "", -1, "norm"}, parse_norm(variant, defaults), width);
  const Variable in = leaf({1, width}, x);
  const Result r = run_with_gradients({in}, [&] { return norm->forward(in); }, tensor({1, width}, dy));
  Row row{numbers(r.value), numbers(r.gradients[0]), {}};
  for (const Parameter& p : parameters.all())
    row.gradients[p.path] = std::vector<double>(p.grad(), p.grad() + p.numel());
  return row;
}

const double kClose = tolerance(2e-6, 1e-14);

TEST(PartialRmsNorm, TakesTheFirstEntriesOnly) {
  // r^2 = (1 + 4) / 2; dx_i = dy_i / r - [i < k] x_i (dy . x) / (k r^3)
  const std::vector<double> x{1, 2, 3, 4}, dy{1, 0, 0, -1};
  const double r = std::sqrt(2.5), dot = 1 - 4;
  const Row row = of_row("prmsnorm:p=0.5", x, dy, 0);
  std::vector<double> y, dx, dgain;
  for (std::size_t i = 0; i < 4; ++i) {
    y.push_back(x[i] / r);
    dx.push_back(dy[i] / r - (i < 2 ? x[i] * dot / (2 * r * r * r) : 0));
    dgain.push_back(dy[i] * x[i] / r);
  }
  expect_close(row.y, y, kClose);
  expect_close(row.dx, dx, kClose);
  expect_close(row.gradients.at("gain"), dgain, kClose);
}

TEST(PartialRmsNorm, RoundsTheShareDownToAtLeastOneEntry) {
  const std::vector<double> x{2, 1, 1, 5, 1}, dy(5, 1);
  EXPECT_NEAR(of_row("prmsnorm", x, dy, 0).y[3], 2.5, kClose);                                   // 0.3 entries: 1
  EXPECT_NEAR(of_row("prmsnorm:p=0.5", x, dy, 0).y[3], 5 / std::sqrt(2.5), 2 * kClose);          // 2.5 entries: 2
  EXPECT_NEAR(of_row("prmsnorm:p=1", x, dy, 0).y[3], of_row("rmsnorm", x, dy, 0).y[3], kClose);  // all
}

TEST(ScaleNorm, HasOneTrainedLength) {
  const double g = std::sqrt(2.0);
  const Row row = of_row("scalenorm", {3, 4}, {1, 2}, 1e-5);
  expect_close(row.y, {0.6 * g, 0.8 * g}, kClose);
  // dx = g (dy - n (dy . n)) / |x| with n = x / |x|; dg = dy . n
  expect_close(row.dx, {g * (1 - 0.6 * 2.2) / 5, g * (2 - 0.8 * 2.2) / 5}, kClose);
  ASSERT_EQ(row.gradients.size(), 1u);
  expect_close(row.gradients.at("g"), {2.2}, 2 * kClose);
}

TEST(ScaleNorm, DividesByEpsWhatIsShorter) {
  const double g = std::sqrt(2.0);
  for (const std::vector<double>& x : {std::vector<double>{0, 0}, {3e-3, -4e-3}}) {
    const Row row = of_row("scalenorm", x, {1, 2}, 0.01);
    expect_close(row.y, {g * x[0] / 0.01, g * x[1] / 0.01}, kClose);
    expect_close(row.dx, {g / 0.01, g * 2 / 0.01}, 200 * kClose);
  }
}

TEST(RmsNorm, WithUnitOffsetBeginsAsRmsNormWithAGainOfZero) {
  Parameters parameters(engine(), 1);
  const auto norm = make_norm({parameters, "n", -1, "norm"}, parse_norm("rmsnorm:unit_offset=true", {}), 33);
  const Parameter& gain = parameters.at("n.gain");
  EXPECT_EQ(std::vector<double>(gain.value(), gain.value() + 33), std::vector<double>(33, 0));
  Parameters plain_parameters(engine(), 1);
  const auto plain = make_norm({plain_parameters, "n", -1, "norm"}, parse_norm("rmsnorm", {}), 33);
  const Variable x = random_leaf({70, 33}, "x"), f = random_leaf({70, 33}, "f");
  const Tensor dy = random_tensor({70, 33}, "dy");
  for (const bool sum : {false, true})
    for (const double w : {0.0, 0.25}) {  // 1 + w is exact
      std::fill_n(gain.value(), 33, as_real(w));
      std::fill_n(plain_parameters.at("n.gain").value(), 33, as_real(1 + w));
      const auto run = [&](const Norm& n, const Parameters& p) {
        return run_with_gradients(
            {x, f, p.at("n.gain").leaf}, [&] { return sum ? n.add_forward(x, f).second : n.forward(x); }, dy);
      };
      const Result a = run(*norm, parameters), b = run(*plain, plain_parameters);
      EXPECT_TRUE(same_bits(a.value, b.value));
      for (std::size_t k = 0; k < 3; ++k) EXPECT_TRUE(same_bits(a.gradients[k], b.gradients[k])) << k;
    }
}

TEST(NormOptions, EpsOutsideTheRoot) {
  const double eps = 1e-3;
  expect_close(of_row("layernorm:eps_outside=true", {-3e-3, 3e-3}, {1, 1}, eps).y, {-0.75, 0.75}, kClose);
  expect_close(of_row("rmsnorm:eps_outside=true", {3e-3, -3e-3}, {1, 1}, eps).y, {0.75, -0.75}, kClose);
  // A row of zeros: y = 0, and the gradient is that of x / eps.
  expect_close(of_row("rmsnorm:eps_outside=true", {0, 0}, {1, 2}, eps).dx, {1 / eps, 2 / eps}, 1000 * kClose);
  expect_close(of_row("layernorm:eps_outside=true", {0, 0}, {1, 2}, eps).dx, {-0.5 / eps, 0.5 / eps}, 1000 * kClose);
}

TEST(NormOptions, UnbiasedVariance) {
  expect_close(of_row("layernorm:unbiased=true", {1, 2, 3}, {1, 1, 1}, 0).y, {-1, 0, 1}, kClose);
  expect_close(of_row("layernorm:unbiased", {7}, {1}, 1e-5).y, {0}, 0);  // one entry has no C - 1
}

TEST(ScaleDetached, LeavesTheScaleOutOfTheGradient) {
  const Row row = of_row("scale_detached", {1, 2, 6}, {1, 0, 0}, 0);
  const double sigma = std::sqrt((4 + 1 + 9) / 3.0);
  expect_close(row.y, {-2 / sigma, -1 / sigma, 3 / sigma}, kClose);
  expect_close(row.dx, {2 / (3 * sigma), -1 / (3 * sigma), -1 / (3 * sigma)}, kClose);
}

/// y and dx of f, whose slope is given, at one row without gain and bias to tell.
void expect_pointwise(const std::string& norm, double (*f)(double), double (*slope)(double)) {
  const std::vector<double> x{-6, -0.8, 0, 0.1, 1.2, 5}, dy{1, -2, 3, 0.5, 1, -1};
  const Row row = of_row(norm, x, dy, 1e-5);
  std::vector<double> y, dx;
  double da = 0, ds = 0;
  for (std::size_t i = 0; i < x.size(); ++i) {
    const double u = 0.5 * x[i];
    y.push_back(f(u));
    dx.push_back(0.5 * dy[i] * slope(u));
    da += dy[i] * slope(u) * x[i];
    ds += dy[i] * slope(u);
  }
  expect_close(row.y, y, kClose);
  expect_close(row.dx, dx, 2 * kClose);
  expect_close(row.gradients.at("a"), {da}, 10 * kClose);
  expect_close(row.gradients.at("s"), {ds}, 10 * kClose);
}

TEST(PointwiseNorms, AreTheirFunctions) {
  expect_pointwise("derf", std::erf, [](double u) { return 1.1283791670955126 * std::exp(-u * u); });
  expect_pointwise(
      "arctan", [](double u) { return std::atan(u) * 0.6366197723675814; },
      [](double u) { return 0.6366197723675814 / (1 + u * u); });
  expect_pointwise(
      "isru", [](double u) { return u / std::sqrt(1 + u * u); }, [](double u) { return std::pow(1 + u * u, -1.5); });
  expect_pointwise(
      "linear_clip", [](double u) { return std::clamp(u, -1.0, 1.0); },
      [](double u) { return std::abs(u) < 1 ? 1.0 : 0.0; });
  expect_pointwise(
      "expsign", [](double u) { return std::copysign(1 - std::exp(-std::abs(u)), u); },
      [](double u) { return std::exp(-std::abs(u)); });
  expect_pointwise(
      "smoothsign", [](double u) { return u / (1 + std::abs(u)); },
      [](double u) { return std::pow(1 + std::abs(u), -2); });
  expect_pointwise(
      "satursin", [](double u) { return std::sin(std::clamp(u, -1.5707963267948966, 1.5707963267948966)); },
      [](double u) { return std::abs(u) < 1.5707963267948966 ? std::cos(u) : 0; });
  expect_pointwise(
      "relsign", [](double u) { return u / (1 + std::sqrt(1 + u * u)); },
      [](double u) {
        const double q = std::sqrt(1 + u * u);
        return 1 / (q * (1 + q));
      });
}

TEST(CrmsNorm, IsRmsNormOfTheCentredVectorThatItStandsFor) {
  // (1, 2, -3) is centred; crmsnorm sees it without its last entry: sqrt((1 + 4 + 9) / 3)
  const double r = std::sqrt(14 / 3.0);
  expect_close(of_row("crmsnorm", {1, 2}, {1, 1}, 0).y, {1 / r, 2 / r}, kClose);
}

TEST(LengthNorms, DivideByTheirLength) {
  expect_close(of_row("l2norm", {3, 4}, {1, 0}, 0).y, {0.6, 0.8}, kClose);
  expect_close(of_row("l2norm", {3, 4}, {1, 0}, 0).dx, {(1 - 0.36) / 5, -0.48 / 5}, kClose);
  expect_close(of_row("l1norm", {1, 2, 6}, {0, 0, 0}, 0).y, {-2 / 2.0, -1 / 2.0, 3 / 2.0}, kClose);
  expect_close(of_row("l1norm", {1, 3}, {0, 0}, 1).y, {-0.5, 0.5}, kClose);  // eps outside, as there is no root
  expect_close(of_row("center_only", {1, 2, 6}, {3, 0, 0}, 0).dx, {2, -1, -1}, kClose);
}

TEST(DetachedNorms, LeaveOutWhatTheyDetach) {
  const std::vector<double> x{1, 2, 6}, dy{1, 0, 0}, c{-2, -1, 3};
  const double sigma = std::sqrt(14 / 3.0);
  const Row mean = of_row("mean_detached", x, dy, 0);  // dx = dy / sigma - n mean(dy n) / sigma
  expect_close(mean.y, {-2 / sigma, -1 / sigma, 3 / sigma}, kClose);
  std::vector<double> dx;
  for (std::size_t i = 0; i < 3; ++i) dx.push_back(dy[i] / sigma - c[i] * (-2 / 3.0) / (sigma * sigma * sigma));
  expect_close(mean.dx, dx, kClose);
  const Row both = of_row("both_detached", x, dy, 0);
  expect_close(both.y, mean.y, kClose);
  expect_close(both.dx, {1 / sigma, 0, 0}, kClose);
}

TEST(AdaNorm, DampsLargeEntriesByAConstantFactor) {
  const double sigma = std::sqrt(14 / 3.0);
  const Row row = of_row("adanorm:k=0.2+scale=3", {1, 2, 6}, {1, 0, 0}, 0);
  std::vector<double> n{-2 / sigma, -1 / sigma, 3 / sigma}, y, dx;
  const double dn = 3 * (1 - 0.2 * n[0]);  // of the first entry, the factor held
  for (std::size_t i = 0; i < 3; ++i) {
    y.push_back(3 * (1 - 0.2 * n[i]) * n[i]);
    dx.push_back((dn * (i == 0) - dn / 3 - n[i] * dn * n[0] / 3) / sigma);
  }
  expect_close(row.y, y, 2 * kClose);
  expect_close(row.dx, dx, 2 * kClose);
  EXPECT_TRUE(row.gradients.empty());
}

TEST(DyIsru, IsRmsNormWhereBetaIsTheRestOfTheSquares) {
  expect_close(of_row("dyisru", {1, -1, 1, 1}, {0, 0, 0, 0}, 0).y, {1, -1, 1, 1}, kClose);  // beta = 3
  expect_close(of_row("dyisru", {2, 0, 0, 0}, {0, 1, 0, 0}, 0).dx, {0, 2 / std::sqrt(3.0), 0, 0}, 2 * kClose);
}

TEST(Bhyt, IsTanhOfRmsNorm) {
  const double r = std::sqrt(12.5);
  expect_close(of_row("bhyt", {3, 4}, {0, 0}, 0).y, {std::tanh(0.2 * 3 / r), std::tanh(0.2 * 4 / r)}, kClose);
  expect_close(of_row("bhyt:kappa=1", {3, 4}, {0, 0}, 0).y, {std::tanh(2 * 3 / r), std::tanh(2 * 4 / r)}, kClose);
}

TEST(SeedNorm, BeginsAsRmsNormAndTrainsBeta) {
  const std::vector<double> x{3, 4}, dy{1, 2};
  const double r = std::sqrt(12.5);
  const Row row = of_row("seednorm", x, dy, 0);
  expect_close(row.y, of_row("rmsnorm", x, dy, 0).y, kClose);
  expect_close(row.gradients.at("alpha"), {0, 0}, 0);                             // tanh(x . 0) = 0
  expect_close(row.gradients.at("beta"), {3 * 11 / r, 4 * 11 / r}, 10 * kClose);  // x_j sum_i dy_i x_i / r
  expect_close(row.gradients.at("gain"), {3 / r, 8 / r}, 2 * kClose);
}

TEST(SsNorm, HasOneGain) {
  const double r = std::sqrt(12.5);
  const Row row = of_row("ssnorm", {3, 4}, {1, 2}, 0);
  expect_close(row.y, {3 / r, 4 / r}, kClose);
  expect_close(row.gradients.at("g"), {11 / r}, 2 * kClose);
}

TEST(NormEntries, SayWhichParametersDecay) {
  const auto decaying = [](const std::string& norm) {
    Parameters parameters(engine(), 1);
    make_norm({parameters, "", -1, "norm"}, parse_norm(norm, {}), 4);
    std::vector<std::string> paths;
    for (const Parameter& p : parameters.all())
      if (p.decays) paths.push_back(p.path);
    return paths;
  };
  EXPECT_EQ(decaying("layernorm"), std::vector<std::string>{});
  EXPECT_EQ(decaying("rmsnorm:unit_offset=true"), std::vector<std::string>{});
  EXPECT_EQ(decaying("rmsnorm:unit_offset=true+decay=true"), std::vector<std::string>{"gain"});
  EXPECT_EQ(decaying("seednorm"), (std::vector<std::string>{"alpha", "beta"}));
}

TEST(NormEntries, SayWhatTheyAre) {
  for (const NormEntry& entry : norm_table()) {
    EXPECT_FALSE(entry.label.empty() || entry.formula.empty() || entry.reference.empty()) << entry.name;
    for (const std::string& variant : entry.variants) {
      const NormSpec spec = parse_norm(variant, {});
      EXPECT_EQ(spec.name, entry.name) << variant;
      EXPECT_NE(norm_values(entry, spec).options, norm_values(entry, {}).options) << variant << " is the default";
    }
    for (const NormOption& option : entry.options) {
      EXPECT_FALSE(option.documentation.empty()) << entry.name << ":" << option.name;
      NormSpec spec;
      spec.options[option.name] = default_text(option);
      EXPECT_EQ(norm_values(entry, spec).options, norm_values(entry, {}).options) << entry.name << ":" << option.name;
    }
  }
}

TEST(NormEntries, ShowTheirParameters) {
  EXPECT_EQ(parameters_text(norm_entry("none")), "-");
  EXPECT_EQ(parameters_text(norm_entry("rmsnorm")), "gain [C]");
  EXPECT_EQ(parameters_text(norm_entry("dyt")), "alpha [1] (0.5), gain [C], bias [C]");
  EXPECT_EQ(parameters_text(norm_entry("scalenorm")), "g [1] (sqrt(C))");
}

TEST(NormErrors, NameTheRangeOfAnOption) {
  const auto says = [](const std::string& text, const std::vector<std::string>& parts) {
    const NormSpec spec = parse_norm(text, {});
    expect_says(message_of<UsageError>([&] { norm_values(norm_entry(spec.name), spec); }), parts);
  };
  for (const char* p : {"0", "-1", "1.0001", "nan", "inf", "", "0.5x", "true"})
    says(std::string("prmsnorm:p=") + p, {"prmsnorm", std::string("p = ") + p, "(0, 1]", "fraction of the entries"});
  says("dyt:alpha=0", {"[1e-06, 1e+06]"});
  says("layernorm:unbiased=1", {"unbiased = 1", "true or false"});
  says("prmsnorm:q=1", {"no option \"q\"", "eps, bias, affine, p (fraction", "(0, 1]", "default 0.0625"});
}

/// y = (gain + alpha tanh(x . beta)) x / rms(x), as SeedNorm, with one alpha: parameters of both shapes.
NormEntry own_entry() {
  const auto formula = [](const Variable& x, const NormValues& v) {
    const Variable n = divide(x, sqrt(add_scalar(mean_last(square(x)), v.eps)));
    const Variable t = tanh(sum_last(multiply(x, v.parameter("beta"))));
    return add(n, multiply(multiply(n, t), v.parameter("alpha")));
  };
  return {.name = "own",
          .parameters = {{.name = "alpha", .start = [](const NormValues&, std::int64_t) { return 0.5; }},
                         {.name = "beta", .each_entry = true}},
          .make = composed(formula)};
}

TEST(NormEntries, NeedNoPlaceInTheCatalogue) {
  const NormEntry entry = own_entry();
  Parameters parameters(engine(), 1);
  const auto norm = make_norm(entry, {parameters, "n", -1, "norm"}, {}, 7);
  std::vector<std::string> paths;
  std::vector<Variable> leaves;
  for (const Parameter& p : parameters.all()) paths.push_back(p.path), leaves.push_back(p.leaf);
  EXPECT_EQ(paths, (std::vector<std::string>{"n.alpha", "n.beta", "n.gain"}));
  EXPECT_EQ(parameters.at("n.beta").shape, (Shape{7}));
  EXPECT_EQ(static_cast<double>(*parameters.at("n.alpha").value()), 0.5);
  const Variable x = random_leaf({5, 7}, "x"), f = random_leaf({5, 7}, "f");
  for (std::int64_t i = 0; i < 7; ++i) parameters.at("n.beta").value()[i] = as_real(0.1 * static_cast<double>(i));
  leaves.push_back(x), leaves.push_back(f);
  if (!kDouble) return;  // float32 has no digits for differences
  for (const GradientError& e : check_gradients(leaves, [&] { return norm->add_forward(x, f).second; }, {}))
    EXPECT_LE(e.error, 1e-6) << e.tensor;
}

TEST(NormEntries, OverTheBatchKeepBatchesWhole) {
  NormEntry entry = own_entry();
  for (const Over over : {Over::rows, Over::batch}) {
    entry.over = over;
    Parameters parameters(engine(), 1);
    make_norm(entry, {parameters, "n", -1, "norm"}, {}, 7);
    EXPECT_EQ(parameters.needs_whole_batch(), over == Over::batch);
  }
}

TEST(NormErrors, NameWhatAFormulaReadsInVain) {
  NormEntry entry = own_entry();
  entry.parameters.clear();
  Parameters parameters(engine(), 1);
  const auto norm = make_norm(entry, {parameters, "n", -1, "norm"}, {}, 7);
  expect_says(message_of([&] { norm->forward(random_leaf({5, 7}, "x")); }), {"beta"});
  expect_says(message_of([&] { NormValues{}.flag("unbiased"); }), {"unbiased"});
  expect_says(message_of([&] { norm->forward(random_leaf({5, 6}, "x")); }), {"[n]", "[5, 6]", "7"});
}

}  // namespace
}  // namespace normscope::real_test
