// Softmax, cross-entropy, SwiGLU: functions of whole rows.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/rows.cpp"
#include <hwy/foreach_target.h>

#include "kernels/math-inl.h"

HWY_BEFORE_NAMESPACE();
NORMSCOPE_BEGIN
namespace HWY_NAMESPACE {

/// out = exp(x - shift), returns the sum in double; out may be null or x.
HWY_INLINE double exp_row(const real* x, real shift, real* out, std::int64_t n) {
  double total = 0;
  for (std::int64_t begin = 0; begin < n; begin += 4096) {
    V sum;
    for_vectors(n - begin < 4096 ? n - begin : 4096, [&](std::int64_t i, std::int64_t count) HWY_ATTR {
      const V e = exp(load_n(x + begin + i, count) - V(shift));
      sum += count == lanes() ? e : keep_some(e, count);
      if (out) store_n(e, out + begin + i, count);
    });
    total += sum_lanes(sum);
  }
  return total;
}

void softmax_rows(const real* x, real* y, std::int64_t rows, std::int64_t width) {
  for (std::int64_t r = 0; r < rows; ++r, x += width, y += width) {
    const V scale(static_cast<real>(1 / exp_row(x, largest(x, width), y, width)));
    for_vectors(width, [&](std::int64_t i, std::int64_t count)
                           HWY_ATTR { store_n(load_n(y + i, count) * scale, y + i, count); });
  }
}
/// dx = y (dy - sum dy y)
void softmax_gradient_rows(const real* y, const real* dy, real* dx, std::int64_t rows, std::int64_t width) {
  for (std::int64_t r = 0; r < rows; ++r, y += width, dy += width, dx += width) {
    V dot;
    for_vectors(width, [&](std::int64_t i, std::int64_t count)
                           HWY_ATTR { dot = fma(load_n(y + i, count), load_n(dy + i, count), dot); });
    const V whole(static_cast<real>(sum_lanes(dot)));
    for_vectors(width, [&](std::int64_t i, std::int64_t count) HWY_ATTR {
      store_n(load_n(y + i, count) * (load_n(dy + i, count) - whole), dx + i, count);
    });
  }
}
/// log_sum_exp of each row; returns the sum over rows of log_sum_exp - x[target].
double cross_entropy_rows(const real* x, const std::int32_t* target, real* log_sum_exp, std::int64_t rows,
                          std::int64_t width) {
  double loss = 0;
  for (std::int64_t r = 0; r < rows; ++r, x += width) {
    const real top = largest(x, width);
    const double rest = std::log(exp_row(x, top, nullptr, width));
    log_sum_exp[r] = static_cast<real>(static_cast<double>(top) + rest);
    loss += static_cast<double>(top) - static_cast<double>(x[target[r]]) + rest;  // large logits cancel first
  }
  return loss;
}
void cross_entropy_gradient_rows(const real* x, const std::int32_t* target, const real* log_sum_exp, real scale,
                                 real* dx, std::int64_t rows, std::int64_t width) {
  for (std::int64_t r = 0; r < rows; ++r, x += width, dx += width) {
    const V shift(log_sum_exp[r]);
    for_vectors(width, [&](std::int64_t i, std::int64_t count)
                           HWY_ATTR { store_n(exp(load_n(x + i, count) - shift) * V(scale), dx + i, count); });
    dx[target[r]] -= scale;
  }
}
void swiglu_rows(const real* x, real* out, real* slopes, std::int64_t rows, std::int64_t h) {
  for (std::int64_t r = 0; r < rows; ++r, x += 2 * h, out += h) {
    for_vectors(h, [&](std::int64_t i, std::int64_t count) HWY_ATTR {
      const V gate = load_n(x + i, count), up = load_n(x + h + i, count);
      const V s = V(1) / (V(1) + exp(-gate)), silu = gate * s;
      store_n(silu * up, out + i, count);
      if (!slopes) return;
      store_n(up * s * (V(1) + gate * (V(1) - s)), slopes + i, count);
      store_n(silu, slopes + h + i, count);
    });
    if (slopes) slopes += 2 * h;
  }
}
void swiglu_gradient_rows(const real* dout, real* slopes, std::int64_t rows, std::int64_t h) {
  for (std::int64_t r = 0; r < rows; ++r, slopes += 2 * h, dout += h)
    for_vectors(h, [&](std::int64_t i, std::int64_t count) HWY_ATTR {
      const V d = load_n(dout + i, count);
      store_n(d * load_n(slopes + i, count), slopes + i, count);
      store_n(d * load_n(slopes + h + i, count), slopes + h + i, count);
    });
}

}  // namespace HWY_NAMESPACE
NORMSCOPE_END
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
#include "core/parallel.h"

#include <algorithm>

#include "kernels/kernels.h"

NORMSCOPE_BEGIN
HWY_EXPORT(softmax_rows);
HWY_EXPORT(softmax_gradient_rows);
HWY_EXPORT(cross_entropy_rows);
HWY_EXPORT(cross_entropy_gradient_rows);
HWY_EXPORT(swiglu_rows);
HWY_EXPORT(swiglu_gradient_rows);

namespace kernels {
namespace {
/// Calls body(first_row, rows) for each tile.
template <class Body>
void for_row_tiles(Engine& engine, std::int64_t rows, std::int64_t width, Body body) {
  parallel_ranges(engine, rows, rows_a_tile(width), [&](auto r, auto end) { body(r, end - r); });
}
}  // namespace

void softmax_forward(Engine& engine, const real* x, real* y, std::int64_t rows, std::int64_t width) {
  const auto f = &HWY_DYNAMIC_DISPATCH(softmax_rows);
  for_row_tiles(engine, rows, width, [&](auto r, auto n) { f(x + r * width, y + r * width, n, width); });
}
void softmax_backward(Engine& engine, const real* y, const real* dy, real* dx, std::int64_t rows, std::int64_t width) {
  const auto f = &HWY_DYNAMIC_DISPATCH(softmax_gradient_rows);
  for_row_tiles(engine, rows, width,
                [&](auto r, auto n) { f(y + r * width, dy + r * width, dx + r * width, n, width); });
}

double cross_entropy_forward(Engine& engine, const real* logits, const std::int32_t* targets, real* log_sum_exp,
                             std::int64_t rows, std::int64_t width) {
  const auto f = &HWY_DYNAMIC_DISPATCH(cross_entropy_rows);
  if (engine.dry()) return 0;
  constexpr std::int64_t kRows = 16;
  constexpr std::int64_t kBatch = 1024;  // tiles whose sums are kept at once
  double loss = 0, sums[kBatch];
  for (std::int64_t begin = 0; begin < rows; begin += kRows * kBatch) {
    const std::int64_t count = std::min(rows - begin, kRows * kBatch);
    parallel_ranges(engine, count, kRows, [&](auto i, auto end) {
      const std::int64_t r = begin + i;
      sums[i / kRows] = f(logits + r * width, targets + r, log_sum_exp + r, end - i, width);
    });
    for (std::int64_t tile = 0; tile < parts(count, kRows); ++tile) loss += sums[tile];
  }
  return loss / static_cast<double>(std::max<std::int64_t>(rows, 1));
}
void cross_entropy_backward(Engine& engine, const real* logits, const std::int32_t* targets, const real* log_sum_exp,
                            real scale, real* dlogits, std::int64_t rows, std::int64_t width) {
  const auto f = &HWY_DYNAMIC_DISPATCH(cross_entropy_gradient_rows);
  for_row_tiles(engine, rows, width, [&](auto r, auto n) {
    f(logits + r * width, targets + r, log_sum_exp + r, scale, dlogits + r * width, n, width);
  });
}

void swiglu(Engine& engine, const real* gate_up, real* out, real* slopes, std::int64_t rows, std::int64_t h) {
  const auto f = &HWY_DYNAMIC_DISPATCH(swiglu_rows);
  for_row_tiles(engine, rows, h, [&](auto r, auto n) {
    f(gate_up + 2 * r * h, out + r * h, slopes ? slopes + 2 * r * h : slopes, n, h);
  });
}
void swiglu_backward(Engine& engine, const real* dout, real* slopes, std::int64_t rows, std::int64_t h) {
  const auto f = &HWY_DYNAMIC_DISPATCH(swiglu_gradient_rows);
  for_row_tiles(engine, rows, h, [&](auto r, auto n) { f(dout + r * h, slopes + 2 * r * h, n, h); });
}
}  // namespace kernels
NORMSCOPE_END
#endif
