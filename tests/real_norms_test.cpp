// Norms: fused against plain and against float64, over widths, scales and offsets; the worked numbers of the sources.
#include "jobs/jobs.h"
#include <normscope/norms/norm.h>

#include <algorithm>
#include <memory>

#include "real_helpers.h"
#include "jobs/entries.h"

namespace normscope::real_test {
namespace {

struct Made {
  std::unique_ptr<Parameters> parameters;
  std::unique_ptr<Norm> norm;
  double gain_offset = 0;
  std::vector<Variable> leaves(std::initializer_list<Variable> inputs) const {
    std::vector<Variable> list(inputs);
    for (const Parameter& p : parameters->all()) list.push_back(p.leaf);
    return list;
  }
};

Made make(const std::string& variant, std::int64_t width, bool bias, double eps = 1e-5) {
  Made made{std::make_unique<Parameters>(engine(), 1), nullptr};
  NormSpec spec;
  spec.eps = eps;
  spec.bias = bias;
  spec = parse_norm(variant, spec);
  made.norm = make_norm({*made.parameters, "", -1, "norm"}, spec, width);
  const NormEntry& entry = norm_entry(spec.name);
  if (const auto gain = entry.gain(norm_values(entry, spec))) made.gain_offset = gain->offset;
  for (const Parameter& p : made.parameters->all()) {    // gain and bias away from their start, so that no factor hides
    if (p.path != "gain" && p.path != "bias") continue;  // a norm's own number stays
    const Random random(4, Purpose::perturb, stream_of(p.path));
    for (std::int64_t i = 0; i < p.numel(); ++i)
      p.value()[i] += as_real(0.3 * random.normal(static_cast<std::uint64_t>(i)));
  }
  return made;
}

/// Those that treat each row on its own.
std::vector<std::string> row_variants() {
  std::vector<std::string> list;
  for (const NormEntry& entry : norm_table())
    if (entry.over == Over::rows)
      for (const std::string& variant : norm_variants(entry)) list.push_back(variant);
  return list;
}

struct Input {
  double scale, offset;
};
constexpr Input kInputs[] = {{1e-3, 0}, {1, 0}, {1e3, 0}, {1, 100}, {1e3, 100}, {1, 1e4}};

/// Size of a row norm's derivative: |n| over the spread of x (over |x| where x does not vary).
double slope(const std::vector<double>& n, const std::vector<double>& x) {
  double mean = 0, spread = 0;
  for (const double v : x) mean += v / static_cast<double>(x.size());
  for (const double v : x) spread = std::max(spread, std::abs(v - mean));
  const double size = spread > 0 ? std::min(spread, largest(x)) : largest(x);
  return size > 0 ? largest(n) / size : 0;
}

/// y, dx, dgain, dbias in float64, from the pocket calculator's float64 kernels row by row. Those are held to the plain
/// reference in float64 by the test below, and to finite differences by gradcheck.
struct Exact {
  std::vector<double> y, dx, dgain, dbias;
  double slope = 0;
};
Exact exact(const std::string& name, const Made& made, const Tensor& x, const Tensor& dy) {
  const auto width = static_cast<std::size_t>(x.shape().last());
  std::vector<double> gain(width, 1), bias(width, 0), xs = numbers(x), dys = numbers(dy);
  double own = 0;
  for (const Parameter& p : made.parameters->all()) {
    if (p.path == "gain") gain.assign(p.value(), p.value() + width);
    if (p.path == "bias") bias.assign(p.value(), p.value() + width);
    if (p.path == "alpha") own = std::abs(static_cast<double>(*p.value()));
  }
  for (double& g : gain) g += made.gain_offset;
  Exact e;
  e.slope = own;  // of tanh(alpha x), where it is not saturated
  e.dgain.assign(width, 0);
  e.dbias.assign(width, 0);
  for (std::size_t r = 0; r < xs.size(); r += width) {
    NormCall call;
    call.name = name;
    call.x.assign(xs.begin() + static_cast<std::ptrdiff_t>(r), xs.begin() + static_cast<std::ptrdiff_t>(r + width));
    for (std::size_t i = 0; i < width; ++i) call.dy.push_back(dys[r + i] * gain[i]);
    const NormResult n = f64::jobs.norm_apply(call);
    e.slope = std::max(e.slope, slope(n.y, call.x));
    for (std::size_t i = 0; i < width; ++i) {
      e.y.push_back(n.y[i] * gain[i] + bias[i]);
      e.dx.push_back(n.dx[i]);
      e.dgain[i] += dys[r + i] * n.y[i];
      e.dbias[i] += dys[r + i];
    }
  }
  return e;
}

void expect_exact(const std::string& name, std::int64_t width, Input in, bool fused_sum, bool bias) {
  const Made made = make(name, width, bias);
  Tensor x = random_tensor({5, width}, "x", in.scale, in.offset), f = random_tensor({5, width}, "f", in.scale);
  const Tensor dy = random_tensor({5, width}, "dy");
  const Variable vx = Variable::leaf(x, "x"), vf = Variable::leaf(f, "f");
  const Result r = run_with_gradients(
      made.leaves({vx}), [&] { return fused_sum ? made.norm->add_forward(vx, vf).second : made.norm->forward(vx); },
      dy);
  const Tensor h = fused_sum ? add(vx, vf).value() : x;  // the same rounding of x + f
  const Exact e = exact(name, made, h, dy);
  const double limit = tolerance(2e-6, 1e-14);  // a few roundings of sums over at most 70 entries
  const std::string what = name + " width " + std::to_string(width) + " scale " + std::to_string(in.scale) +
                           " offset " + std::to_string(in.offset) + (fused_sum ? " x + f" : "") + (bias ? " bias" : "");
  ASSERT_LE(error_of(numbers(r.value), e.y, 1), limit) << what;
  // dx cancels (exactly, at width 1): its scale is that of dy times the norm's slope.
  ASSERT_LE(error_of(numbers(r.gradients[0]), e.dx, largest(numbers(dy)) * e.slope), 2 * limit) << what;
  for (std::size_t k = 0; k < made.parameters->all().size(); ++k) {
    const std::string& path = made.parameters->all()[k].path;
    const auto& expected = path == "gain" ? e.dgain : e.dbias;
    if (path != "gain" && path != "bias") continue;  // a trained number of the norm's own: gradcheck's business
    ASSERT_LE(error_of(numbers(r.gradients[1 + k]), expected, 1), 2 * limit) << what << " " << path;
  }
}

TEST(Norms, AreExactAtEveryWidthScaleAndOffset) {
  for (const std::string& variant : row_variants()) {
    if (variant == "none") continue;
    for (std::int64_t width = 1; width <= 70; ++width)
      for (const Input& in : kInputs)
        for (const bool fused : {false, true}) {
          // Where a norm is saturated, its largest slope says nothing about the others.
          if (in.scale > norm_entry(parse_norm(variant, {}).name).saturates_at) continue;
          expect_exact(variant, width, in, fused, width % 2 == 0);
          if (HasFatalFailure()) return;
        }
    for (const bool bias : {false, true})
      for (const std::int64_t width : {32, 64, 128, 768}) expect_exact(variant, width, {1, 1e4}, true, bias);
  }
}

TEST(Norms, WithoutGainAreThoseOfGainOne) {
  // Rows of some widths stay in registers, but only with a gain: both ways must be there, and agree.
  for (const std::string& variant : row_variants())
    for (const std::int64_t width : {5, 16, 32, 64, 128}) {
      const Variable x = random_leaf({70, width}, "x");
      const Tensor dy = random_tensor({70, width}, "dy");
      std::vector<Result> results;
      for (const bool affine : {false, true}) {
        Parameters parameters(engine(), 1);
        NormSpec spec = parse_norm(variant, {});
        spec.affine = affine;
        const auto norm = make_norm({parameters, "", -1, "norm"}, spec, width);
        results.push_back(run_with_gradients({x}, [&] { return norm->forward(x); }, dy));
      }
      const double limit = kDouble ? 1e-14 : 1e-6;
      SCOPED_TRACE(variant + " width " + std::to_string(width));
      expect_close(numbers(results[0].value), numbers(results[1].value), limit);
      expect_close(numbers(results[0].gradients[0]), numbers(results[1].gradients[0]), 2 * limit);
    }
}

TEST(LayerNorm, DoesNotLoseDigitsToALargeMean) {
  // Numbers that float32 holds exactly, so the answer is the same with and without the offset.
  for (const double offset : {100.0, 1e4, 1e6, -1e6}) {
    const std::int64_t width = offset > 0 ? 64 : 1000;
    const Made made = make("layernorm", width, false);
    const Tensor x = random_tensor({8, width}, "x"), moved = Tensor::empty(engine(), {8, width});
    for (std::int64_t i = 0; i < x.numel(); ++i) {
      x.data()[i] = as_real(std::round(static_cast<double>(x.data()[i]) * 8) / 8);
      moved.data()[i] = x.data()[i] + as_real(offset);
    }
    const Variable a = Variable::leaf(x, "a"), b = Variable::leaf(moved, "b");
    const Tensor seed = random_tensor({8, width}, "seed");
    const Result plain = run_with_gradients(made.leaves({a}), [&] { return made.norm->forward(a); }, seed);
    const Result shifted = run_with_gradients(made.leaves({b}), [&] { return made.norm->forward(b); }, seed);
    EXPECT_LE(error_of(numbers(shifted.value), numbers(plain.value)), tolerance(2e-6, 1e-14)) << offset;
    EXPECT_LE(error_of(numbers(shifted.gradients[0]), numbers(plain.gradients[0])), tolerance(2e-6, 1e-14)) << offset;
    EXPECT_LE(error_of(numbers(shifted.gradients[1]), numbers(plain.gradients[1])), tolerance(2e-6, 1e-14)) << offset;
  }
}

TEST(LayerNorm, IsExactWhereTheFirstEntryIsAnOutlier) {
  const std::int64_t width = 1024;
  for (const double outlier : {3.0, 1e3, -1e6}) {
    const Made made = make("layernorm", width, false);
    const Tensor x = random_tensor({2, width}, "x"), dy = random_tensor({2, width}, "dy");
    x.data()[0] = as_real(outlier);
    const Variable vx = Variable::leaf(x, "vx");
    const Result r = run_with_gradients(made.leaves({vx}), [&] { return made.norm->forward(vx); }, dy);
    const Exact e = exact("layernorm", made, x, dy);
    // Relative to each value: one entry is thirty times larger than all others.
    for (std::size_t i = 0; i < e.y.size(); ++i) {
      const double y = static_cast<double>(r.value.data()[i]), limit = tolerance(4e-6, 1e-14);
      ASSERT_LE(std::abs(y - e.y[i]), limit * (std::abs(e.y[i]) + 0.1)) << outlier << " entry " << i;
    }
  }
}

TEST(Norms, LargeTensorsAreTheSameRowByRow) {
  // 8 MiB and more are written past the caches, unless rows do not end with a line.
  for (const std::int64_t width : {1024, 1025})
    for (const char* name : {"layernorm", "rmsnorm"}) {
      const std::int64_t rows = 2048, few = 70;
      const Made made = make(name, width, true);
      const Tensor x = random_tensor({rows, width}, "x"), dy = random_tensor({rows, width}, "dy");
      const auto run = [&](const Tensor& in, const Tensor& seed) {
        const Variable leaf = Variable::leaf(in, "x");
        return run_with_gradients(made.leaves({leaf}), [&] { return made.norm->forward(leaf); }, seed);
      };
      const Result large = run(x, dy);
      for (const std::int64_t first : {std::int64_t{0}, rows - few}) {
        const auto part = [&](const Tensor& t) {
          const Tensor p = Tensor::empty(engine(), {few, width});
          std::copy_n(t.data() + first * width, p.numel(), p.data());
          return p;
        };
        const Result small = run(part(x), part(dy));
        EXPECT_TRUE(same_bits(part(large.value), small.value)) << name << " " << width;
        EXPECT_TRUE(same_bits(part(large.gradients[0]), small.gradients[0])) << name << " " << width;
      }
    }
}

TEST(Norms, FusedIsThePlainReference) {
  // In float64 digits are there to tell a wrong formula from rounding; float32 stays where the plain one has digits.
  for (const std::string& variant : row_variants())
    for (const std::int64_t width : {1, 2, 3, 4, 7, 8, 9, 16, 17, 31, 33, 64, 70})
      for (const bool bias : {false, true})
        for (const Input& in : kDouble ? std::vector<Input>{{1e-3, 0}, {1, 0}, {1e3, 0}, {1, 100}, {1e3, 100}}
                                       : std::vector<Input>{{1e-3, 0}, {1, 0}, {1e3, 0}}) {
          const Made made = make(variant, width, bias);
          const Variable x = random_leaf({130, width}, "x", in.scale, in.offset),
                         f = random_leaf({130, width}, "f", in.scale);
          const Tensor seed = random_tensor({130, 2 * width}, "seed");
          const auto leaves = made.leaves({x, f});
          const Result fused = run_with_gradients(
              leaves,
              [&] {
                const auto [h, y] = made.norm->add_forward(x, f);
                return concat({h, y}, 1);
              },
              seed);
          const Result plain = run_with_gradients(
              leaves,
              [&] {
                const Variable h = add(x, f);
                return concat({h, made.norm->reference(h)}, 1);
              },
              seed);
          const std::string what = variant + " width " + std::to_string(width) + " scale " + std::to_string(in.scale);
          const double limit = tolerance(1e-5, 1e-12 * (1 + in.offset));
          ASSERT_LE(error_of(numbers(fused.value), numbers(plain.value)), limit) << what;
          const double upstream = largest(numbers(seed)) * (variant == "none" ? 1 : 1 + 1 / in.scale);
          for (std::size_t k = 0; k < leaves.size(); ++k)
            ASSERT_LE(error_of(numbers(fused.gradients[k]), numbers(plain.gradients[k]), k < 2 ? upstream : 1), limit)
                << what << " " << leaves[k].leaf()->name;
        }
}

TEST(Norms, AddForwardReturnsTheSumItNormalized) {
  for (const std::string& variant : row_variants()) {
    const Made made = make(variant, 19, false);
    const Variable x(random_tensor({4, 19}, "x")), f(random_tensor({4, 19}, "f"));
    const auto [h, y] = made.norm->add_forward(x, f);
    EXPECT_TRUE(same_bits(h.value(), add(x, f).value())) << variant;
    EXPECT_TRUE(same_bits(y.value(), made.norm->forward(h).value())) << variant;
  }
}

TEST(Norms, TreatEachRowOnItsOwnAndOnAnyNumberOfThreadsAlike) {
  for (const std::string& variant : row_variants()) {
    if (variant == "none") continue;
    std::vector<std::vector<Tensor>> all;
    for (const int threads : {1, 2, 3}) {
      Engine own({threads});
      Parameters parameters(own, 1);
      const auto norm = make_norm({parameters, "", -1, "norm"}, parse_norm(variant, {}), 24);
      const Variable x = Variable::leaf(random_tensor({300, 24}, "x", 1, 3, own), "x");
      std::vector<Variable> leaves{x};
      for (const Parameter& p : parameters.all()) leaves.push_back(p.leaf);
      const Result r =
          run_with_gradients(leaves, [&] { return norm->forward(x); }, random_tensor({300, 24}, "seed", 1, 0, own));
      std::vector<Tensor> kept{Tensor::from(engine(), {300, 24}, r.value.to_vector())};
      for (const Tensor& g : r.gradients) kept.push_back(Tensor::from(engine(), g.shape(), g.to_vector()));
      all.push_back(std::move(kept));
    }
    for (std::size_t k = 0; k < all[0].size(); ++k) {
      EXPECT_TRUE(same_bits(all[0][k], all[1][k])) << variant << " " << k;
      EXPECT_TRUE(same_bits(all[0][k], all[2][k])) << variant << " " << k;
    }
    const Made made = make(variant, 24, false);
    const Tensor x = random_tensor({65, 24}, "x");
    const Tensor together = made.norm->forward(Variable(x)).value();
    for (const std::int64_t r : {0, 1, 63, 64})
      EXPECT_TRUE(same_bits(together.narrow(r, 1), made.norm->forward(Variable(x.narrow(r, 1).clone())).value()));
  }
}

std::vector<double> of_row(const std::string& name, const std::vector<double>& x, double eps,
                           std::optional<bool> bias = {}) {
  Parameters parameters(engine(), 1);
  NormSpec spec;
  spec.name = name;
  spec.eps = eps;
  spec.bias = bias;
  const auto width = static_cast<std::int64_t>(x.size());
  const auto norm = make_norm({parameters, "", -1, "norm"}, spec, width);
  return numbers(norm->forward(Variable(tensor({1, width}, x))));
}

TEST(Norms, WorkedNumbersOfTheSources) {  // C10
  expect_close(of_row("rmsnorm", {0.1, 0.1, 0.2, 0.3}, 0), {0.5163978, 0.5163978, 1.0327956, 1.5491933}, 1e-6);
  expect_close(of_row("layernorm", {0.1, 0.1, 0.2, 0.3}, 0), {-0.9045340, -0.9045340, 0.3015113, 1.5075567}, 1e-6);
}

TEST(Norms, EpsStandsInsideTheRoot) {  // C6, C13
  expect_close(of_row("rmsnorm", {3e-3, 4e-3}, 1e-5), {3e-3 / std::sqrt(2.25e-5), 4e-3 / std::sqrt(2.25e-5)}, 1e-6);
  expect_close(of_row("layernorm", {-3e-3, 3e-3}, 1e-5), {-3 / std::sqrt(19.0), 3 / std::sqrt(19.0)}, 1e-6);
  for (const char* name : {"rmsnorm", "layernorm"}) {
    EXPECT_EQ(of_row(name, {0, 0, 0}, 1e-5), (std::vector<double>{0, 0, 0})) << name;
    EXPECT_TRUE(std::isnan(of_row(name, {0, 0, 0}, 0)[0])) << name << " of a zero row without eps";
  }
}

TEST(Norms, HaveTheParametersOfTheirDefinition) {
  struct Row {
    const char* name;
    std::optional<bool> bias;
    bool affine;
    std::vector<std::string> paths;
  };
  for (const Row& row :
       {Row{"layernorm", {}, true, {"n.gain", "n.bias"}}, Row{"layernorm", false, true, {"n.gain"}},
        Row{"layernorm", {}, false, {}}, Row{"layernorm", true, false, {}}, Row{"rmsnorm", {}, true, {"n.gain"}},
        Row{"rmsnorm", true, true, {"n.gain", "n.bias"}}, Row{"none", {}, true, {}}}) {
    Parameters parameters(engine(), 1);
    NormSpec spec;
    spec.name = row.name;
    spec.bias = row.bias;
    spec.affine = row.affine;
    make_norm({parameters, "n", 2, "norm"}, spec, 3);
    std::vector<std::string> paths;
    for (const Parameter& p : parameters.all()) {
      paths.push_back(p.path);
      EXPECT_EQ(std::vector<double>(p.value(), p.value() + 3), std::vector<double>(3, p.path == "n.gain" ? 1 : 0));
      EXPECT_EQ(p.block, 2);
      EXPECT_EQ(p.role, "norm");
    }
    EXPECT_EQ(paths, row.paths) << row.name;
  }
}

TEST(NormErrors, NameWhatIsThere) {
  Parameters parameters(engine(), 1);
  const Scope scope{parameters, "blocks.2.attn_norm", 2, "norm"};
  NormSpec spec;
  spec.name = "layernrm";
  expect_says(message_of<UsageError>([&] { make_norm(scope, spec, 4); }), {"layernrm", "layernorm", "rmsnorm", "none"});
  spec.name = "rmsnorm";
  spec.options["q"] = "1";
  expect_says(message_of<UsageError>([&] { make_norm(scope, spec, 4); }), {"rmsnorm", "\"q\"", "eps, bias, affine"});
  spec.options.clear();
  const auto norm = make_norm(scope, spec, 4);
  const Variable x = random_leaf({2, 5}, "x"), y = random_leaf({2, 4}, "y"), z = random_leaf({3, 4}, "z");
  expect_says(message_of([&] { norm->forward(x); }), {"[blocks.2.attn_norm]", "[2, 5]", "4"});
  expect_says(message_of([&] { norm->add_forward(y, z); }), {"[blocks.2.attn_norm]", "[2, 4]"});
}

}  // namespace
}  // namespace normscope::real_test
