// gradcheck --foreign names the known mistakes. Each is made here by hand, on the numbers of a right program.
#include <gtest/gtest.h>

#include <set>

#include "foreign/mistakes.h"
#include "foreign_helpers.h"

namespace normscope::foreign_test {
namespace {

using foreign::judge;

/// One row's parts of LayerNorm or RMSNorm in float64.
struct Row {
  List n, dn;
  double r = 0, mean_dn = 0, mean_dn_n = 0;
};

Row row_of(const Inputs& in, std::int64_t row, bool centred) {
  Row out;
  const auto width = static_cast<double>(in.width);
  double mean = 0, square = 0;
  for (std::int64_t i = 0; centred && i < in.width; ++i) mean += in.x[in.at(row, i)] / width;
  for (std::int64_t i = 0; i < in.width; ++i) square += std::pow(in.x[in.at(row, i)] - mean, 2) / width;
  out.r = 1 / std::sqrt(square + in.eps);
  for (std::int64_t i = 0; i < in.width; ++i) {
    out.n.push_back((in.x[in.at(row, i)] - mean) * out.r);
    out.dn.push_back(in.dy[in.at(row, i)] * in.gain[static_cast<std::size_t>(i)]);
    out.mean_dn += out.dn.back() / width;
    out.mean_dn_n += out.dn.back() * out.n.back() / width;
  }
  return out;
}

/// dx of every entry from the row's parts.
void set_dx(const Inputs& in, Outputs& out, bool centred, const std::function<double(const Row&, std::size_t)>& dx) {
  for (std::int64_t row = 0; row < in.rows; ++row) {
    const Row parts = row_of(in, row, centred);
    for (std::int64_t i = 0; i < in.width; ++i) out.dx[in.at(row, i)] = dx(parts, static_cast<std::size_t>(i));
  }
}

/// The sum over rows as gradient of a parameter.
List summed(const Inputs& in, const std::function<double(std::size_t at, std::size_t column)>& f) {
  List sum(in.gain.size(), 0);
  for (std::size_t i = 0; i < in.x.size(); ++i) sum[i % sum.size()] += f(i, i % sum.size());
  return sum;
}

Outputs with(Inputs in, const Form& form, const std::function<void(Inputs&)>& edit) {
  edit(in);
  return row_norm({}, in, form);
}

using Edit = std::function<void(const Inputs&, const Outputs& right, Outputs& out)>;

struct Case {
  const char* mistake;          ///< of mistakes.def
  const char* norm;             ///< what the file is judged as
  std::set<std::string> wrong;  ///< results
  Edit edit;                    ///< makes the mistake
  const char* says = "";        ///< more that the text must hold
};

const Form kLayer{}, kRms{.centred = false};

Edit dx_of(bool centred, const std::function<double(const Row&, std::size_t)>& f) {
  return [=](const Inputs& in, const Outputs&, Outputs& out) { set_dx(in, out, centred, f); };
}
Edit all_of(const Form& form, const std::function<void(Inputs&)>& edit = [](Inputs&) {}) {
  return [=](const Inputs& in, const Outputs&, Outputs& out) { out = with(in, form, edit); };
}

const std::vector<Case>& cases() {
  static const std::vector<Case> all{
      {"gain_twice",
       "layernorm",
       {"y", "dx", "dgain"},
       [](const Inputs& in, const Outputs& right, Outputs& out) {
         out = with(in, kLayer, [](Inputs& i) {
           for (double& g : i.gain) g *= g;
         });
         for (std::size_t i = 0; i < in.gain.size(); ++i) out.dgain[i] = 2 * in.gain[i] * right.dgain[i];
       }},
      {"gain_missing",
       "layernorm",
       {"y", "dx"},
       [](const Inputs& in, const Outputs& right, Outputs& out) {
         out = with(in, kLayer, [](Inputs& i) { std::fill(i.gain.begin(), i.gain.end(), 1.0); });
         out.dgain = right.dgain;
       }},
      {"gain_offset", "rmsnorm", {"y", "dx"}, all_of({.centred = false, .gain_offset = 1}), "1 is added to the gain"},
      {"gain_offset", "rmsnorm:unit_offset=true", {"y", "dx"}, all_of(kRms), "1 is not added to the gain"},
      {"gain_outside_means",
       "layernorm",
       {"dx"},
       [](const Inputs& in, const Outputs&, Outputs& out) {
         for (std::int64_t row = 0; row < in.rows; ++row) {
           const Row p = row_of(in, row, true);
           double mean = 0, along = 0;
           for (std::int64_t i = 0; i < in.width; ++i) {
             mean += in.dy[in.at(row, i)] / static_cast<double>(in.width);
             along += in.dy[in.at(row, i)] * p.n[static_cast<std::size_t>(i)] / static_cast<double>(in.width);
           }
           for (std::size_t i = 0; i < p.n.size(); ++i)
             out.dx[in.at(row, static_cast<std::int64_t>(i))] = p.r * (p.dn[i] - mean - p.n[i] * along);
         }
       }},
      {"bias_missing",
       "layernorm",
       {"y"},
       [](const Inputs& in, const Outputs&, Outputs& out) {
         for (std::size_t i = 0; i < out.y.size(); ++i) out.y[i] -= in.bias[i % in.bias.size()];
       }},
      {"option",
       "layernorm",
       {"y", "dx", "dgain"},
       all_of({.eps_outside = true}),
       "eps is added outside the square root"},
      {"option", "rmsnorm", {"y", "dx", "dgain"}, all_of({.centred = false, .eps_outside = true}), "eps_outside=true"},
      {"option", "layernorm", {"y", "dx", "dgain"}, all_of({.unbiased = true}), "divided by C - 1"},
      {"option", "layernorm:unbiased=true", {"y", "dx", "dgain"}, all_of(kLayer), "unbiased=false"},
      {"eps_missing", "layernorm", {"y", "dx", "dgain"}, all_of(kLayer, [](Inputs& i) { i.eps = 0; })},
      {"eps_squared", "rmsnorm", {"y", "dx", "dgain"}, all_of(kRms, [](Inputs& i) { i.eps *= i.eps; })},
      {"eps_other", "rmsnorm", {"y", "dx", "dgain"}, all_of(kRms, [](Inputs& i) { i.eps = 1e-6; }), "eps = 1e-06"},
      {"eps_other", "layernorm", {"y", "dx", "dgain"}, all_of(kLayer, [](Inputs& i) { i.eps = 1e-12; }), "eps = 1e-12"},
      {"unbiased", "rmsnorm", {"y", "dx", "dgain"}, all_of({.centred = false, .unbiased = true})},
      {"first_mean",
       "layernorm",
       {"dx"},
       dx_of(true, [](const Row& p, std::size_t i) { return p.r * (p.dn[i] - p.n[i] * p.mean_dn_n); })},
      {"second_mean",
       "layernorm",
       {"dx"},
       dx_of(true, [](const Row& p, std::size_t i) { return p.r * (p.dn[i] - p.mean_dn); })},
      {"second_mean", "rmsnorm", {"dx"}, dx_of(false, [](const Row& p, std::size_t i) { return p.r * p.dn[i]; })},
      {"detached", "layernorm", {"dx"}, dx_of(true, [](const Row& p, std::size_t i) { return p.r * p.dn[i]; })},
      {"layernorm_term",
       "rmsnorm",
       {"dx"},
       dx_of(false, [](const Row& p, std::size_t i) { return p.r * (p.dn[i] - p.mean_dn - p.n[i] * p.mean_dn_n); })},
      {"second_mean_sign",
       "rmsnorm",
       {"dx"},
       dx_of(false, [](const Row& p, std::size_t i) { return p.r * (p.dn[i] + p.n[i] * p.mean_dn_n); })},
      {"sums_for_means",
       "layernorm",
       {"dx"},
       dx_of(true,
             [](const Row& p, std::size_t i) {
               const auto width = static_cast<double>(p.n.size());
               return p.r * (p.dn[i] - width * p.mean_dn - width * p.n[i] * p.mean_dn_n);
             })},
      {"x_for_n",
       "rmsnorm",
       {"dx"},
       dx_of(false, [](const Row& p, std::size_t i) { return p.r * (p.dn[i] - p.n[i] / p.r * p.mean_dn_n); })},
      {"no_scale",
       "layernorm",
       {"dx"},
       dx_of(true, [](const Row& p, std::size_t i) { return p.dn[i] - p.mean_dn - p.n[i] * p.mean_dn_n; })},
      {"scale_twice",
       "layernorm",
       {"dx"},
       dx_of(true,
             [](const Row& p, std::size_t i) { return p.r * p.r * (p.dn[i] - p.mean_dn - p.n[i] * p.mean_dn_n); })},
      {"adds_dy",
       "layernorm",
       {"dx"},
       [](const Inputs& in, const Outputs&, Outputs& out) {
         for (std::size_t i = 0; i < out.dx.size(); ++i) out.dx[i] += in.dy[i];
       }},
      {"negative",
       "layernorm",
       {"dx"},
       [](const Inputs&, const Outputs&, Outputs& out) {
         for (double& v : out.dx) v = -v;
       }},
      {"one_row",
       "layernorm",
       {"dgain", "dbias"},
       [](const Inputs& in, const Outputs&, Outputs& out) {
         const Row p = row_of(in, in.rows - 1, true);
         for (std::size_t i = 0; i < p.n.size(); ++i) {
           out.dbias[i] = in.dy[in.at(in.rows - 1, static_cast<std::int64_t>(i))];
           out.dgain[i] = out.dbias[i] * p.n[i];
         }
       },
       "the last row"},
      {"averaged",
       "layernorm",
       {"dgain", "dbias"},
       [](const Inputs& in, const Outputs&, Outputs& out) {
         for (List* list : {&out.dgain, &out.dbias})
           for (double& v : *list) v /= static_cast<double>(in.rows);
       }},
      {"dgain_of_x",
       "layernorm",
       {"dgain"},
       [](const Inputs& in, const Outputs&, Outputs& out) {
         out.dgain = summed(in, [&](std::size_t at, std::size_t) { return in.dy[at] * in.x[at]; });
       }},
      {"dgain_of_centred",
       "layernorm",
       {"dgain"},
       [](const Inputs& in, const Outputs&, Outputs& out) {
         out.dgain = summed(in, [&](std::size_t at, std::size_t column) {
           const Row p = row_of(in, static_cast<std::int64_t>(at) / in.width, true);
           return in.dy[at] * p.n[column] / p.r;
         });
       }},
      {"dgain_of_y",
       "layernorm",
       {"dgain"},
       [](const Inputs& in, const Outputs& right, Outputs& out) {
         out.dgain = summed(in, [&](std::size_t at, std::size_t) { return in.dy[at] * right.y[at]; });
       }},
      {"gain_in_dgain",
       "layernorm",
       {"dgain"},
       [](const Inputs& in, const Outputs& right, Outputs& out) {
         for (std::size_t i = 0; i < in.gain.size(); ++i) out.dgain[i] = right.dgain[i] * in.gain[i];
       }},
      {"dgain_is_dbias",
       "layernorm",
       {"dgain"},
       [](const Inputs&, const Outputs& right, Outputs& out) { out.dgain = right.dbias; }},
      {"dbias_is_dgain",
       "layernorm",
       {"dbias"},
       [](const Inputs&, const Outputs& right, Outputs& out) { out.dbias = right.dgain; }},
      {"dbias_has_gain",
       "layernorm",
       {"dbias"},
       [](const Inputs& in, const Outputs& right, Outputs& out) {
         for (std::size_t i = 0; i < in.gain.size(); ++i) out.dbias[i] = right.dbias[i] * in.gain[i];
       }},
      {"wrong_axis",
       "rmsnorm",
       {"y", "dx", "dgain"},
       [](const Inputs& in, const Outputs&, Outputs& out) {
         out.dgain.assign(in.gain.size(), 0);
         const auto rows = static_cast<double>(in.rows);
         for (std::int64_t i = 0; i < in.width; ++i) {
           const auto column = static_cast<std::size_t>(i);
           double square = 0, along = 0;
           for (std::int64_t row = 0; row < in.rows; ++row) square += std::pow(in.x[in.at(row, i)], 2) / rows;
           const double r = 1 / std::sqrt(square + in.eps), gain = in.gain[column];
           for (std::int64_t row = 0; row < in.rows; ++row)
             along += in.dy[in.at(row, i)] * gain * in.x[in.at(row, i)] * r / rows;
           for (std::int64_t row = 0; row < in.rows; ++row) {
             const std::size_t at = in.at(row, i);
             out.y[at] = gain * r * in.x[at];
             out.dx[at] = r * (in.dy[at] * gain - r * in.x[at] * along);
             out.dgain[column] += in.dy[at] * r * in.x[at];
           }
         }
       }},
      {"all_axes",
       "rmsnorm",
       {"y"},
       [](const Inputs& in, const Outputs&, Outputs& out) {
         double square = 0;
         for (const double v : in.x) square += v * v / static_cast<double>(in.x.size());
         for (std::size_t i = 0; i < in.x.size(); ++i)
           out.y[i] = in.gain[i % in.gain.size()] * in.x[i] / std::sqrt(square + in.eps);
       }},
      {"other_norm",
       "layernorm",
       {"y", "dx", "dgain"},
       [](const Inputs& in, const Outputs&, Outputs& out) {
         const List dbias = out.dbias;
         out = row_norm({}, in, kRms);
         for (std::size_t i = 0; i < out.y.size(); ++i) out.y[i] += in.bias[i % in.bias.size()];
         out.dbias = dbias;
       },
       "the results of rmsnorm"},
  };
  return all;
}

const foreign::Mistake& mistake_named(const std::string& name) {
  for (const foreign::Mistake& m : foreign::mistake_table())
    if (m.name == name) return m;
  throw std::runtime_error(name);
}

void check(const Case& c, const std::string& dtype) {
  const Arithmetic f{dtype};
  const Inputs in = inputs(f, 12, 24, c.mistake == std::string("option") ? 1e-3 : 1e-5, 0.5, 0.05, 7);
  const bool centred = std::string(c.norm).starts_with("layernorm");
  const Outputs right = row_norm({}, in,
                                 {.centred = centred,
                                  .unbiased = std::string(c.norm).ends_with("unbiased=true"),
                                  .gain_offset = std::string(c.norm).ends_with("unit_offset=true") ? 1.0 : 0.0});
  Outputs out = right;
  c.edit(in, right, out);
  for (List* list : {&out.y, &out.dx, &out.dgain, &out.dbias})
    for (double& v : *list) v = f(v);
  const auto judged = judge(file(f, in, out, centred), c.norm);
  const std::string at = std::string(c.mistake) + " in " + dtype + ": " + text_of(judged);
  std::set<std::string> wrong;
  for (const auto& r : judged.results)
    if (!r.right) wrong.insert(r.name);
  EXPECT_EQ(wrong, c.wrong) << at;
  EXPECT_TRUE(judged.unexplained.empty()) << at;
  // eps = 0, eps^2 and 1e-12 are one and the same to float32: all of them are named.
  const auto named = std::find_if(judged.explanations.begin(), judged.explanations.end(), [&](const auto& e) {
    const bool what = *c.says ? e.what.find(c.says) != std::string::npos : e.what == mistake_named(c.mistake).what;
    return what && e.correct == mistake_named(c.mistake).correct &&
           std::set<std::string>(e.results.begin(), e.results.end()) == c.wrong;
  });
  ASSERT_NE(named, judged.explanations.end()) << at;
  const bool one_to_float32 = dtype == "float32" && std::string(c.mistake).starts_with("eps");
  if (!one_to_float32) {
    EXPECT_EQ(judged.explanations.size(), 1u) << at;
  }
}

TEST(ForeignMistakes, EachIsNamedInFloat64AndFloat32) {
  for (const Case& c : cases())
    for (const char* dtype : {"float64", "float32"}) check(c, dtype);
}

TEST(ForeignMistakes, AMissingGainInDxAndInYAreNamed) {
  const Inputs in = inputs({}, 12, 24, 1e-5, 0.5, 1, 7);
  Inputs plain = in;
  std::fill(plain.gain.begin(), plain.gain.end(), 1.0);
  for (const bool in_dx : {true, false}) {
    Outputs out = row_norm({}, in, {});
    (in_dx ? out.dx : out.y) = in_dx ? row_norm({}, plain, {}).dx : row_norm({}, plain, {}).y;
    const auto judged = judge(file({}, in, out, true), "layernorm");
    ASSERT_EQ(judged.explanations.size(), 1u) << text_of(judged);
    EXPECT_EQ(judged.explanations[0].what, "the gain is missing");
    EXPECT_EQ(judged.explanations[0].results, (std::vector<std::string>{in_dx ? "dx" : "y"}));
  }
}

TEST(ForeignMistakes, AGradientThatIsNotSummedOverRowsIsNamed) {
  const Inputs in = inputs({}, 12, 24, 1e-5);
  File all = file({}, in, row_norm({}, in, {}), true);
  all["dbias"] = all["dy"];
  const auto judged = judge(all, "layernorm");
  ASSERT_EQ(judged.explanations.size(), 1u) << text_of(judged);
  EXPECT_EQ(judged.explanations[0].what, "the gradient is not summed over rows");
  EXPECT_NE(judged.results[3].problem.find("[12, 24]"), std::string::npos);
}

TEST(ForeignMistakes, TwoMistakesAreBothNamed) {
  const Inputs in = inputs({}, 12, 24, 1e-5);
  Outputs out = row_norm({}, in, {});
  set_dx(in, out, true, [](const Row& p, std::size_t i) { return p.r * (p.dn[i] - p.mean_dn); });
  out.dbias = out.dgain;
  const auto judged = judge(file({}, in, out, true), "layernorm");
  ASSERT_EQ(judged.explanations.size(), 2u) << text_of(judged);
}

/// Every line of mistakes.def has a case here.
TEST(ForeignMistakes, NoneIsWithoutATest) {
  std::set<std::string> tested{"not_summed"};
  for (const Case& c : cases()) tested.insert(c.mistake);
  for (const foreign::Mistake& m : foreign::mistake_table()) EXPECT_TRUE(tested.contains(m.name)) << m.name;
}

TEST(ForeignMistakes, AreNotSeenInRightResults) {
  const Inputs in = inputs({"float32"}, 12, 24, 1e-5);
  const auto judged = judge(file({"float32"}, in, row_norm({"float32"}, in, {}), true), "layernorm");
  EXPECT_TRUE(judged.right());
  EXPECT_TRUE(judged.explanations.empty());
}

}  // namespace
}  // namespace normscope::foreign_test
