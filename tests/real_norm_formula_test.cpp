// Norms as formulas: what the catalogue prints is what it computes, users' formulas, their errors.
#include <normscope/norms/norm.h>

#include "norms/norm_formula.h"
#include "real_helpers.h"

namespace normscope::real_test {
namespace {

constexpr std::int64_t kWidth = 19;

struct Made {
  std::unique_ptr<Parameters> parameters = std::make_unique<Parameters>(engine(), 1);
  std::unique_ptr<Norm> norm;
  std::vector<std::string> paths() const {
    std::vector<std::string> list;
    for (const Parameter& p : parameters->all()) list.push_back(p.path);
    return list;
  }
};

/// With parameters away from their start, those of one name alike in every norm.
Made made(const NormEntry& entry, const NormSpec& spec = {}) {
  Made m;
  m.norm = make_norm(entry, {*m.parameters, "", -1, "norm"}, spec, kWidth);
  for (const Parameter& p : m.parameters->all()) {
    const Random random(4, Purpose::perturb, stream_of(p.path));
    for (std::int64_t i = 0; i < p.numel(); ++i)
      p.value()[i] += as_real(0.2 * random.normal(static_cast<std::uint64_t>(i)));
  }
  return m;
}
Made made(const std::string& norm, const NormSpec& defaults = {}) {
  const NormSpec spec = parse_norm(norm, defaults);
  return made(norm_entry(spec.name), spec);
}

/// y, dx and the gradients of the parameters by path.
struct Outcome {
  Tensor y, dx;
  std::map<std::string, Tensor> gradients;
};
Outcome outcome(const Made& m) {
  const Variable x = random_leaf({6, kWidth}, "x");
  std::vector<Variable> leaves{x};
  for (const Parameter& p : m.parameters->all()) leaves.push_back(p.leaf);
  const Result r = run_with_gradients(leaves, [&] { return m.norm->forward(x); }, random_tensor({6, kWidth}, "dy"));
  Outcome out{r.value, r.gradients[0], {}};
  for (std::size_t k = 0; k < m.parameters->all().size(); ++k)
    out.gradients[m.parameters->all()[k].path] = r.gradients[1 + k];
  return out;
}

void expect_equal(const Outcome& a, const Outcome& b, double limit, const std::string& what) {
  expect_close(numbers(a.y), numbers(b.y), limit);
  expect_close(numbers(a.dx), numbers(b.dx), limit);
  for (const auto& [path, gradient] : a.gradients)
    expect_close(numbers(gradient), numbers(b.gradients.at(path)), 20 * limit);  // sums over six rows
  EXPECT_EQ(a.gradients.size(), b.gradients.size()) << what;
}

void expect_same_bits(const Outcome& a, const Outcome& b) {
  EXPECT_TRUE(same_bits(a.y, b.y));
  EXPECT_TRUE(same_bits(a.dx, b.dx));
  ASSERT_EQ(a.gradients.size(), b.gradients.size());
  for (const auto& [path, gradient] : a.gradients) EXPECT_TRUE(same_bits(gradient, b.gradients.at(path))) << path;
}

TEST(NormFormulas, PrintedByTheCatalogueAreWhatItsKernelsCompute) {
  int kernels = 0;
  for (const NormEntry& entry : norm_table()) {
    if (!entry.has_kernel) continue;
    ++kernels;
    const NormEntry printed = formula_entry({.name = "printed",
                                             .formula = entry.formula,
                                             .options = entry.options,
                                             .gain = entry.gain,
                                             .bias = entry.bias});
    expect_equal(outcome(made(entry)), outcome(made(printed)), tolerance(2e-6, 1e-12), entry.name);
  }
  EXPECT_GE(kernels, 5);  // layernorm, rmsnorm, scalenorm, dyt, derf
}

TEST(NormFormulas, GetTheKernelWhereOneComputesThem) {
  NormSpec with_bias;
  with_bias.bias = true;
  expect_same_bits(outcome(made("formula: gain * x / sqrt(mean(x^2) + eps)")), outcome(made("rmsnorm")));
  expect_same_bits(outcome(made("formula: bias + x / sqrt(eps + mean(x^2)) * gain")),
                   outcome(made("rmsnorm", with_bias)));
  expect_same_bits(outcome(made("formula: own = (x - mean(x)) / sqrt(var(x) + eps) * gain + bias")),
                   outcome(made("layernorm")));
  expect_same_bits(outcome(made("formula: bias + gain * erf(scalar(a, 0.5) * x + scalar(s, 0))")),
                   outcome(made("derf")));
  NormSpec no_affine;
  no_affine.affine = false;
  expect_same_bits(outcome(made("formula: x / sqrt(mean(x^2) + eps)")), outcome(made("rmsnorm", no_affine)));
  no_affine.eps = 0.5;
  expect_same_bits(outcome(made("formula: x / sqrt(mean(x^2) + eps)", no_affine)), outcome(made("rmsnorm", no_affine)));
}

TEST(NormFormulas, OfTheCatalogueAreTheSameAsAUsersOwn) {
  expect_same_bits(outcome(made("formula: (x - mean(x)) / (mean(abs(x - mean(x))) + eps) * gain + bias")),
                   outcome(made("formula: gain * ((x - mean(x)) / (mean(abs(x - mean(x))) + eps)) + bias")));
  expect_equal(outcome(made("formula: gain * (x - mean(x)) / (mean(abs(x - mean(x))) + eps) + bias")),
               outcome(made("l1norm")), tolerance(1e-6, 1e-14), "l1norm");
}

TEST(NormFormulas, HaveTheParametersThatTheyName) {
  EXPECT_EQ(made("formula: x / mean(abs(x))").paths(), (std::vector<std::string>{}));
  EXPECT_EQ(made("formula: x * bias + scalar(k, 2)").paths(), (std::vector<std::string>{"bias", "k"}));
  const std::string both = "formula: gain * x / (mean(abs(x)) + eps) + bias";
  NormSpec spec;
  EXPECT_EQ(made(both, spec).paths(), (std::vector<std::string>{"gain", "bias"}));
  spec.bias = false;
  EXPECT_EQ(made(both, spec).paths(), (std::vector<std::string>{"gain"}));
  spec.bias = true;  // adds none
  EXPECT_EQ(made("formula: gain * x / (mean(abs(x)) + eps)", spec).paths(), (std::vector<std::string>{"gain"}));
  EXPECT_EQ(made("formula: gain * x / sqrt(mean(x^2) + eps)", spec).paths(), (std::vector<std::string>{"gain"}));
  spec.affine = false;
  EXPECT_EQ(made(both, spec).paths(), (std::vector<std::string>{}));
  Parameters parameters(engine(), 1);
  make_norm({parameters, "", -1, "norm"}, parse_norm("formula: x * vector(v, 2 * sqrt(C)) + scalar(k, -C)", {}), 16);
  EXPECT_EQ(numbers(parameters.at("v").leaf.value()), std::vector<double>(16, 8));
  EXPECT_EQ(numbers(parameters.at("k").leaf.value()), std::vector<double>{-16});
}

TEST(NormFormulas, KnowTheirFunctions) {
  const std::vector<double> row{-2, 0.5, 4};
  const auto value = [&](const std::string& formula) {
    Parameters parameters(engine(), 1);
    NormSpec defaults;
    defaults.eps = 0.25;
    const auto norm = make_norm({parameters, "", -1, "norm"}, parse_norm("formula: " + formula, defaults), 3);
    return numbers(norm->forward(Variable(tensor({1, 3}, row))).value());
  };
  const auto each = [&](const std::function<double(double)>& f) {
    std::vector<double> out;
    for (const double v : row) out.push_back(f(v));
    return out;
  };
  const double limit = tolerance(1e-6, 1e-14), mean = 2.5 / 3, sum_square = 20.25;
  expect_close(value("x * max(x)"), each([](double v) { return 4 * v; }), limit);
  expect_close(value("x - var(x)"), each([&](double v) { return v - (sum_square / 3 - mean * mean); }), 10 * limit);
  expect_close(value("max(x, 0) + eps"), each([](double v) { return std::max(v, 0.0) + 0.25; }), limit);
  expect_close(value("clip(x, -1, 1)"), {-1, 0.5, 1}, limit);
  expect_close(value("clip(1e8 * x, -1, 1)"), {-1, 1, 1}, limit);
  expect_close(value("sin(x) + 2 ^ 3"), each([](double v) { return std::sin(v) + 8; }), 10 * limit);
  expect_close(value("atan(x) * pi"), each([](double v) { return std::atan(v) * 3.141592653589793; }), 10 * limit);
  expect_close(value("sigmoid(x) - -1"), each([](double v) { return 1 / (1 + std::exp(-v)) + 1; }), limit);
  expect_close(value("log(exp(x))"), row, 10 * limit);
  expect_close(value("x ^ 3 / C"), each([](double v) { return v * v * v / 3; }), 10 * limit);
  expect_close(value("(x ^ 2) ^ 1.5"), each([](double v) { return std::pow(v * v, 1.5); }), 100 * limit);
  expect_close(value("x ^ -2"), each([](double v) { return 1 / (v * v); }), 10 * limit);  // of negative entries too
  expect_close(value("3 / x"), each([](double v) { return 3 / v; }), limit);
  expect_close(value("1 - x / sum(x)"), each([](double v) { return 1 - v / 2.5; }), limit);
}

TEST(NormFormulas, TellWhatIsWrongAndWhere) {
  const auto says = [](const std::string& text, const std::vector<std::string>& parts) {
    const std::string message = message_of<UsageError>([&] { norm_entry(text); });
    expect_says(message, parts);
    EXPECT_NE(message.find(text), std::string::npos) << message;
  };
  says("formula: gain * x / foo(x)", {"column 21", "'foo' is unknown", "mean, sum, var, max", "tanh"});
  says("formula: x / (mean(abs(x)) + eps", {"column 33", "expected ')'"});
  says("formula:x+", {"column 11", "the end"});
  says("formula:", {"column 9", "expected a number"});
  says("formula: gain + 1", {"the formula does not use x"});
  says("formula: mean(x)", {"must have the shape of x"});
  says("formula: x * mean", {"column 14", "mean is a function"});
  says("formula: x * mean(eps)", {"column 19", "one number per entry"});
  says("formula: x * sqrt(x, x)", {"column 14", "sqrt takes one argument"});
  says("formula: x ^ x", {"a number is expected here"});
  says("formula: clip(x, 1, -1)", {"the smaller one"});
  says("formula: x * scalar(2, a)", {"column 14", "scalar(alpha, 0.5)"});
  says("formula: x * scalar(eps, 1)", {"column 21", "'eps' is already"});
  says("formula: x * scalar(a, 1) + vector(a, 1)", {"column 29", "declared twice"});
  says("formula: my norm = x", {"column 10", "letters, digits"});
  EXPECT_EQ(norm_entry("formula: absnorm = x / mean(abs(x))").label, "absnorm");
  EXPECT_EQ(norm_entry("formula: x / mean(abs(x))").label, "x / mean(abs(x))");
  EXPECT_EQ(norm_short_name("formula: absnorm = x / mean(abs(x))"), "absnorm");
  EXPECT_NE(norm_short_name("formula: x + gain"), norm_short_name("formula: x * gain"));
  EXPECT_EQ(norm_short_name("prmsnorm:p=0.5"), "prmsnorm:p=0.5");
}

TEST(NormFormulas, AreDetachedWhereTheySaySo) {
  EXPECT_TRUE(norm_entry("both_detached").detached);
  EXPECT_TRUE(norm_entry("formula: x / detach(mean(abs(x)))").detached);
  EXPECT_FALSE(norm_entry("formula: x / mean(abs(x))").detached);
}

TEST(MaxLast, GivesTheGradientToTheFirstOfEquals) {
  const Variable x = leaf({2, 3}, {1, 5, 5, -2, -3, -2});
  const Result r = run_with_gradients({x}, [&] { return max_last(x); }, tensor({2, 1}, {3, 7}));
  EXPECT_EQ(numbers(r.value), (std::vector<double>{5, -2}));
  EXPECT_EQ(numbers(r.gradients[0]), (std::vector<double>{0, 3, 0, 7, 0, 0}));
  EXPECT_TRUE(std::isnan(numbers(max_last(Variable(tensor({1, 3}, {1, std::nan(""), 2}))).value())[0]));
}

}  // namespace
}  // namespace normscope::real_test
