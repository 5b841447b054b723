// The list of what is checked: every op at its input range, every norm, placement and architecture. float64 only.
#include <normscope/core/precision.h>

#include <fnmatch.h>

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "jobs/entries.h"
#include <normscope/autograd/gradcheck.h>
#include <normscope/models/model.h>
#include <normscope/nn/placement.h>
#include <normscope/norms/norm.h>

#include "jobs/gradcheck_ops.h"

NORMSCOPE_BEGIN

namespace {

constexpr double kTolerance = 1e-6;

/// Counts what there is to check, then checks it and appends one row for each leaf.
class Checker {
 public:
  Checker(std::string filter, std::uint64_t seed, const OnProgress& on_progress)
      : filter_(std::move(filter)), seed_(seed), on_progress_(on_progress) {}

  void start() { counting_ = false; }  // what run() was given until now was counted

  bool wants(const std::string& topic, const std::string& name) const {
    return filter_.empty() || fnmatch(filter_.c_str(), (topic + "/" + name).c_str(), 0) == 0;
  }
  void run(const std::string& topic, const std::string& name, const std::string& input,
           const std::vector<Variable>& leaves, const std::function<Variable()>& f) {
    if (counting_) {
      ++total_;
      return;
    }
    on_progress_(done_++, total_);
    for (const auto& found : check_gradients(leaves, f, {.seed = seed_}))
      rows.push_back({topic, name, input, found.tensor, found.error, found.error <= kTolerance});
  }
  std::vector<GradcheckRow> rows;

 private:
  std::string filter_;
  std::uint64_t seed_;
  const OnProgress& on_progress_;
  bool counting_ = true;
  std::int64_t done_ = 0, total_ = 0;
};

struct InputRange {
  double scale, offset;
  std::string str() const { return fmt::format("scale {:g}, offset {:g}", scale, offset); }
};
constexpr InputRange kRanges[] = {{1e-3, 0}, {1, 0}, {1e3, 0}, {1e-3, 100}, {1, 100}, {1e3, 100}};

Variable random_leaf(Engine& engine, const Shape& shape, const std::string& name, InputRange range, Domain domain,
                     std::uint64_t seed) {
  const Random random(seed, Purpose::gradcheck, stream_of(name));
  const Tensor x = Tensor::empty(engine, shape);
  for (std::int64_t i = 0; i < x.numel(); ++i) {
    double z = random.normal(static_cast<std::uint64_t>(i));
    if (domain != Domain::any) z = std::copysign(0.5 + std::abs(z), domain == Domain::positive ? 1 : z);
    x.data()[i] = static_cast<real>(range.offset + range.scale * z);
  }
  return Variable::leaf(x, name);
}

void check_ops(Checker& checker, Engine& engine, std::uint64_t seed) {
  for (const OpCase& op : op_cases(engine)) {
    if (!checker.wants("op", op.name)) continue;
    for (const InputRange& range : kRanges) {
      if (range.scale > op.largest_scale || (range.offset != 0 && !op.offset)) continue;
      std::vector<Variable> leaves;
      for (std::size_t i = 0; i < op.inputs.size(); ++i)
        leaves.push_back(random_leaf(engine, op.inputs[i], fmt::format("input {}", i), range, op.domain, seed));
      checker.run("op", op.name, range.str(), leaves, [&] { return op.run(leaves); });
    }
  }
}

/// Gains and biases away from their initial 1 and 0, so that no factor hides.
void shake(const Parameters& parameters, std::uint64_t seed, double amount) {
  for (const Parameter& p : parameters.all()) {
    const Random random(seed, Purpose::perturb, stream_of(p.path));
    for (std::int64_t i = 0; i < p.numel(); ++i)
      p.value()[i] += static_cast<real>(amount * random.normal(static_cast<std::uint64_t>(i)));
  }
}

std::vector<Variable> leaves_of(const Parameters& parameters) {
  std::vector<Variable> leaves;
  for (const Parameter& p : parameters.all())
    if (std::none_of(leaves.begin(), leaves.end(), [&](const Variable& v) { return v.leaf() == p.leaf.leaf(); }))
      leaves.push_back(p.leaf);
  return leaves;
}

/// With and without bias, alone and behind a sum. What a norm detaches is held (DetachedValues), which a kernel cannot
/// do: of a norm with detached values the formula is checked, and the tests hold the kernel to the formula.
void check_norm(Checker& checker, Engine& engine, const NormEntry& entry, const std::string& variant,
                std::uint64_t seed) {
  const bool samples = entry.over == Over::channels;  // of several places
  const std::int64_t rows = samples ? 6 : 5, width = samples ? 4 : 7, places = samples ? 3 : 1;
  const Pass pass{.training = true};
  for (const bool bias : {false, true})
    for (const InputRange& range : kRanges) {
      if (range.scale > entry.saturates_at) continue;
      Parameters parameters(engine, seed);
      NormSpec defaults;
      defaults.bias = bias;
      const auto norm = make_norm({parameters, "", -1, "norm"}, parse_norm(variant, defaults), width, places);
      shake(parameters, seed, 0.3);
      std::vector<Variable> leaves = leaves_of(parameters);
      const Variable x = random_leaf(engine, {rows, width}, "x", range, Domain::any, seed);
      const Variable f = random_leaf(engine, {rows, width}, "f", {range.scale, 0}, Domain::any, seed);
      leaves.push_back(x);
      const std::string input = range.str() + (bias ? ", bias" : "");
      checker.run("norm", variant, input, leaves,
                  [&] { return entry.detached ? norm->reference(x) : norm->forward(x, pass); });
      leaves.push_back(f);
      checker.run("norm", variant, input + ", x + f", leaves, [&] {
        const Variable sum = add(x, f);
        const auto [h, y] = entry.detached ? std::pair(sum, norm->reference(sum)) : norm->add_forward(x, f, pass);
        return concat({h, y}, 1);
      });
    }
}

/// Every function and operator of the grammar, in forms that the catalogue does not have.
void check_norm_formulas(Checker& checker, Engine& engine, std::uint64_t seed) {
  if (!checker.wants("norm", "formula")) return;
  for (const char* text :
       {"formula: gain * x / (mean(abs(x)) + eps) + bias", "formula: x / max(x^2) ^ 0.5 - 2 * bias / C",
        "formula: vector(v, 0.5) * x / sqrt(1 + log(1 + x^2 / mean(x^2))) + scalar(a, 1) ^ 3 * tanh(x / "
        "sqrt(sum(x^2)))",
        "formula: (x - mean(x)) * sigmoid(atan(x / (1 + abs(x)))) / exp(erf(var(x) / (1 + sum(x)^2)))",
        "formula: clip(x / sqrt(mean(x^2)), -1.5, 1.5) - sin(detach(mean(x)) / (1 + abs(x))) ^ -2 * (eps - pi) * "
        "max(x, 0)"})
    check_norm(checker, engine, norm_entry(text), text, seed);
}

void check_norms(Checker& checker, Engine& engine, std::uint64_t seed) {
  check_norm_formulas(checker, engine, seed);
  for (const NormEntry& entry : norm_table()) {
    if (entry.weight) continue;  // in the models
    for (const std::string& variant : norm_variants(entry))
      if (checker.wants("norm", variant)) check_norm(checker, engine, entry, variant, seed);
  }
}

ModelOptions small_model(bool gpt) {
  ModelOptions o;
  o.arch = gpt ? "gpt" : "llama";
  o.n_layer = 2;
  o.n_head = 4;
  o.n_kv_head = gpt ? 4 : 2;
  o.n_embd = 8;
  o.n_inner = gpt ? 16 : 12;
  o.block_size = 5;
  o.vocab_size = 11;
  o.bias = gpt;
  o.activation = gpt ? "gelu" : "swiglu";
  o.init_gain = 20;  // weights of about 0.4: every path carries gradient
  o.norm.name = gpt ? "layernorm" : "rmsnorm";
  return o;
}

void check_model(Checker& checker, Engine& engine, const std::string& topic, const std::string& name,
                 const std::string& input, const ModelOptions& options, std::uint64_t seed) {
  const auto model = make_model(engine, options, seed);
  shake(model->parameters(), seed, 0.1);
  const Random random(seed, Purpose::gradcheck, stream_of("tokens"));
  const Batch batch = model->make_batch(options.arch == "mlp" ? 6 : 2);  // rows enough for statistics of a batch
  for (std::int64_t i = 0; i < batch.predictions(); ++i) {
    if (batch.tokens.defined())
      batch.tokens.data()[i] = static_cast<std::int32_t>(random.below(static_cast<std::uint64_t>(i), 11));
    batch.targets.data()[i] = static_cast<std::int32_t>(random.below(static_cast<std::uint64_t>(10 + i), 11));
  }
  for (std::int64_t i = 0; batch.features.defined() && i < batch.features.numel(); ++i)
    batch.features.data()[i] = static_cast<real>(random.normal(static_cast<std::uint64_t>(100 + i)));
  const Pass pass{.training = true, .seed = seed};
  checker.run(topic, name, input, leaves_of(model->parameters()), [&] { return model->loss(batch, pass); });
}

/// Every operation of the grammar, in forms that the catalogue does not have.
void check_formulas(Checker& checker, Engine& engine, std::uint64_t seed) {
  if (!checker.wants("placement", "formula")) return;
  for (const char* formula : {"N((2*L)^(1/4)*x + F(x))", "x + F(N(x)/sqrt(l))", "x - scalar(g, 0)*detach(x) + F(N(x))",
                              "N2(x/scalar(b, 2) - (1 - scalar(a, 0.5))*F(N1(x)))",
                              "x*sqrt(scalar(a, 1) + s) + F(N1(x) - N2(x))/2 + 3/scalar(c, 4)*N2(x)"}) {
    ModelOptions options = small_model(true);
    options.placement = formula;
    check_model(checker, engine, "placement", "formula", formula, options, seed);
  }
}

bool fits(const NormEntry& norm, const NormSite& site) {
  return !norm.refuse || norm.refuse(norm_values(norm, {}), site).empty();
}

/// What stands beside the norms of the blocks.
void check_extras(Checker& checker, Engine& engine, bool gpt, std::uint64_t seed) {
  const auto check = [&](const std::string& input, const std::function<void(ModelOptions&)>& set) {
    ModelOptions options = small_model(gpt);
    set(options);
    check_model(checker, engine, "model", gpt ? "gpt" : "llama", input, options, seed);
  };
  for (const char* norm : {"rmsnorm", "rmsnorm:whole=true", "layernorm", "layernorm:whole=true", "l2"}) {
    check(std::string("qk_norm ") + norm, [&](ModelOptions& o) { o.qk_norm = parse_head_norm(norm, {}); });
    check(std::string("v_norm ") + norm, [&](ModelOptions& o) { o.v_norm = parse_head_norm(norm, {}); });
  }
  check("attn_softcap 0.5", [](ModelOptions& o) { o.attn_softcap = 0.5; });
  check("logit_softcap 0.5", [](ModelOptions& o) { o.logit_softcap = 0.5; });
  check("embed_norm layernorm", [](ModelOptions& o) { o.embed_norm = NormSpec{}; });
  check("embed_scale 3", [](ModelOptions& o) { o.embed_scale = 3; });
  check("embed_scale learnable", [](ModelOptions& o) { o.train_embed_scale = true; });
  for (const char* activation : {"geglu", "geglu_tanh"})
    check(std::string("activation ") + activation, [&](ModelOptions& o) { o.activation = activation; });
}

void check_models(Checker& checker, Engine& engine, std::uint64_t seed) {
  check_formulas(checker, engine, seed);
  for (const PlacementEntry& placement : placement_table()) {
    if (!checker.wants("placement", placement.name)) continue;
    for (const NormEntry& norm : norm_table()) {
      ModelOptions options = small_model(true);
      if (!fits(norm, {.width = options.n_embd, .causal = true})) continue;
      options.placement = placement.name;
      options.norm.name = norm.name;
      check_model(checker, engine, "placement", placement.name, norm.name, options, seed);
    }
  }
  for (const char* placement : {"before", "after"}) {
    if (!checker.wants("model", "mlp")) continue;
    ModelOptions options = small_model(true);
    options.arch = "mlp";
    options.features = 6;
    options.placement = placement;
    options.init_gain = 1;
    for (const NormEntry& norm : norm_table()) {
      if (norm.over == Over::rows && norm.name != "layernorm") continue;  // the placements go through all of them
      if (!norm.weight && !fits(norm, {.width = options.n_embd})) continue;
      options.norm.name = norm.name;
      check_model(checker, engine, "model", "mlp", fmt::format("{} {} the ReLU", norm.name, placement), options, seed);
    }
  }
  for (const bool gpt : {true, false}) {
    const std::string name = gpt ? "gpt" : "llama";
    if (!checker.wants("model", name)) continue;
    ModelOptions options = small_model(gpt);
    check_model(checker, engine, "model", name, "as it is", options, seed);
    options.tie_weights = false;
    options.dropout = 0.3;
    check_model(checker, engine, "model", name, "untied, dropout 0.3", options, seed);
    options = small_model(gpt);
    options.block[1].attn_norm = options.norm;
    options.block[1].attn_norm->name = gpt ? "rmsnorm" : "layernorm";
    options.block[1].placement = "post";
    check_model(checker, engine, "model", name, "another norm and placement in block 1", options, seed);
    check_extras(checker, engine, gpt, seed);
  }
}

/// Every norm and variant at every placement of every architecture. Takes minutes, so it runs only where the filter
/// begins with "product".
void check_product(Checker& checker, Engine& engine, const std::string& filter, std::uint64_t seed) {
  if (!filter.starts_with("product")) return;
  const auto check = [&](ModelOptions options, const std::string& arch, const std::string& placement) {
    options.arch = arch;
    options.placement = placement;
    if (!checker.wants("product", arch + "/" + placement)) return;
    for (const std::string& variant : norm_variants({.width = options.n_embd, .causal = arch != "mlp"})) {
      options.norm = parse_norm(variant, {});
      check_model(checker, engine, "product", arch + "/" + placement, variant, options, seed);
    }
  };
  for (const PlacementEntry& placement : placement_table())
    for (const bool gpt : {true, false}) check(small_model(gpt), gpt ? "gpt" : "llama", placement.name);
  ModelOptions mlp = small_model(true);
  mlp.features = 6;
  mlp.init_gain = 1;
  for (const char* placement : {"before", "after"}) check(mlp, "mlp", placement);
}

/// A norm of the catalogue with options, or a formula: alone, and in the small models.
void check_one_norm(Checker& checker, Engine& engine, const std::string& norm, std::uint64_t seed) {
  const NormSpec spec = parse_norm(norm, {});
  const NormEntry entry = norm_entry(spec.name);
  check_norm(checker, engine, entry, norm, seed);
  if (!fits(entry, {.causal = true})) return;
  for (const bool gpt : {true, false}) {
    ModelOptions options = small_model(gpt);
    options.norm = spec;
    check_model(checker, engine, "model", gpt ? "gpt" : "llama", norm, options, seed);
  }
}

}  // namespace

std::vector<GradcheckRow> gradcheck(const std::string& filter, const std::string& norm, std::uint64_t seed,
                                    const OnProgress& on_progress) {
  Engine engine({1, GemmBackend::highway});  // the products that ship
  Checker checker(filter, seed, on_progress);
  const auto check_all = [&] {
    if (!norm.empty()) return check_one_norm(checker, engine, norm, seed);
    check_ops(checker, engine, seed);
    check_norms(checker, engine, seed);
    check_models(checker, engine, seed);
    check_product(checker, engine, filter, seed);
  };
  check_all();
  checker.start();
  check_all();
  if (checker.rows.empty())
    throw UsageError("--filter \"" + filter + "\" matches no check; use a glob over topic/name, such as norm/*");
  return checker.rows;
}

NORMSCOPE_END
