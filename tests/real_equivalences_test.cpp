// Identities between norms and models that docs/equivalences.md explains; each section there names its test.
#include <algorithm>
#include <numeric>

#include "model_helpers.h"

namespace normscope::real_test {
namespace {

const double kClose = tolerance(5e-6, 1e-12);

Tensor logits_of(const Transformer& model) {
  const NoGrad guard;
  const ModelOptions& o = model.options();
  return model.logits({random_tokens(engine(), 2, o.block_size, o.vocab_size, 1), {}, {}}, {}).value();
}

/// W [rows, columns] -= the mean over its rows (over its columns where `rows` is false).
void centre(const Parameter& p, bool over_rows) {
  const std::int64_t rows = p.shape.rank() == 1 ? p.numel() : p.shape[0], columns = p.numel() / rows;
  const std::int64_t count = over_rows ? columns : rows, length = over_rows ? rows : columns;
  const std::int64_t stride = over_rows ? columns : 1, next = over_rows ? 1 : columns;
  for (std::int64_t i = 0; i < count; ++i) {
    double mean = 0;
    for (std::int64_t k = 0; k < length; ++k) mean += static_cast<double>(p.value()[i * next + k * stride]);
    mean /= static_cast<double>(length);
    for (std::int64_t k = 0; k < length; ++k) p.value()[i * next + k * stride] -= as_real(mean);
  }
}

bool ends_with(const std::string& text, const std::string& end) {
  return text.size() >= end.size() && text.compare(text.size() - end.size(), end.size(), end) == 0;
}

TEST(Equivalences, PreLayerNormWithCentredWritesIsPreRmsNorm) {
  const auto options = [](const char* norm) {
    return small({{"norm", norm}, {"init_gain", "10"}, {"bias", "true"}, {"tie_weights", "false"}});
  };
  const Transformer layernorm(engine(), options("layernorm:bias=false"), 3), rmsnorm(engine(), options("rmsnorm"), 3);
  EXPECT_GT(error_of(numbers(logits_of(layernorm)), numbers(logits_of(rmsnorm)), 1), 1e-2);  // not yet
  for (const Transformer* model : {&layernorm, &rmsnorm})
    for (const Parameter& p : model->parameters().all()) {
      if (p.path.rfind("embed.", 0) == 0) centre(p, false);  // each token's vector
      if (ends_with(p.path, "proj.weight") || ends_with(p.path, "proj.bias")) centre(p, true);
    }
  expect_close(numbers(logits_of(layernorm)), numbers(logits_of(rmsnorm)), 10 * kClose);
}

TEST(Equivalences, AGainFoldsIntoTheNextWeights) {
  const Transformer model(
      engine(), small({{"arch", "llama"}, {"norm", "rmsnorm"}, {"init_gain", "10"}, {"tie_weights", "false"}}), 3);
  const auto at = [&](const std::string& path) -> const Parameter& { return model.parameters().at(path); };
  std::vector<std::pair<std::string, std::vector<std::string>>> readers{{"final_norm", {"head.weight"}}};
  for (int i = 0; i < 3; ++i) {
    const std::string block = "blocks." + std::to_string(i) + ".";
    readers.push_back(
        {block + "attn_norm", {block + "attn.q.weight", block + "attn.k.weight", block + "attn.v.weight"}});
    readers.push_back({block + "mlp_norm", {block + "mlp.gate.weight", block + "mlp.up.weight"}});
  }
  for (const auto& [norm, weights] : readers) {
    const Parameter& gain = at(norm + ".gain");
    const Random random(4, Purpose::perturb, stream_of(norm));
    for (std::int64_t c = 0; c < gain.numel(); ++c)
      gain.value()[c] = as_real(1 + 0.3 * random.normal(static_cast<std::uint64_t>(c)));
  }
  const Tensor before = logits_of(model);
  for (const auto& [norm, weights] : readers) {
    const Parameter& gain = at(norm + ".gain");
    for (const std::string& path : weights)
      for (std::int64_t i = 0; i < at(path).numel(); ++i) at(path).value()[i] *= gain.value()[i % gain.numel()];
    std::fill_n(gain.value(), gain.numel(), real{1});
  }
  expect_close(numbers(logits_of(model)), numbers(before), 10 * kClose);
}

struct Layer {
  Parameters parameters{engine(), 1};
  std::unique_ptr<Norm> norm;
  Layer(const std::string& text, std::int64_t width, double eps) {
    NormSpec defaults;
    defaults.eps = eps;
    norm = make_norm({parameters, "", -1, "norm"}, parse_norm(text, defaults), width);
  }
};

TEST(Equivalences, LayerNormIgnoresAShiftOfTheWeights) {
  const Layer layernorm("layernorm", 24, 1e-5), rmsnorm("rmsnorm", 24, 1e-5);
  const Variable x = random_leaf({7, 10}, "x"), w = random_leaf({24, 10}, "w"), v = random_leaf({1, 10}, "v");
  const Variable shifted = add(w, v);  // every row of W gets the same vector
  const auto of = [&](const Layer& layer, const Variable& weight) {
    return numbers(layer.norm->forward(linear(x, weight)));
  };
  expect_close(of(layernorm, shifted), of(layernorm, w), 10 * kClose);
  EXPECT_GT(error_of(of(rmsnorm, shifted), of(rmsnorm, w), 1), 0.1);
}

TEST(Equivalences, NormsIgnoreTheScaleOfTheWeightsSoTheirGradientIsOrthogonal) {
  for (const char* name : {"layernorm", "rmsnorm", "prmsnorm:p=0.5", "crmsnorm", "scalenorm", "l2norm", "l1norm"}) {
    const Layer layer(name, 24, 0);
    const Variable x = random_leaf({7, 10}, "x"), w = random_leaf({24, 10}, "w");
    const Tensor dy = random_tensor({7, 24}, "dy");
    const auto y = [&](const Variable& weight) { return layer.norm->forward(linear(x, weight)); };
    expect_close(numbers(y(scale(w, 3))), numbers(y(w)), kClose);
    const auto gradient = [&](double factor) {
      const Variable scaled = Variable::leaf(scale(w, factor).value(), "w");
      return numbers(run_with_gradients({scaled}, [&] { return y(scaled); }, dy).gradients[0]);
    };
    const std::vector<double> dw = gradient(1), dw3 = gradient(3), ws = numbers(w);
    const double size = std::sqrt(std::inner_product(dw.begin(), dw.end(), dw.begin(), 0.0) *
                                  std::inner_product(ws.begin(), ws.end(), ws.begin(), 0.0));
    EXPECT_LE(std::abs(std::inner_product(dw.begin(), dw.end(), ws.begin(), 0.0)), kClose * size) << name;
    for (std::size_t i = 0; i < dw.size(); ++i) EXPECT_NEAR(3 * dw3[i], dw[i], 10 * kClose * largest(dw)) << name;
  }
}

/// Outputs and input gradients of two norms.
void expect_same(const Layer& a, const Layer& b, std::int64_t width, double limit = kClose) {
  const Variable x = random_leaf({9, width}, "x", 2, 0.5);
  const Tensor dy = random_tensor({9, width}, "dy");
  const Result p = run_with_gradients(
                   {x}, [&] { return a.norm->forward(x); }, dy),
               q = run_with_gradients({x}, [&] { return b.norm->forward(x); }, dy);
  expect_close(numbers(p.value), numbers(q.value), limit);
  expect_close(numbers(p.gradients[0]), numbers(q.gradients[0]), limit);
}

TEST(Equivalences, PartialRmsNormOfAllEntriesIsRmsNorm) {
  expect_same(Layer("prmsnorm:p=1", 33, 1e-5), Layer("rmsnorm", 33, 1e-5), 33);
}

TEST(Equivalences, ScaleNormIsRmsNormWithOneGain) {
  const Layer scalenorm("scalenorm", 33, 0), rmsnorm("rmsnorm", 33, 0);
  for (const double g : {1.0, 2.5}) {
    *scalenorm.parameters.at("g").value() = as_real(g * std::sqrt(33.0));
    std::fill_n(rmsnorm.parameters.at("gain").value(), 33, as_real(g));
    expect_same(scalenorm, rmsnorm, 33);
  }
}

TEST(Equivalences, RmsNormOfACentredRowIsLayerNorm) {
  const Layer both("formula: y = (x - mean(x)) / sqrt(mean((x - mean(x))^2) + eps)", 33, 1e-5);
  expect_same(both, Layer("layernorm", 33, 1e-5), 33);
}

TEST(Equivalences, SeeDNormBeginsAsRmsNorm) {
  expect_same(Layer("seednorm", 33, 1e-5), Layer("rmsnorm", 33, 1e-5), 33);
}

TEST(Equivalences, CrmsNormIsLayerNormOfOneEntryLess) {
  // x and the entry -sum(x) are a centred row; CRMSNorm sees all but that entry.
  const Layer crmsnorm("crmsnorm", 8, 1e-5), layernorm("layernorm", 9, 1e-5);
  const Variable x = random_leaf({5, 8}, "x");
  const Variable whole = concat({x, scale(sum_last(x), -1)}, 1);
  expect_close(numbers(crmsnorm.norm->forward(x)), numbers(slice(layernorm.norm->forward(whole), 1, 0, 8)), kClose);
}

}  // namespace
}  // namespace normscope::real_test
