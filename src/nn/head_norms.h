#pragma once
// Norms of queries, keys and values where they lie side by side, before RoPE.
#include <array>
#include <memory>

#include <normscope/nn/layers.h>

NORMSCOPE_BEGIN

class HeadNorms {
 public:
  /// Parameters q_norm.*, k_norm.* and v_norm.* of `scope`, and `scale` for l2: one number that starts at
  /// log2(L^2 - L) and takes the place of 1 / sqrt(D) (Henry et al. 2020, 2010.04245). Null where `spec` asks for none.
  /// Raises UsageError as head_norm_entry() and norm_values() do, and for l2 where L < 2.
  static std::unique_ptr<HeadNorms> make(const Scope& scope, const AttentionSpec& spec);
  /// qkv [B, T, (H + 2G) D] -> the same with the norms applied.
  Variable operator()(const Variable& qkv, const Pass& pass) const;
  void after_update(std::int64_t step);

 private:
  /// Queries, keys or values: `rows` rows of `width` in each token.
  struct Part {
    std::int64_t rows, width;
    std::unique_ptr<Norm> norm;  // null: none
  };
  HeadNorms(const Scope& scope, const AttentionSpec& spec);
  std::array<Part, 3> parts_;
  Variable scale_;
  double root_;  // sqrt(D): attention divides by it
};

NORMSCOPE_END
