// Placements: formulas against closed forms, their parameters, what is fused, and the errors of the grammar.
#include <normscope/models/transformer.h>
#include <normscope/nn/placement.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <set>
#include <sstream>

#include "real_helpers.h"

namespace normscope::real_test {
namespace {

using Row = std::vector<double>;

const Row kX{1, -2, 3, 0.5};
/// Gains of the four norms of a block; scalars are shifted by 0.25 from their start.
const std::map<std::string, double> kGains{
    {"attn_norm", 2}, {"attn_post_norm", 0.5}, {"mlp_norm", 3}, {"mlp_post_norm", 0.25}};

Row each(const Row& x, const std::function<double(double)>& f) {
  Row y;
  for (const double v : x) y.push_back(f(v));
  return y;
}
Row operator+(const Row& a, const Row& b) {
  Row y;
  for (std::size_t i = 0; i < a.size(); ++i) y.push_back(a[i] + b[i]);
  return y;
}
Row operator*(double factor, const Row& x) {
  return each(x, [&](double v) { return factor * v; });
}
Row rms_normed(const Row& x) {
  double square = 0;
  for (const double v : x) square += v * v / static_cast<double>(x.size());
  return 1 / std::sqrt(square) * x;
}

/// One sub-layer written down by hand: its F and norms, and where it stands.
struct Sub {
  std::function<Row(const Row&)> F, N1, N2;
  double l, s;
};
constexpr double kLayers = 4, kBlock = 2;  // L, and l - 1

/// The stream after the block `kBlock` of `formula`, at rmsnorm with eps 0; attention is 3x, the MLP tanh(x).
Row after_block(const std::string& formula) {
  Parameters parameters(engine(), 1);
  const NormSpec norm{.name = "rmsnorm", .eps = 0};
  const auto block = placement_entry(formula).make(
      {parameters, "blocks.2", 2, ""},
      {.layers = 4, .block = 2, .width = 4, .inner_attention = 4, .inner_mlp = 8, .attn_norm = norm, .mlp_norm = norm});
  for (const Parameter& p : parameters.all()) {
    const std::string name = p.path.substr(9);
    if (name.ends_with(".gain"))
      std::fill_n(p.value(), 4, as_real(kGains.at(name.substr(0, name.size() - 5))));
    else
      *p.value() += as_real(0.25);
  }
  const std::vector<std::string> names{"a", "b"};
  const Pass pass;
  Points points(names, pass);
  Stream stream{.x = Variable(tensor({1, 4}, kX))};
  block->block(
      stream, [](const Variable& x, const Inner&) { return scale(x, 3); },
      [](const Variable& x, const Inner&) { return tanh(x); }, pass, points);
  return numbers(stream.sum());
}

Row by_hand(const std::function<Row(const Row&, const Sub&)>& formula) {
  const auto gained = [](const char* norm) { return [norm](const Row& x) { return kGains.at(norm) * rms_normed(x); }; };
  const Sub attention{[](const Row& x) { return 3 * x; }, gained("attn_norm"), gained("attn_post_norm"), kBlock + 1, 5};
  const Sub mlp{[](const Row& x) { return each(x, [](double v) { return std::tanh(v); }); }, gained("mlp_norm"),
                gained("mlp_post_norm"), kBlock + 1, 6};
  return formula(formula(kX, attention), mlp);
}

TEST(Placement, FormulasAreTheirClosedForms) {
  const std::map<std::string, std::function<Row(const Row&, const Sub&)>> forms{
      {"pre", [](const Row& x, const Sub& u) { return x + u.F(u.N1(x)); }},
      {"post", [](const Row& x, const Sub& u) { return u.N1(x + u.F(x)); }},
      {"peri", [](const Row& x, const Sub& u) { return x + u.N2(u.F(u.N1(x))); }},
      {"out", [](const Row& x, const Sub& u) { return x + u.N2(u.F(x)); }},
      {"rezero", [](const Row& x, const Sub& u) { return x + 0.25 * u.F(x); }},
      {"N((2*L)^(1/4)*x + F(x))",
       [](const Row& x, const Sub& u) { return u.N1(std::pow(2 * kLayers, 0.25) * x + u.F(x)); }},
      {"x + F(N(x)/sqrt(l))", [](const Row& x, const Sub& u) { return x + u.F(1 / std::sqrt(u.l) * u.N1(x)); }},
      {"-x*s + F(detach(x)) - (L - 2^2 + 1)*N2(x)",
       [](const Row& x, const Sub& u) { return -u.s * x + u.F(x) + -1 * u.N2(x); }},
      {"F(x) + N(x + N2(x))", [](const Row& x, const Sub& u) { return u.F(x) + u.N1(x + u.N2(x)); }},
      {"scalar(a, 1/2)*x + sqrt(scalar(b, s))*F(x)/scalar(c, 1) + 3/scalar(d, l)*N(x)",
       [](const Row& x, const Sub& u) {
         return 0.75 * x + std::sqrt(u.s + 0.25) / 1.25 * u.F(x) + 3 / (u.l + 0.25) * u.N1(x);
       }},
      {"(1 - scalar(a, 0.5))*x + (scalar(b, 1) + 2 - scalar(c, 1)*2)*F(x)",
       [](const Row& x, const Sub& u) { return 0.25 * x + 0.75 * u.F(x); }},
  };
  for (const PlacementEntry& entry : placement_table())
    EXPECT_TRUE(entry.ends || forms.count(entry.name)) << entry.name << " has no closed form here";
  for (const auto& [formula, form] : forms)
    EXPECT_LE(error_of(after_block(formula), by_hand(form)), tolerance(2e-6, 1e-14)) << formula;
}

ModelOptions small(const std::string& placement) {
  return {.n_layer = 3,
          .n_embd = 16,
          .n_inner = 32,
          .block_size = 12,
          .vocab_size = 11,
          .norm = {.name = "rmsnorm"},
          .placement = placement};
}

Batch some_batch(const Transformer& model) {
  const Batch batch = model.make_batch(2);
  for (std::int64_t i = 0; i < 24; ++i) {
    batch.tokens.data()[i] = static_cast<std::int32_t>(i * 7 % 11);
    batch.targets.data()[i] = static_cast<std::int32_t>(i * 5 % 11);
  }
  return batch;
}

double loss_of(const ModelOptions& options) {
  const Transformer model(engine(), options, 1);
  return static_cast<double>(model.loss(some_batch(model), {}).item());
}

std::set<std::string> norms_and_scalars(const ModelOptions& options) {
  const Transformer model(engine(), options, 1);
  std::set<std::string> names;
  for (const Parameter& p : model.parameters().all())
    if (p.role == "norm" || p.role == "scalar") names.insert(p.path);
  return names;
}
std::set<std::string> in_three_blocks(const std::vector<std::string>& names, bool final_norm) {
  std::set<std::string> all;
  for (const std::string& name : names)
    for (const char* block : {"0", "1", "2"}) all.insert("blocks." + std::string(block) + "." + name);
  if (final_norm) all.insert("final_norm.gain");
  return all;
}

TEST(Placement, ParametersAreTheInterfaces) {
  using Names = std::vector<std::string>;
  const auto expect = [](const std::string& placement, const Names& names, bool final_norm) {
    EXPECT_EQ(norms_and_scalars(small(placement)), in_three_blocks(names, final_norm)) << placement;
  };
  expect("pre", {"attn_norm.gain", "mlp_norm.gain"}, true);
  expect("post", {"attn_norm.gain", "mlp_norm.gain"}, false);
  expect("peri", {"attn_norm.gain", "attn_post_norm.gain", "mlp_norm.gain", "mlp_post_norm.gain"}, true);
  expect("out", {"attn_post_norm.gain", "mlp_post_norm.gain"}, true);
  expect("rezero", {"attn_scale", "mlp_scale"}, false);
  expect("x + scalar(scale, 0)*F(x)", {"attn_scale", "mlp_scale"}, true);
  expect("N2(x + scalar(a, 1)*F(N(x)))",
         {"attn_norm.gain", "attn_post_norm.gain", "mlp_norm.gain", "mlp_post_norm.gain", "attn_a", "mlp_a"}, false);
}

TEST(Placement, AnExplicitFinalNormWinsOverTheEntrys) {
  ModelOptions with = small("post"), without = small("pre");
  with.final_norm = true;
  without.final_norm = false;
  EXPECT_EQ(norms_and_scalars(with).count("final_norm.gain"), 1u);
  EXPECT_EQ(norms_and_scalars(without).count("final_norm.gain"), 0u);
  ModelOptions own = small("pre");
  own.norm.name = "layernorm";
  own.final_norm_spec = NormSpec{.name = "rmsnorm"};
  EXPECT_EQ(norms_and_scalars(own).count("final_norm.bias"), 0u);
  EXPECT_EQ(norms_and_scalars(own).count("blocks.0.mlp_norm.bias"), 1u);
}

TEST(Placement, AFormulaIsWhatItsNameIs) {
  for (const PlacementEntry& entry : placement_table()) {
    if (entry.ends) continue;  // a class
    ModelOptions options = small(entry.formula);
    options.final_norm = entry.has_final_norm();
    EXPECT_EQ(loss_of(options), loss_of(small(entry.name))) << entry.name;
  }
}

/// How often an op stands on the tape of a forward pass.
std::map<std::string, int> ops_of(const std::string& placement) {
  const Transformer model(engine(), small(placement), 1);
  Tape tape;
  const Tape::Recording recording(tape);
  model.loss(some_batch(model), {});
  std::map<std::string, int> count;
  std::istringstream lines(tape.describe());
  for (std::string line; std::getline(lines, line);) {  // "[add in blocks.0] shapes"
    const std::string op = line.substr(1, line.find_first_of(" ]") - 1);
    if (op == "add" || op == "norm" || op == "add_norm") ++count[op];
  }
  return count;
}

TEST(Placement, ASumWaitsForANormOfTheStreamAlone) {
  using Count = std::map<std::string, int>;
  EXPECT_EQ(ops_of("pre"), (Count{{"norm", 1}, {"add_norm", 6}})) << "the last one is the final norm";
  EXPECT_EQ(ops_of("F(N(x)) + x"), ops_of("pre"));
  EXPECT_EQ(ops_of("post"), (Count{{"add_norm", 6}}));
  EXPECT_EQ(ops_of("peri"), (Count{{"norm", 1 + 6}, {"add_norm", 6}}));
  EXPECT_EQ(ops_of("out"), (Count{{"norm", 6}, {"add", 5}, {"add_norm", 1}})) << "F(x) needs the sum";
  EXPECT_EQ(ops_of("rezero"), (Count{{"add", 6}}));
}

TEST(Placement, BlocksHaveNormsAndPlacementsOfTheirOwn) {
  ModelOptions options = small("pre");
  options.block[1].placement = "post";
  options.block[1].attn_norm = NormSpec{.name = "layernorm"};
  options.block[2].placement = "out";
  EXPECT_EQ(norms_and_scalars(options),
            (std::set<std::string>{"blocks.0.attn_norm.gain", "blocks.0.mlp_norm.gain", "blocks.1.attn_norm.gain",
                                   "blocks.1.attn_norm.bias", "blocks.1.mlp_norm.gain", "blocks.2.attn_post_norm.gain",
                                   "blocks.2.mlp_post_norm.gain", "final_norm.gain"}));
  EXPECT_NE(loss_of(options), loss_of(small("pre")));
  ModelOptions all = small("pre");
  for (const std::int64_t i : {0, 1, 2}) all.block[i].placement = "post";
  all.final_norm = false;
  EXPECT_EQ(loss_of(all), loss_of(small("post")));
}

TEST(Placement, ResidualKeepsASecondStream) {
  // One sub-layer by hand: x = N(e + F(e)), u = e + F(e); the end is x + N_final(u).
  const PlacementEntry entry = placement_entry("residual");
  Parameters parameters(engine(), 1);
  const NormSpec norm{.name = "rmsnorm", .eps = 0};
  const Scope root{parameters, "", -1, "embedding"};
  const PlacementContext context{
      .layers = 1, .block = 0, .width = 4, .inner_attention = 4, .inner_mlp = 8, .attn_norm = norm, .mlp_norm = norm};
  const auto block = entry.make(root, context);
  const auto ends = entry.ends(root, context);
  const auto final_norm = make_norm(root.in("final_norm"), norm, 4);
  const std::vector<std::string> names{"a", "b", "c", "d"};
  const Pass pass;
  Points points(names, pass);
  Stream stream = ends->begin(Variable(tensor({1, 4}, kX)));
  block->block(
      stream, [](const Variable& x, const Inner&) { return scale(x, 3); },
      [](const Variable& x, const Inner&) { return tanh(x); }, pass, points);
  const Row got = numbers(ends->finish(stream, final_norm.get(), pass, points));
  const Row middle = rms_normed(4 * kX), f = each(middle, [](double v) { return std::tanh(v); });
  EXPECT_LE(error_of(got, rms_normed(middle + f) + rms_normed(4 * kX + f)), tolerance(2e-6, 1e-14));
}

TEST(PlacementErrors, NameTheReason) {
  const auto says = [](const ModelOptions& options, const std::vector<std::string>& parts) {
    expect_says(message_of<UsageError>([&] { Transformer(engine(), options, 1); }), parts);
  };
  says(small("middle"), {"\"middle\"", "pre, post, peri, out, rezero, residual", "formula"});
  ModelOptions options = small("rezero");
  options.block[1].mlp_norm = NormSpec{};
  says(options, {"rezero", "no norms", "block 1"});
  options = small("pre");
  options.block[2].placement = "x + F(x)";
  EXPECT_NO_THROW(Transformer(engine(), options, 1));
  options.block[2].attn_norm = NormSpec{};
  says(options, {"x + F(x)", "no norms", "block 2"});
  options = small("pre");
  options.block[1].placement = "residual";
  says(options, {"\"residual\" of block 1", "a different stream than \"pre\""});
}

TEST(PlacementErrors, GiveTheColumn) {
  const std::vector<std::pair<std::string, std::vector<std::string>>> wrong{
      {"x + F(M(x))", {"column 7", "'M' is unknown", "N2", "detach"}},
      {"x + F(N(x)", {"column 11", "expected ',' or ')', found the end"}},
      {"x + F(N(x)) )", {"column 13", "expected an operator, found ')'"}},
      {"x + * F(x)", {"column 5", "found '*'"}},
      {"x + F(x) y", {"column 10", "an operator"}},
      {"2 L*F(x)", {"column 3", "an operator"}},
      {"x + F(2)", {"column 7", "F takes a stream"}},
      {"x + F(x, x)", {"column 5", "one argument"}},
      {"x + F", {"column 5", "F(...)"}},
      {"x + N(x)", {"column 1", "the formula does not use F, the sub-layer"}},
      {"F(x) + F(N(x))", {"column 8", "F occurs twice"}},
      {"F(x) + 1", {"column 6", "cannot be added"}},
      {"x * F(x)", {"column 3", "two streams"}},
      {"2 / F(x)", {"column 3", "divisor"}},
      {"F(x)^2", {"column 5", "numbers only"}},
      {"sqrt(F(x))", {"column 6", "sqrt takes"}},
      {"scalar(a, 0)*F(x) + scalar(a, 0)*x", {"column 21", "declared twice"}},
      {"scalar(0)*F(x)", {"column 1", "scalar(scale, 0)"}},
      {"scalar(norm, 0)*F(x)", {"column 8", "name of a norm"}},
      {"scalar(a, x)*F(x)", {"column 11", "must be a number"}},
      {"x(2) + F(x)", {"column 1", "no arguments"}},
      {"(x + \xc3\xa9)", {"column 6"}},
      {std::string(10000, '(') + "F(x)", {"nested too deeply"}},
  };
  for (const auto& [formula, parts] : wrong)
    expect_says(message_of<UsageError>([&] { placement_entry(formula); }), parts);
}

}  // namespace
}  // namespace normscope::real_test
