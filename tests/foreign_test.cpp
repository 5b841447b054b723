// gradcheck --foreign: right results never alarm, wrong terms always do.
#include <gtest/gtest.h>

#include "foreign_helpers.h"
#include "messages.h"

namespace normscope::foreign_test {
namespace {

using foreign::judge;

/// Every setting that right results are judged at.
struct Setting {
  Arithmetic f;
  std::int64_t width;
  double eps, offset, scale;
  std::string text() const {
    return f.dtype + ", width " + std::to_string(width) + ", eps " + std::to_string(eps) + ", offset " +
           std::to_string(offset) + ", scale " + std::to_string(scale);
  }
};

std::vector<Setting> settings() {
  std::vector<Setting> list;
  for (const char* dtype : {"float64", "float32", "float16"})
    for (const std::int64_t width : {1, 2, 7, 64, 4096})
      for (const double offset : {0.0, 100.0}) {
        const bool half = std::string(dtype) == "float16";
        list.push_back({{dtype}, width, 1e-5, offset, 1});
        if (half) continue;  // eps is nothing in float16, and 1e15 no number
        list.push_back({{dtype}, width, 1e-12, offset, 1e-3});
        list.push_back({{dtype}, width, 1e-6, offset, 1e15});
      }
  return list;
}

Inputs inputs_of(const Setting& s, std::uint64_t seed) {
  Inputs in = inputs(s.f, 6, s.width, s.eps, s.offset, s.scale, seed);
  std::fill(in.x.begin() + s.width, in.x.begin() + 2 * s.width, 0.0);  // a row of zeros
  return in;
}

class RightRowNorm : public testing::TestWithParam<std::pair<const char*, Form>> {};

TEST_P(RightRowNorm, NeverAlarms) {
  const auto& [name, form] = GetParam();
  for (const Setting& s : settings())
    for (const std::uint64_t seed : {1, 2}) {
      if (form.eps_outside && s.eps < 1e-6) continue;  // 1 / eps of the row of zeros times 4096 is too much for float32
      const Inputs in = inputs_of(s, seed);
      const auto judged = judge(file(s.f, in, row_norm(s.f, in, form), form.centred), name);
      EXPECT_TRUE(judged.right()) << s.text() << ": " << text_of(judged);
      EXPECT_EQ(judged.results.size(), form.centred ? 4u : 3u);
    }
}

INSTANTIATE_TEST_SUITE_P(
    Foreign, RightRowNorm,
    testing::Values(std::pair{"layernorm", Form{}}, std::pair{"layernorm:unbiased=true", Form{.unbiased = true}},
                    std::pair{"layernorm:eps_outside=true", Form{.eps_outside = true}},
                    std::pair{"rmsnorm", Form{.centred = false}},
                    std::pair{"rmsnorm:eps_outside=true", Form{.centred = false, .eps_outside = true}},
                    std::pair{"rmsnorm:unit_offset=true", Form{.centred = false, .gain_offset = 1}}));

/// n = x r, r = 1 / sqrt(mean of the first k squares + eps).
Outputs prmsnorm(const Arithmetic& f, const Inputs& in, std::int64_t k) {
  Outputs out{in.x, in.x, List(in.gain.size()), {}, {}};
  for (std::int64_t row = 0; row < in.rows; ++row) {
    double square = 0, along = 0;
    for (std::int64_t i = 0; i < k; ++i) square = f.wide(square + f.wide(in.x[in.at(row, i)] * in.x[in.at(row, i)]));
    const double r = f.wide(1 / f.wide(std::sqrt(f.wide(f.wide(square / static_cast<double>(k)) + in.eps))));
    const auto n = [&](std::int64_t i) { return f(in.x[in.at(row, i)] * r); };
    const auto dn = [&](std::int64_t i) { return f(in.dy[in.at(row, i)] * in.gain[static_cast<std::size_t>(i)]); };
    for (std::int64_t i = 0; i < in.width; ++i) along = f.wide(along + f.wide(dn(i) * n(i)));
    along = f.wide(along / static_cast<double>(k));
    for (std::int64_t i = 0; i < in.width; ++i) {
      const auto column = static_cast<std::size_t>(i);
      out.y[in.at(row, i)] = f(n(i) * in.gain[column]);
      out.dx[in.at(row, i)] = f(r * f(dn(i) - (i < k ? f(n(i) * along) : 0)));
      out.dgain[column] = f.wide(out.dgain[column] + f.wide(in.dy[in.at(row, i)] * n(i)));
    }
  }
  for (double& v : out.dgain) v = f(v);
  return out;
}

TEST(Foreign, RightPrmsnormNeverAlarms) {
  for (const Setting& s : settings()) {
    const Inputs in = inputs_of(s, 3);
    const auto k = std::max<std::int64_t>(1, s.width / 4);
    const auto judged = judge(file(s.f, in, prmsnorm(s.f, in, k), false), "prmsnorm:p=0.25");
    EXPECT_TRUE(judged.right()) << s.text() << ": " << text_of(judged);
  }
}

/// g x / |x|
Outputs scalenorm(const Arithmetic& f, const Inputs& in, double g) {
  Outputs out{in.x, in.x, {}, {}, {0}};
  for (std::int64_t row = 0; row < in.rows; ++row) {
    double square = 0, along = 0;
    for (std::int64_t i = 0; i < in.width; ++i)
      square = f.wide(square + f.wide(in.x[in.at(row, i)] * in.x[in.at(row, i)]));
    const double length = f.wide(std::max(std::sqrt(square), in.eps)), r = f.wide(1 / length);
    const auto n = [&](std::int64_t i) { return f(in.x[in.at(row, i)] * r); };
    for (std::int64_t i = 0; i < in.width; ++i) along = f.wide(along + f.wide(in.dy[in.at(row, i)] * n(i)));
    for (std::int64_t i = 0; i < in.width; ++i) {
      out.y[in.at(row, i)] = f(g * n(i));
      const double back = length > in.eps ? f(n(i) * along) : 0;
      out.dx[in.at(row, i)] = f(f.wide(g * r) * f(in.dy[in.at(row, i)] - back));
    }
    out.dscalar[0] = f.wide(out.dscalar[0] + along);
  }
  out.dscalar[0] = f(out.dscalar[0]);
  return out;
}

/// gain tanh(alpha x) + bias
Outputs dyt(const Arithmetic& f, const Inputs& in, double alpha) {
  Outputs out{in.x, in.x, List(in.gain.size()), List(in.gain.size()), {0}};
  for (std::size_t i = 0; i < in.x.size(); ++i) {
    const std::size_t column = i % in.gain.size();
    const double n = f(std::tanh(f(alpha * in.x[i]))), dn = f(in.dy[i] * in.gain[column]);
    const double slope = f(dn * f(1 - f(n * n)));
    out.y[i] = f(f(n * in.gain[column]) + in.bias[column]);
    out.dx[i] = f(alpha * slope);
    out.dgain[column] = f.wide(out.dgain[column] + f.wide(in.dy[i] * n));
    out.dbias[column] = f.wide(out.dbias[column] + in.dy[i]);
    out.dscalar[0] = f.wide(out.dscalar[0] + f.wide(slope * in.x[i]));
  }
  for (List* list : {&out.dgain, &out.dbias, &out.dscalar})
    for (double& v : *list) v = f(v);
  return out;
}

TEST(Foreign, RightNormsWithANumberOfTheirOwnNeverAlarm) {
  for (const Setting& s : settings()) {
    Inputs in = inputs_of(s, 4);
    if (s.f.dtype == "float16") std::fill(in.x.begin(), in.x.end(), 0.75);  // 1 / eps of the row of zeros is infinite
    File scaled = file(s.f, in, scalenorm(s.f, in, 1.5), false);
    scaled.erase("gain");
    scaled.erase("dgain");
    scaled["g"] = array(s.f, {1}, {1.5});
    scaled["dg"] = array(s.f, {1}, scalenorm(s.f, in, 1.5).dscalar);
    const auto scalenorm_judged = judge(scaled, "scalenorm");
    EXPECT_TRUE(scalenorm_judged.right()) << s.text() << ": " << text_of(scalenorm_judged);
    const Outputs out = dyt(s.f, in, 0.75);
    File squashed = file(s.f, in, out, true);
    squashed["alpha"] = array(s.f, {}, {0.75});
    squashed["dalpha"] = array(s.f, {}, out.dscalar);
    const auto dyt_judged = judge(squashed, "dyt");
    EXPECT_TRUE(dyt_judged.right()) << s.text() << ": " << text_of(dyt_judged);
    EXPECT_EQ(dyt_judged.results.size(), 5u);
  }
}

/// One term times another factor than 1: a wrong program.
TEST(Foreign, EveryOneOfManyMutantsIsDetected) {
  double Terms::* const terms[] = {&Terms::mean, &Terms::variance, &Terms::eps,   &Terms::gain,
                                   &Terms::bias, &Terms::dn,       &Terms::first, &Terms::second,
                                   &Terms::r,    &Terms::dgain,    &Terms::dbias};
  const double factors[] = {0, -1, 0.5, 2, 1.01, 0.999};
  const Random random(20, Purpose::gradcheck, 0);
  int detected = 0;
  for (std::uint64_t i = 0; i < 120; ++i) {
    const auto term = random.below(4 * i, std::size(terms)), factor = random.below(4 * i + 1, std::size(factors));
    if (terms[term] == &Terms::variance && factors[factor] < 0) continue;  // the root of a negative number
    if (terms[term] == &Terms::eps && factors[factor] == 0.999) continue;  // 5e-6 of y, less than float32 must show
    const Arithmetic f{random.below(4 * i + 2, 2) ? "float32" : "float64"};
    const Inputs in = inputs(f, 16, 32, 1e-2, 0.5, 1, i);
    Form form;
    form.terms.*terms[term] = factors[factor];
    const auto judged = judge(file(f, in, row_norm(f, in, form), true), "layernorm");
    EXPECT_FALSE(judged.right()) << "term " << term << " times " << factors[factor] << " in " << f.dtype;
    ++detected;
  }
  EXPECT_GE(detected, 100);
}

TEST(Foreign, OneWrongNumberOfManyIsDetectedAndPlaced) {
  const Arithmetic f{"float32"};
  const Inputs in = inputs(f, 20, 64, 1e-5);
  Outputs out = row_norm(f, in, {});
  out.dx[in.at(13, 37)] = to_single(out.dx[in.at(13, 37)] * 1.001);
  const auto judged = judge(file(f, in, out, true), "layernorm");
  for (const auto& r : judged.results) EXPECT_EQ(r.right, r.name != "dx") << r.name;
  EXPECT_EQ(judged.results[1].at, (std::vector<std::int64_t>{13, 37}));
  EXPECT_EQ(judged.unexplained, (std::vector<std::string>{"dx"}));
}

TEST(Foreign, ResultsThatAreNoNumbersAreWrong) {
  const Arithmetic f{"float32"};
  const Inputs in = inputs(f, 4, 8, 1e-5);
  Outputs out = row_norm(f, in, {});
  out.y[9] = NAN;
  out.dgain[3] = HUGE_VAL;
  const auto judged = judge(file(f, in, out, true), "layernorm");
  EXPECT_FALSE(judged.results[0].right);
  EXPECT_EQ(judged.results[0].at, (std::vector<std::int64_t>{1, 1}));
  EXPECT_NE(judged.results[0].problem.find("nan"), std::string::npos);
  EXPECT_FALSE(judged.results[2].right);
}

TEST(Foreign, Bfloat16InFloat32IsJudgedAsBfloat16) {
  const auto cut = [](double v) {
    return std::ldexp(std::nearbyint(std::ldexp(v, 7 - std::ilogb(v))), std::ilogb(v) - 7);
  };
  const Arithmetic f{"float32"};
  Inputs in = inputs(f, 8, 16, 1e-5);
  for (List* list : {&in.x, &in.dy, &in.gain, &in.bias})
    for (double& v : *list) v = cut(v);
  Outputs out = row_norm(f, in, {});
  for (List* list : {&out.y, &out.dx})
    for (double& v : *list) v = v == 0 ? 0 : cut(v);
  const auto judged = judge(file(f, in, out, true), "layernorm");
  EXPECT_TRUE(judged.right()) << text_of(judged);
  EXPECT_EQ(judged.results[0].precision, "bfloat16");
}

/// Llama's RMSNorm: float32 inside, rounded to the 16 bits of x, times a float32 gain: y and dgain are float32 to look
/// at.
TEST(Foreign, A16BitStepInsideAFloat32FileIsNoMistake) {
  const Arithmetic f{"float32"}, half{"float16"};
  Inputs in = inputs(half, 16, 64, 1e-5);
  in.dy = inputs(f, 16, 64, 1e-5).dy;
  in.gain = inputs(f, 16, 64, 1e-5).gain;
  Outputs out = row_norm(f, in, {.centred = false});
  std::fill(out.dgain.begin(), out.dgain.end(), 0.0);
  for (std::size_t i = 0; i < out.y.size(); ++i) {
    const std::size_t column = i % in.gain.size();
    const double n = to_half(out.y[i] / in.gain[column]);
    out.y[i] = f(n * in.gain[column]);
    out.dgain[column] = f(out.dgain[column] + n * in.dy[i]);
  }
  const auto judged = judge(file(f, in, out, false), "rmsnorm");
  EXPECT_TRUE(judged.right()) << text_of(judged);
  EXPECT_EQ(judged.results[0].precision, "float16");
}

TEST(Foreign, TheEpsOfTheNameCountsWhereTheFileHasNone) {
  const Arithmetic f{"float64"};
  const Inputs in = inputs(f, 6, 8, 1e-3);
  File all = file(f, in, row_norm(f, in, {}), true);
  all.erase("eps");
  EXPECT_TRUE(judge(all, "layernorm:eps=1e-3").right());
  const auto judged = judge(all, "layernorm");
  EXPECT_FALSE(judged.right());
  EXPECT_EQ(judged.assumed, (std::vector<std::string>{"eps = 1e-05"}));
  ASSERT_FALSE(judged.explanations.empty());
  EXPECT_EQ(judged.explanations[0].what, "computed with eps = 0.001, not 1e-05");
}

TEST(Foreign, MoreAxesAreRowsAndMissingResultsAreNotJudged) {
  const Arithmetic f{"float64"};
  const Inputs in = inputs(f, 6, 8, 1e-5);
  File all = file(f, in, row_norm(f, in, {}), true);
  for (const char* name : {"x", "dy", "y", "dx"}) all[name].shape = {2, 3, 8};
  all.erase("dbias");
  all["weights"] = all["gain"];
  const auto judged = judge(all, "layernorm");
  EXPECT_TRUE(judged.right()) << text_of(judged);
  EXPECT_EQ(judged.rows, 6);
  EXPECT_EQ(judged.results[0].at.size(), 3u);
  EXPECT_EQ(judged.absent, (std::vector<std::string>{"dbias"}));
  EXPECT_EQ(judged.unused, (std::vector<std::string>{"weights"}));
}

TEST(Foreign, BadInputsAreNamed) {
  const Arithmetic f{"float64"};
  const Inputs in = inputs(f, 3, 4, 1e-5);
  const File good = file(f, in, row_norm(f, in, {}), true);
  const auto refused = [&](const std::function<void(File&)>& edit, const std::string& says,
                           const char* norm = "layernorm") {
    File bad = good;
    edit(bad);
    messages::expect_says(messages::message_of<UsageError>([&] { judge(bad, norm); }), {says});
  };
  refused([](File& b) { b.erase("x"); }, "no array 'x'");
  refused([](File& b) { b.erase("dy"); }, "no 'dy'");
  refused([](File& b) { b["dy"].shape = {4, 3}; }, "'dy' has shape [4, 3], but x has [3, 4]");
  refused([](File& b) { b["gain"].values.pop_back(); }, "'gain'");
  refused([](File& b) { b["x"].values[5] = NAN; }, "'x' contains nan");
  refused([](File& b) { b["eps"].values[0] = -1; }, "'eps' is -1");
  refused(
      [](File& b) {
        for (const char* n : {"y", "dx", "dgain", "dbias"}) b.erase(n);
      },
      "no result to judge");
  refused([](File&) {}, "nearest is layernorm", "layernrm");
}

}  // namespace
}  // namespace normscope::foreign_test
