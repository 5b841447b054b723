#include <normscope/nn/layers.h>

#include "core/choices.h"
#include "nn/head_norms.h"

NORMSCOPE_BEGIN

namespace {
Weight plain(const Variable& leaf) {
  return [leaf] { return leaf; };
}
}  // namespace

Linear::Linear(const Scope& scope, std::int64_t in, std::int64_t out, bool bias, const Init& init,
               Weight (*weight)(const Scope&, const Shape&, const Init&))
    : weight_(weight ? weight(scope, {out, in}, init) : plain(scope.add("weight", {out, in}, init))) {
  if (bias) bias_ = scope.add("bias", {out}, Init::constant(0));
}

namespace {
std::vector<Parameters::Part> paths(const Scope& scope, const std::vector<Parameters::Part>& outs, const char* leaf) {
  std::vector<Parameters::Part> parts;
  for (const auto& out : outs) parts.push_back({scope.path(out.path + "." + leaf), out.rows, out.init});
  return parts;
}
}  // namespace

Linear::Linear(const Scope& scope, std::int64_t in, const std::vector<Parameters::Part>& outs, bool bias)
    : weight_(plain(scope.parameters.add_side_by_side(paths(scope, outs, "weight"), scope.block, scope.role, in))) {
  if (!bias) return;
  std::vector<Parameters::Part> zeros = paths(scope, outs, "bias");
  for (auto& part : zeros) part.init = Init::constant(0);
  bias_ = scope.parameters.add_side_by_side(zeros, scope.block, scope.role, 0);
}

Variable Linear::operator()(const Variable& x) const { return linear(x, weight_(), bias_); }

namespace {
std::vector<Parameters::Part> query_key_value(const AttentionSpec& s, const InitRule& init) {
  const std::int64_t kv = s.width / s.heads * s.kv_heads;
  return {{"q", s.width, init("attn.q", s.width, s.width)},
          {"k", kv, init("attn.k", s.width, kv)},
          {"v", kv, init("attn.v", s.width, kv)}};
}
}  // namespace

Attention::Attention(const Scope& scope, const AttentionSpec& spec, const InitRule& init)
    : spec_(spec),
      path_(scope.prefix),
      weights_path_(path_ + ".weights"),
      entropy_path_(path_ + ".entropy"),
      qkv_(scope, spec.width, query_key_value(spec, init), spec.bias),
      projection_(scope.in("proj"), spec.width, spec.width, spec.bias, init("attn.proj", spec.width, spec.width)),
      norms_(HeadNorms::make(scope, spec)) {}
Attention::~Attention() = default;

void Attention::after_update(std::int64_t step) {
  if (norms_) norms_->after_update(step);
}

Variable Attention::operator()(const Variable& x, const Pass& pass, const Inner& inner) const {
  const Tape::Scope scope(path_);
  AttentionOptions options{
      spec_.heads,  spec_.kv_heads, spec_.rope, pass.training ? spec_.dropout : 0, pass.dropout(weights_path_),
      spec_.softcap};
  Variable qkv = qkv_(x);
  if (norms_) qkv = (*norms_)(qkv, pass);
  if (pass.wants(entropy_path_)) pass.observe(entropy_path_, attention_entropy(qkv, options));
  Variable y = causal_attention(qkv, options);
  if (inner) y = inner(y);
  y = projection_(y);
  return pass.training ? dropout(y, spec_.dropout, pass.dropout(path_)) : y;
}

namespace {
/// f(g) u, where gate_up holds g and u side by side.
template <Variable (*f)(const Variable&)>
Variable gated(const Variable& gate_up) {
  const std::int64_t width = gate_up.shape().last();
  return multiply(f(slice(gate_up, -1, 0, width / 2)), slice(gate_up, -1, width / 2, width));
}

struct Activation {
  std::string name;
  Variable (*run)(const Variable&);
  bool gated = false;
};
const Activation& activation_of(const std::string& name) {
  static const std::vector<Activation> table = {{"gelu", gelu},
                                                {"gelu_tanh", gelu_tanh},
                                                {"relu", relu},
                                                {"silu", silu},
                                                {"swiglu", swiglu, true},
                                                {"geglu", gated<gelu>, true},
                                                {"geglu_tanh", gated<gelu_tanh>, true}};
  return entry_named(table, "activation", name);
}
std::vector<Parameters::Part> expansions(const MlpSpec& spec, const InitRule& init) {
  const auto part = [&](const std::string& name) {
    return Parameters::Part{name, spec.inner, init("mlp." + name, spec.width, spec.inner)};
  };
  if (is_gated(spec.activation)) return {part("gate"), part("up")};
  return {part("fc")};
}
}  // namespace

bool is_gated(const std::string& activation) { return activation_of(activation).gated; }

Mlp::Mlp(const Scope& scope, const MlpSpec& spec, const InitRule& init)
    : spec_(spec),
      path_(scope.prefix),
      activation_(activation_of(spec.activation).run),
      expand_(scope, spec.width, expansions(spec, init), spec.bias),
      projection_(scope.in("proj"), spec.inner, spec.width, spec.bias, init("mlp.proj", spec.inner, spec.width)) {}

Variable Mlp::operator()(const Variable& x, const Pass& pass, const Inner& inner) const {
  const Tape::Scope scope(path_);
  Variable h = activation_(expand_(x));
  if (inner) h = inner(h);
  h = projection_(h);
  return pass.training ? dropout(h, spec_.dropout, pass.dropout(path_)) : h;
}

NORMSCOPE_END
