// Norms of queries, keys and values, soft caps, and what stands around the embedding.
#include "model_helpers.h"
#include "nn/head_norms.h"

namespace normscope::real_test {
namespace {

struct Case {
  std::int64_t heads, kv_heads, width;  ///< width of a head
  std::string qk_norm, v_norm;
};

/// The norms of a case, their gains and biases moved away from 1 and 0.
struct Made {
  Parameters parameters;
  std::unique_ptr<HeadNorms> norms;

  explicit Made(const Case& c, Engine& where = engine(), std::int64_t context = 6) : parameters(where, 1) {
    AttentionSpec spec{.width = c.heads * c.width, .heads = c.heads, .kv_heads = c.kv_heads};
    if (!c.qk_norm.empty()) spec.qk_norm = parse_head_norm(c.qk_norm, {});
    if (!c.v_norm.empty()) spec.v_norm = parse_head_norm(c.v_norm, {});
    spec.context = context;
    norms = HeadNorms::make({parameters, "attn", 0, "attention"}, spec);
    for (const Parameter& p : parameters.all()) {
      const Tensor shift = random_tensor(p.shape, p.path, 0.3, 0, where);
      for (std::int64_t i = 0; i < p.numel(); ++i) p.value()[i] += shift.data()[i];
    }
  }
  std::vector<Variable> leaves() const {
    std::vector<Variable> all;
    for (const Parameter& p : parameters.all()) all.push_back(p.leaf);
    return all;
  }
  Variable leaf(const std::string& path) const {
    for (const Parameter& p : parameters.all())
      if (p.path == path) return p.leaf;
    return {};
  }
};

/// RMSNorm or LayerNorm of the columns [begin, begin + rows width) of x, spelled out.
Variable twin(const Variable& x, std::int64_t begin, std::int64_t rows, std::int64_t width, const std::string& norm,
              const Made& made, const std::string& name) {
  const Shape &s = x.shape(), flat{s[0], s[1], rows * width};
  const Variable part = slice(x, 2, begin, begin + rows * width);
  if (norm.empty()) return part;
  Variable n = reshape(part, {s[0], s[1], rows, width});
  if (norm.starts_with("layernorm")) n = subtract(n, mean_last(n));
  n = divide(n, sqrt(add_scalar(mean_last(square(n)), 1e-5)));
  n = multiply(n, made.leaf("attn." + name + ".gain"));
  if (norm.starts_with("layernorm")) n = add(n, made.leaf("attn." + name + ".bias"));
  return reshape(n, flat);
}

void expect_twin(const Case& c, std::int64_t batch, std::int64_t time) {
  const Made made(c);
  const std::int64_t H = c.heads, G = c.kv_heads, D = c.width;
  const Variable qkv = random_leaf({batch, time, (H + 2 * G) * D}, "qkv", 2, 0.5);
  std::vector<Variable> leaves = made.leaves();
  leaves.push_back(qkv);
  const Tensor seed = random_tensor(qkv.shape(), "seed");
  const Result got = run_with_gradients(leaves, [&] { return (*made.norms)(qkv, {}); }, seed);
  const auto part = [&](std::int64_t begin, std::int64_t heads, const std::string& norm, const char* name) {
    const bool whole = norm.ends_with("whole=true");
    return twin(qkv, begin, whole ? 1 : heads, whole ? heads * D : D, norm, made, name);
  };
  const Result want = run_with_gradients(
      leaves,
      [&] {
        return concat({part(0, H, c.qk_norm, "q_norm"), part(H * D, G, c.qk_norm, "k_norm"),
                       part((H + G) * D, G, c.v_norm, "v_norm")},
                      2);
      },
      seed);
  const std::string what = c.qk_norm + "/" + c.v_norm + " heads " + std::to_string(H) + "/" + std::to_string(G) +
                           " width " + std::to_string(D) + " tokens " + std::to_string(batch * time);
  EXPECT_LE(error_of(numbers(got.value), numbers(want.value)), tolerance(2e-6, 1e-14)) << what;
  ASSERT_EQ(got.gradients.size(), want.gradients.size());
  for (std::size_t i = 0; i < got.gradients.size(); ++i)
    EXPECT_LE(error_of(numbers(got.gradients[i]), numbers(want.gradients[i])), tolerance(1e-5, 1e-13)) << what << i;
}

TEST(HeadNorms, OfPackedRowsAreTheirFormulaPartByPart) {
  for (const char* qk : {"", "rmsnorm", "rmsnorm:whole=true", "layernorm", "layernorm:whole=true"})
    for (const char* v : {"", "rmsnorm", "layernorm:whole=true"})
      for (const Case& c : {Case{4, 4, 4, qk, v}, Case{6, 2, 16, qk, v}, Case{3, 1, 64, qk, v}, Case{1, 1, 5, qk, v}})
        for (const std::int64_t time : {1, 2, 45})
          if (*qk || *v) expect_twin(c, 3, time);
  expect_twin({2, 1, 8, "rmsnorm", ""}, 1, 1);
}

TEST(HeadNorms, WithoutAKernelAreTheSame) {  // an option that RMSNorm's kernel has, and a norm that has none
  const Case plain{2, 1, 8, "rmsnorm", "rmsnorm"}, formula{2, 1, 8, "formula: gain * x / sqrt(mean(x^2) + eps + 0)",
                                                           "formula: gain * x / sqrt(mean(x^2) + eps + 0)"};
  const Made a(plain), b(formula);
  const Variable qkv = random_leaf({2, 5, 32}, "qkv");
  EXPECT_LE(error_of(numbers((*b.norms)(qkv, {})), numbers((*a.norms)(qkv, {}))), tolerance(2e-6, 1e-14));
}

TEST(HeadNorms, ClosedForm) {
  Made made({1, 1, 2, "rmsnorm:eps=0", ""});
  for (const Parameter& p : made.parameters.all())
    for (std::int64_t i = 0; i < 2; ++i)
      p.value()[i] = as_real(p.path == "attn.q_norm.gain" ? 1.0 + static_cast<double>(i) : 10);
  const Variable y = (*made.norms)(leaf({1, 1, 6}, {3, 4, 0, -2, 7, 8}), {});
  const double rms = std::sqrt(12.5);
  expect_close(numbers(y), {3 / rms, 8 / rms, 0, -10 * std::sqrt(2), 7, 8}, tolerance(2e-6, 1e-14));
}

TEST(HeadNorms, L2GivesUnitLengthsAndOneTrainedScale) {
  Made made({1, 1, 2, "l2", "l2"});
  ASSERT_EQ(made.parameters.all().size(), 1u);
  EXPECT_EQ(made.parameters.all()[0].path, "attn.scale");
  const Variable g = made.leaf("attn.scale");
  g.value().data()[0] = 3;
  const Variable x = leaf({1, 1, 6}, {3, 4, 0, -2, 5, 12});
  // Attention divides by sqrt(D): the scale takes the place of that.
  const double root = std::sqrt(2);
  const Result r =
      run_with_gradients({g}, [&] { return (*made.norms)(x, {}); }, tensor({1, 1, 6}, {1, 10, 0, 0, 0, 0}));
  expect_close(numbers(r.value), {1.8 * root, 2.4 * root, 0, -1, 5.0 / 13, 12.0 / 13}, tolerance(2e-6, 1e-14));
  expect_close(numbers(r.gradients[0]), {(0.6 + 8) * root}, tolerance(1e-5, 1e-13));

  const Transformer model(engine(), small({{"qk_norm", "l2"}}), 1);
  const double start = std::log2(12.0 * 12 - 12);
  for (const char* path : {"blocks.0.attn.scale", "blocks.2.attn.scale"})
    EXPECT_NEAR(static_cast<double>(model.parameters().at(path).value()[0]), start, 1e-6);
  EXPECT_EQ(model.parameters().at("blocks.0.attn.scale").role, "scalar");
  expect_says(message_of<UsageError>([] { Made({1, 1, 2, "l2", ""}, engine(), 1); }), {"block_size", "2 or more"});
}

TEST(HeadNorms, AreBitwiseTheSameOnAnyNumberOfThreads) {
  std::vector<std::vector<double>> all;
  for (const int threads : {1, 2, 3}) {
    Engine own({threads});
    const Made made({4, 2, 16, "rmsnorm", "layernorm"}, own);
    std::vector<Variable> leaves = made.leaves();
    leaves.push_back(Variable::leaf(random_tensor({3, 50, 128}, "qkv", 1, 0, own), "qkv"));
    const Result r = run_with_gradients(
        leaves, [&] { return (*made.norms)(leaves.back(), {}); }, random_tensor({3, 50, 128}, "seed", 1, 0, own));
    std::vector<double> found = numbers(r.value);
    for (const Tensor& g : r.gradients)
      for (const double v : numbers(g)) found.push_back(v);
    all.push_back(found);
  }
  EXPECT_EQ(all[0], all[1]);
  EXPECT_EQ(all[0], all[2]);
}

TEST(HeadNorms, KeepAGradientThatOthersHoldToo) {  // the backward pass works in place only on a gradient of its own
  const Made made({1, 1, 4, "rmsnorm", ""});
  const Variable qkv = random_leaf({1, 3, 12}, "qkv");
  const Tensor seed = random_tensor({1, 3, 12}, "seed"), kept = seed.clone();
  Tape tape;
  const Tape::Recording recording(tape);
  tape.backward((*made.norms)(qkv, {}), seed);
  EXPECT_TRUE(same_bits(seed, kept));
}

TEST(HeadNorms, HaveTheContractsNamesAndShapes) {
  const auto shape = [](const std::string& norm, const std::string& path) {
    const Transformer model(engine(), small({{"n_kv_head", "2"}, {"qk_norm", norm}, {"v_norm", norm}}), 1);
    return model.parameters().at(path).shape;
  };
  for (const char* name : {"q_norm", "k_norm", "v_norm"}) {
    const std::string path = std::string("blocks.1.attn.") + name + ".gain";
    EXPECT_EQ(shape("rmsnorm", path), (Shape{4})) << name;
    EXPECT_EQ(shape("rmsnorm:whole=true", path), (Shape{name[0] == 'q' ? 16 : 8})) << name;
  }
  EXPECT_EQ(shape("layernorm", "blocks.0.attn.k_norm.bias"), (Shape{4}));
  expect_says(message_of([&] { shape("layernorm:bias=false", "blocks.0.attn.k_norm.bias"); }), {"unknown parameter"});
}

TEST(HeadNorms, EveryParameterOfEveryKeyReceivesAGradient) {
  for (const char* arch : {"gpt", "llama"})
    for (const std::map<std::string, std::string>& keys :
         {std::map<std::string, std::string>{
              {"qk_norm", "rmsnorm"}, {"v_norm", "layernorm"}, {"embed_norm", "rmsnorm"}},
          {{"qk_norm", "layernorm:whole=true"}, {"embed_scale", "learnable"}, {"attn_softcap", "2"}},
          {{"qk_norm", "l2"}, {"v_norm", "l2"}, {"logit_softcap", "2"}, {"activation", "geglu"}}}) {
      std::map<std::string, std::string> all = keys;
      all["arch"] = arch;
      const Transformer model(engine(), small(all), 5);
      backward(model, {});
      for (const Parameter& p : model.parameters().all()) {
        ASSERT_NE(p.grad(), nullptr) << p.path;
        if (p.path.ends_with("k_norm.bias") && all["arch"] == "gpt") continue;  // zero by identity
        EXPECT_GT(largest(row_of(p.grad(), p.numel())), 0) << arch << " " << p.path;
      }
    }
}

TEST(SoftCap, OfAttentionIsItsTwin) {
  for (const std::int64_t time : {1, 5, 17, 64, 70, 130})
    for (const double cap : {0.5, 3.0}) {
      const Variable qkv = random_leaf({2, time, 8 * 8}, "qkv", 1.2);
      AttentionOptions options{4, 2};
      const Tensor seed = random_tensor({2, time, 32}, "seed");
      const Variable off = causal_attention(qkv, options);
      options.softcap = cap;
      const Result fused = run_with_gradients({qkv}, [&] { return causal_attention(qkv, options); }, seed);
      const Result plain = run_with_gradients({qkv}, [&] { return causal_attention_reference(qkv, options); }, seed);
      EXPECT_LE(error_of(numbers(fused.value), numbers(plain.value)), tolerance(3e-6, 1e-14)) << time << " " << cap;
      EXPECT_LE(error_of(numbers(fused.gradients[0]), numbers(plain.gradients[0])), tolerance(1e-5, 3e-14))
          << time << " " << cap;
      if (time > 1) {
        EXPECT_GT(error_of(numbers(off), numbers(fused.value)), 1e-2);
      }
    }
}

TEST(SoftCap, OfAttentionClosedForm) {
  // D = 1, two tokens: the second's scores are 2 and 6, capped to 3 tanh(2/3) and 3 tanh(2).
  AttentionOptions options{1, 1};
  options.softcap = 3;
  const std::vector<double> y = numbers(causal_attention(leaf({1, 2, 3}, {5, 1, 10, 2, 3, 20}), options));
  const double a = 3 * std::tanh(2.0 / 3), b = 3 * std::tanh(2.0), p = 1 / (1 + std::exp(b - a));
  expect_close(y, {10, 10 * p + 20 * (1 - p)}, tolerance(1e-5, 1e-13));
  const Result r = run_with_gradients({}, [&] { return softcap(leaf({3}, {-8, 0.5, 2}), 4); }, tensor({3}, {1, 1, 1}));
  expect_close(numbers(r.value), {4 * std::tanh(-2.0), 4 * std::tanh(0.125), 4 * std::tanh(0.5)},
               tolerance(1e-6, 1e-14));
  expect_says(message_of([] { softcap(leaf({1}, {1}), 0); }), {"[softcap]", "not above 0"});
}

struct Kept final : Observer {
  void value(const std::string& name, const Variable& x) override { values[name] = numbers(x); }
  std::map<std::string, std::vector<double>> values;
};

/// residual.0 and the logits of a small model on fixed tokens.
std::pair<std::vector<double>, std::vector<double>> seen(std::map<std::string, std::string> keys) {
  keys.insert({"arch", "gpt"});
  keys.insert({"init_gain", "20"});
  const Transformer model(engine(), small(keys), 3);
  Kept kept;
  Pass pass;
  pass.observer = &kept;
  const Variable logits = model.logits(random_tokens(engine(), 2, 12, 11, 4), pass);
  return {kept.values.at("residual.0"), numbers(logits)};
}

TEST(SoftCap, OfLogitsIsCapTanh) {
  std::vector<double> want = seen({}).second;
  for (double& z : want) z = 2.5 * std::tanh(z / 2.5);
  EXPECT_LE(error_of(seen({{"logit_softcap", "2.5"}}).second, want), tolerance(1e-6, 1e-14));
}

TEST(Embedding, IsNormalizedThenScaled) {
  const std::vector<double> plain = seen({}).first;
  const auto times = [&](double factor) {
    std::vector<double> all = plain;
    for (double& x : all) x *= factor;
    return all;
  };
  EXPECT_LE(error_of(seen({{"embed_scale", "2.5"}}).first, times(2.5)), tolerance(1e-6, 1e-14));
  EXPECT_LE(error_of(seen({{"embed_scale", "sqrt"}}).first, times(4)), tolerance(1e-6, 1e-14));
  EXPECT_LE(error_of(seen({{"embed_scale", "learnable"}}).first, times(4)), tolerance(1e-6, 1e-14));
  std::vector<double> normal = plain;
  for (std::size_t row = 0; row < normal.size(); row += 16) {
    double squares = 0;
    for (std::size_t i = row; i < row + 16; ++i) squares += normal[i] * normal[i];
    for (std::size_t i = row; i < row + 16; ++i) normal[i] *= 3 / std::sqrt(squares / 16 + 1e-5);
  }
  EXPECT_LE(error_of(seen({{"embed_norm", "rmsnorm"}, {"embed_scale", "3"}}).first, normal), tolerance(2e-6, 1e-14));

  const Names names = names_of(small({{"embed_norm", "layernorm"}, {"embed_scale", "learnable"}}));
  for (const char* name : {"embed_norm.gain", "embed_norm.bias", "embed_scale"})
    EXPECT_NE(std::find(names.begin(), names.end(), name), names.end()) << name;
}

TEST(Mlp, GatedGelusAreGateTimesUp) {
  Parameters parameters(engine(), 1);
  const double x = 0.8, gate = 1.5, up = -2, proj = 3, u = gate * x;
  const auto mlp = [&](const std::string& activation) {
    const Mlp layer({parameters, activation, 0, "mlp"}, {.width = 1, .inner = 1, .activation = activation},
                    [](const std::string&, std::int64_t, std::int64_t) { return Init::constant(0); });
    const auto set = [&](const char* name, double value) {
      parameters.at(activation + "." + name + ".weight").value()[0] = as_real(value);
    };
    set("gate", gate);
    set("up", up);
    set("proj", proj);
    return numbers(layer(leaf({1, 1}, {x}), {}, {}))[0];
  };
  const double exact = u / 2 * (1 + std::erf(u / std::sqrt(2)));
  EXPECT_NEAR(mlp("geglu"), exact * up * x * proj, tolerance(1e-5, 1e-13));
  const double tanh_form = u / 2 * (1 + std::tanh(std::sqrt(2 / M_PI) * (u + 0.044715 * u * u * u)));
  EXPECT_NEAR(mlp("geglu_tanh"), tanh_form * up * x * proj, tolerance(1e-5, 1e-13));
  EXPECT_TRUE(is_gated("geglu"));
  EXPECT_FALSE(is_gated("gelu"));
  EXPECT_NE(message_of<UsageError>([] { is_gated("glu"); }).find("activation = \"glu\" is unknown"), std::string::npos);
}

}  // namespace
}  // namespace normscope::real_test
