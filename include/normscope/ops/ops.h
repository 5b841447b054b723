#pragma once
// Differentiable operations: free functions, one formula a line. Shapes: B batch, T time, C width, H heads, D head
// width, V vocabulary; "..." any leading extents. Shapes that do not fit raise Error and are named in it.
#include <vector>

#include <normscope/core/random.h>
#include <normscope/autograd/variable.h>

NORMSCOPE_BEGIN

// Elementwise; names and formulas are in include/normscope/core/unary.def.
#define UNARY(name, formula) Variable name(const Variable& x);
#include <normscope/core/unary.def>
#undef UNARY

Variable add(const Variable& a, const Variable& b);            ///< a + b, broadcast as NumPy does
Variable subtract(const Variable& a, const Variable& b);       ///< a - b, broadcast
Variable multiply(const Variable& a, const Variable& b);       ///< a b, broadcast
Variable divide(const Variable& a, const Variable& b);         ///< a / b, broadcast
Variable scale(const Variable& x, double factor);              ///< factor x
Variable add_scalar(const Variable& x, double term);           ///< x + term
Variable softcap(const Variable& x, double cap);               ///< cap tanh(x / cap), cap > 0 (Gemma 2, 2408.00118)
Variable broadcast_to(const Variable& x, const Shape& shape);  ///< copies along extents of 1 (and new leading ones)

Variable sum(const Variable& x);        ///< sum of all, [1]
Variable mean(const Variable& x);       ///< mean of all, [1]
Variable sum_last(const Variable& x);   ///< [..., C] -> [..., 1]
Variable mean_last(const Variable& x);  ///< [..., C] -> [..., 1]
Variable max_last(const Variable& x);   ///< [..., C] -> [..., 1]; the gradient goes to the first of equal entries

Variable reshape(const Variable& x, const Shape& shape);  ///< same elements, no copy
Variable transpose(const Variable& x, int i, int j);      ///< exchanges two extents (copies)
Variable slice(const Variable& x, int dim, std::int64_t begin,
               std::int64_t end);                              ///< [begin, end) of one extent (copies)
Variable concat(const std::vector<Variable>& parts, int dim);  ///< side by side along one extent

Variable matmul(const Variable& a, const Variable& b);  ///< [M, K] [K, N] -> [M, N]; [..., M, K] [..., K, N] batched
Variable linear(const Variable& x, const Variable& weight, const Variable& bias = {});  ///< x W^T + b; W [out, in]

Variable softmax(const Variable& x);  ///< exp(x_i) / sum exp(x_j) over the last extent
/// Mean over rows of log sum exp(x) - x[target]; logits [N, V], targets [N] in [0, V).
Variable cross_entropy(const Variable& logits, const Indices& targets);
Variable swiglu(const Variable& gate_up);  ///< silu(g) u; [..., 2h] holding g and u -> [..., h]

/// table [V, C], tokens [B, T] -> [B, T, C]; plus positions [>= T, C] when given. Raises Error on a token outside [0,
/// V).
Variable embedding(const Variable& table, const Indices& tokens, const Variable& positions = {});
/// Zero with probability p, else x / (1 - p). The mask is a pure function of `random`.
Variable dropout(const Variable& x, double p, const Random& random);

/// cos and sin of t theta^(-2i/D), [T, D/2] each.
struct RopeTables {
  Tensor cos, sin;
};
RopeTables rope_tables(Engine& engine, std::int64_t time, std::int64_t head_width, double theta);
/// x [B, T, H, D]: turns pairs (x[i], x[i + D/2]) by the position's angle (Su et al. 2021, 2104.09864; split halves).
Variable rope(const Variable& x, const RopeTables& tables);

struct AttentionOptions {
  std::int64_t heads = 1, kv_heads = 1;
  const RopeTables* rope = nullptr;  ///< must outlive the backward pass
  double dropout = 0;
  Random random{0, Purpose::dropout, 0};
  double softcap = 0;  ///< scores become cap tanh(score / cap); 0: off
};
/// softmax(causal(q k^T / sqrt(D))) v; qkv [B, T, (H + 2G) D] holds H queries, G keys, G values -> [B, T, H D].
Variable causal_attention(const Variable& qkv, const AttentionOptions& options);
/// The same, composed of the operations above; float order apart, equal.
Variable causal_attention_reference(const Variable& qkv, const AttentionOptions& options);
/// -sum_j p_j ln p_j of each query's attention weights in nats, [B, H, T]; 0 to ln t. Computed apart, without dropout
/// and without a gradient.
Variable attention_entropy(const Variable& qkv, const AttentionOptions& options);

/// Index of the largest entry of the last extent, as real numbers; has no gradient.
Variable argmax(const Variable& x);

NORMSCOPE_END
