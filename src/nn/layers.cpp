#include <normscope/layers.h>

#include "ops/check.h"

namespace normscope::NORMSCOPE_REAL_NAMESPACE {

Linear::Linear(const Scope& scope, std::int64_t in, std::int64_t out, bool bias, const Init& init)
    : weight_(scope.add("weight", {out, in}, init)) {
  if (bias) bias_ = scope.add("bias", {out}, Init::constant(0));
}

namespace {
std::vector<Parameters::Part> paths(const Scope& scope, const std::vector<Parameters::Part>& outs, const char* leaf) {
  std::vector<Parameters::Part> parts;
  for (const auto& out : outs) parts.push_back({scope.path(out.path + "." + leaf), out.rows});
  return parts;
}
}  // namespace

Linear::Linear(const Scope& scope, std::int64_t in, const std::vector<Parameters::Part>& outs, bool bias, const Init& init)
    : weight_(scope.parameters.add_side_by_side(paths(scope, outs, "weight"), scope.block, scope.role, in, init)) {
  if (bias)
    bias_ = scope.parameters.add_side_by_side(paths(scope, outs, "bias"), scope.block, scope.role, 0, Init::constant(0));
}

Variable Linear::operator()(const Variable& x) const { return linear(x, weight_, bias_); }

Attention::Attention(const Scope& scope, const AttentionSpec& spec)
    : spec_(spec), path_(scope.prefix),
      qkv_(scope, spec.width,
           {{"q", spec.width},
            {"k", spec.width / spec.heads * spec.kv_heads},
            {"v", spec.width / spec.heads * spec.kv_heads}},
           spec.bias, spec.init),
      projection_(scope.in("proj"), spec.width, spec.width, spec.bias, spec.projection_init) {}

Variable Attention::operator()(const Variable& x, const Pass& pass, const Inner& inner) const {
  const Tape::Scope scope(path_);
  AttentionOptions options{spec_.heads, spec_.kv_heads, spec_.rope, pass.training ? spec_.dropout : 0,
                           pass.dropout(path_ + ".weights")};
  Variable y = causal_attention(qkv_(x), options);
  if (inner) y = inner(y);
  y = projection_(y);
  return pass.training ? dropout(y, spec_.dropout, pass.dropout(path_)) : y;
}

namespace {
using Activation = Variable (*)(const Variable&);
Activation activation_of(const std::string& name) {
  struct Row { const char* name; Activation run; };
  static constexpr Row table[] = {
      {"gelu", gelu}, {"gelu_tanh", gelu_tanh}, {"relu", relu}, {"silu", silu}, {"swiglu", swiglu}};
  for (const Row& row : table)
    if (name == row.name) return row.run;
  throw UsageError("activation = \"" + name + "\" is unknown; there are: gelu, gelu_tanh, relu, silu, swiglu");
}
std::vector<Parameters::Part> expansions(const MlpSpec& spec) {
  if (spec.activation == "swiglu") return {{"gate", spec.inner}, {"up", spec.inner}};
  return {{"fc", spec.inner}};
}
}  // namespace

Mlp::Mlp(const Scope& scope, const MlpSpec& spec)
    : spec_(spec), path_(scope.prefix), activation_(activation_of(spec.activation)),
      expand_(scope, spec.width, expansions(spec), spec.bias, spec.init),
      projection_(scope.in("proj"), spec.inner, spec.width, spec.bias, spec.projection_init) {}

Variable Mlp::operator()(const Variable& x, const Pass& pass, const Inner& inner) const {
  const Tape::Scope scope(path_);
  Variable h = activation_(expand_(x));
  if (inner) h = inner(h);
  h = projection_(h);
  return pass.training ? dropout(h, spec_.dropout, pass.dropout(path_)) : h;
}

}  // namespace normscope::NORMSCOPE_REAL_NAMESPACE
