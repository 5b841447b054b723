#pragma once
// Layers: linear maps, attention, MLP. They hold leaves of a Parameters registry and contain no gradient code.
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <normscope/norms/norm.h>
#include <normscope/ops/ops.h>
#include <normscope/autograd/pass.h>

NORMSCOPE_BEGIN

/// y = x W^T + b, W [out, in].
class Linear {
 public:
  /// `weight` makes the matrix: NormEntry::weight of a norm of weights; null: the parameter "weight" itself.
  Linear(const Scope& scope, std::int64_t in, std::int64_t out, bool bias, const Init& init,
         Weight (*weight)(const Scope&, const Shape&, const Init&) = nullptr);
  /// Several maps of one input, computed as one product: parameters NAME.weight [out_i, in] (and NAME.bias) each,
  /// outputs side by side.
  Linear(const Scope& scope, std::int64_t in, const std::vector<Parameters::Part>& outs, bool bias);
  Variable operator()(const Variable& x) const;

 private:
  Weight weight_;
  Variable bias_;
};

/// `x` times a trained number `factor` [1].
Variable scaled(const Variable& x, const Variable& factor);

/// The norm of queries, keys or values called `name`: l2, or one of the catalogue. Raises UsageError for an unknown
/// name, and for a norm that takes its statistics over more than a row.
NormEntry head_norm_entry(const std::string& name);
class HeadNorms;

struct AttentionSpec {
  std::int64_t width, heads, kv_heads;
  bool bias = false;
  double dropout = 0;
  const RopeTables* rope = nullptr;  ///< owned by the model
  std::optional<HeadNormSpec> qk_norm{}, v_norm{};
  std::int64_t context = 0;  ///< L, for qk_norm l2: its scale starts at log2(L^2 - L)
  double softcap = 0;
};

/// Applied to a layer's inner activation before its output projection (NormFormer, sub-LN); default: nothing.
using Inner = std::function<Variable(const Variable&)>;

/// Causal self-attention with query, key, value and output projections (q, k, v, proj), grouped where kv_heads < heads.
class Attention {
 public:
  /// `init` is asked for attn.q, attn.k, attn.v and attn.proj.
  Attention(const Scope& scope, const AttentionSpec& spec, const InitRule& init);
  ~Attention();
  Variable operator()(const Variable& x, const Pass& pass, const Inner& inner) const;
  /// Tells the norms of queries, keys and values.
  void after_update(std::int64_t step);

 private:
  AttentionSpec spec_;
  std::string path_, weights_path_, entropy_path_;
  Linear qkv_, projection_;
  std::unique_ptr<HeadNorms> norms_;  // null: none
};

/// Is an activation f(gate) up, and the MLP's first map a pair (swiglu)? Raises UsageError for an unknown name.
bool is_gated(const std::string& activation);

struct MlpSpec {
  std::int64_t width, inner;
  std::string activation = "gelu";
  bool bias = false;
  double dropout = 0;
};

/// x -> proj(activation(fc(x))), or proj(f(gate(x)) up(x)) for a gated activation.
class Mlp {
 public:
  /// `init` is asked for mlp.fc, or mlp.gate and mlp.up, and mlp.proj.
  Mlp(const Scope& scope, const MlpSpec& spec, const InitRule& init);
  Variable operator()(const Variable& x, const Pass& pass, const Inner& inner) const;

 private:
  MlpSpec spec_;
  std::string path_;
  Variable (*activation_)(const Variable&);
  Linear expand_, projection_;
};

NORMSCOPE_END
