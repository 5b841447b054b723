#pragma once
// Loops on raw pointers. No third-party type appears here: what is behind it (Highway, oneDNN, OpenBLAS) is this room's
// business. All matrices are row-major. Results do not depend on the number of threads (parallel.h).
#include <cstdint>
#include <string>
#include <vector>

#include <normscope/core/engine.h>
#include <normscope/core/precision.h>
#include <normscope/core/random.h>

NORMSCOPE_BEGIN
namespace kernels {

/// C [M,N] = op(A) op(B) + beta C; op transposes when asked. beta is 0 or 1.
void gemm(Engine& engine, bool transpose_a, bool transpose_b, std::int64_t m, std::int64_t n, std::int64_t k,
          const real* a, std::int64_t lda, const real* b, std::int64_t ldb, real beta, real* c, std::int64_t ldc);

/// y [n] = f(x), slope [n] = f'(x) where it is wanted (else null).
#define UNARY(name, formula) void name(Engine& engine, const real* x, real* y, real* slope, std::int64_t n);
#include <normscope/core/unary.def>
#undef UNARY

/// to = from
void copy(Engine& engine, const real* from, real* to, std::int64_t n);
void add(Engine& engine, const real* a, const real* b, real* out, std::int64_t n);
void subtract(Engine& engine, const real* a, const real* b, real* out, std::int64_t n);
void multiply(Engine& engine, const real* a, const real* b, real* out, std::int64_t n);
void divide(Engine& engine, const real* a, const real* b, real* out, std::int64_t n);
/// out = scale x + shift
void affine(Engine& engine, const real* x, real scale, real shift, real* out, std::int64_t n);
/// x [rows, width] += bias [width]
void add_bias(Engine& engine, real* x, const real* bias, std::int64_t rows, std::int64_t width);
/// out [width] (+)= sum over rows of x, `step` apart, in order, on this thread
void add_rows(const real* x, std::int64_t step, real* out, bool add, std::int64_t rows, std::int64_t width);
/// out [width] (+)= sum over rows of x [rows, width]
void sum_rows(Engine& engine, const real* x, real* out, bool add, std::int64_t rows, std::int64_t width);
/// out [rows] = sum over each row
void sum_each_row(Engine& engine, const real* x, real* out, std::int64_t rows, std::int64_t width);

/// out [rows, h] = silu(gate) up, where gate_up [rows, 2h] holds both side by side (Shazeer 2020, 2002.05202); slopes
/// [rows, 2h] = the derivatives by gate and up, where they are wanted (else null).
void swiglu(Engine& engine, const real* gate_up, real* out, real* slopes, std::int64_t rows, std::int64_t h);
/// slopes [rows, 2h] *= dout [rows, h], for both halves.
void swiglu_backward(Engine& engine, const real* dout, real* slopes, std::int64_t rows, std::int64_t h);

void softmax_forward(Engine& engine, const real* x, real* y, std::int64_t rows, std::int64_t width);
void softmax_backward(Engine& engine, const real* y, const real* dy, real* dx, std::int64_t rows, std::int64_t width);
/// log_sum_exp [rows]; returns the mean over rows of log_sum_exp - x[row, target].
double cross_entropy_forward(Engine& engine, const real* logits, const std::int32_t* targets, real* log_sum_exp,
                             std::int64_t rows, std::int64_t width);
/// dlogits = scale (softmax(logits) - onehot(target)); may overwrite logits.
void cross_entropy_backward(Engine& engine, const real* logits, const std::int32_t* targets, const real* log_sum_exp,
                            real scale, real* dlogits, std::int64_t rows, std::int64_t width);

/// out [rows, width] = table[token]
void gather_rows(Engine& engine, const real* table, const std::int32_t* tokens, real* out, std::int64_t rows,
                 std::int64_t width);
/// table [entries, width] (+)= sum of the rows of dy that used each entry, in row order
void scatter_rows(Engine& engine, const real* dy, const std::int32_t* tokens, real* dtable, bool add, std::int64_t rows,
                  std::int64_t width, std::int64_t entries);

/// Random::block() of `count` blocks, first, first + step, ..., many at a time: out [count, 4], aligned to 8 bytes.
void random_blocks(const Random& random, std::uint64_t first, std::uint64_t step, std::size_t count,
                   std::uint32_t* out);
/// x / (1-p) where an element's 32 random bits are at least p 2^32, else 0; p in [0, 1).
struct DropoutRule {
  std::uint32_t threshold;
  real scale;

  explicit DropoutRule(double p)
      : threshold(static_cast<std::uint32_t>(p * 0x1p32)), scale(static_cast<real>(1 / (1 - p))) {}
  real operator()(real x, std::uint32_t bits) const { return bits >= threshold ? x * scale : real{0}; }
};
/// y = DropoutRule of x. The same call with dy in place of x is the gradient.
void dropout(Engine& engine, const real* x, real* y, std::int64_t n, double p, const Random& random);

/// Causal attention over packed rows qkv [B, T, (H + 2 G) D]: H query heads, then G key heads, then G value heads;
/// head h reads key/value head floor(h G / H). Scores are q.k / sqrt(D), softmax over s <= t.
struct AttentionShape {
  std::int64_t batch, time, heads, kv_heads, head_width;
  const real *cos = nullptr, *sin = nullptr;  ///< RoPE tables [T, D/2], split halves; null: none
  double dropout = 0;                         ///< on the attention weights
  const Random* random = nullptr;
  double softcap = 0;  ///< scores become cap tanh(score / cap); 0: off
  std::int64_t row() const { return (heads + 2 * kv_heads) * head_width; }
};
/// out [B, T, H D]; log_sum_exp [B, H, T] for the gradient.
void attention_forward(Engine& engine, const AttentionShape& shape, const real* qkv, real* out, real* log_sum_exp);
void attention_backward(Engine& engine, const AttentionShape& shape, const real* qkv, const real* log_sum_exp,
                        const real* dout, real* dqkv);
/// Rotates pairs (x[i], x[i + D/2]) of every head of x [rows, heads, D] by the angle of position row % time;
/// direction -1 turns back (the gradient).
void rope(Engine& engine, const real* x, real* y, std::int64_t rows, std::int64_t time, std::int64_t heads,
          std::int64_t head_width, const real* cos, const real* sin, int direction);

/// Sum of squares and largest magnitude, in double. NaN shows in the sum alone.
struct Magnitude {
  double sum_squares = 0, max_abs = 0;
};
Magnitude magnitude(const real* x, std::int64_t n);
/// Per row of x [rows, width]: sum of squares and sum.
void row_moments(Engine& engine, const real* x, real* sum_squares, real* sum, std::int64_t rows, std::int64_t width);

struct AdamW {
  double lr, beta1, beta2, eps, weight_decay, clip;  ///< clip: factor on the gradient
  double correction1, correction2;                   ///< 1 - beta^t
};
/// One pass over n elements: moments, decay, update. Adds sum of w_before^2 and of (w_after - w_before)^2 to `sums`.
void adamw(const AdamW& options, real* w, const real* g, real* m, real* v, std::int64_t n, double sums[2]);
/// m = momentum m + clip g + decay w; w -= lr m.
struct Sgd {
  double lr, momentum, weight_decay, clip;
};
void sgd(const Sgd& options, real* w, const real* g, real* m, std::int64_t n, double sums[2]);

/// This machine's roof, for the benchmarks: `rounds` of multiply-adds on every thread; returns how many operations that
/// were.
double multiply_adds(Engine& engine, std::int64_t rounds);

}  // namespace kernels
NORMSCOPE_END
