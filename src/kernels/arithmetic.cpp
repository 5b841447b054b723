// Sums, products and row sums.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/arithmetic.cpp"
#include <hwy/foreach_target.h>

#include "kernels/simd-inl.h"

HWY_BEFORE_NAMESPACE();
NORMSCOPE_BEGIN
namespace HWY_NAMESPACE {

template <class F>
HWY_INLINE void binary(const real* a, const real* b, real* out, std::int64_t n, F f) {
  for_vectors(n, [&](std::int64_t i, std::int64_t count)
                     HWY_ATTR { store_n(f(load_n(a + i, count), load_n(b + i, count)), out + i, count); });
}
void add_range(const real* a, const real* b, real* out, std::int64_t n) {
  binary(a, b, out, n, [](V x, V y) HWY_ATTR { return x + y; });
}
void subtract_range(const real* a, const real* b, real* out, std::int64_t n) {
  binary(a, b, out, n, [](V x, V y) HWY_ATTR { return x - y; });
}
void multiply_range(const real* a, const real* b, real* out, std::int64_t n) {
  binary(a, b, out, n, [](V x, V y) HWY_ATTR { return x * y; });
}
void divide_range(const real* a, const real* b, real* out, std::int64_t n) {
  binary(a, b, out, n, [](V x, V y) HWY_ATTR { return x / y; });
}
void affine_range(const real* x, real scale, real shift, real* out, std::int64_t n) {
  for_vectors(n, [&](std::int64_t i, std::int64_t count)
                     HWY_ATTR { store_n(load_n(x + i, count) * V(scale) + V(shift), out + i, count); });
}
void add_bias_rows(real* x, const real* bias, std::int64_t rows, std::int64_t width) {
  for (std::int64_t r = 0; r < rows; ++r) add_range(x + r * width, bias, x + r * width, width);
}
/// Four rows at a time: `out` is read and written seldom, and lines that other cores wrote arrive side by side.
void add_rows_range(const real* x, std::int64_t step, std::int64_t rows, real* out, std::int64_t width) {
  for (std::int64_t r = 0; r < rows; r += 4)
    for_vectors(width, [&](std::int64_t i, std::int64_t count) HWY_ATTR {
      V sum = load_n(out + i, count);
      for (std::int64_t row = r; row < std::min(r + 4, rows); ++row) sum += load_n(x + row * step + i, count);
      store_n(sum, out + i, count);
    });
}
void row_moments_range(const real* x, real* squares, real* sums, std::int64_t rows, std::int64_t width) {
  for (std::int64_t r = 0; r < rows; ++r) {
    V s[4], q[4];
    for_vectors_by_four(width, [&](std::int64_t i, std::int64_t count, int k) HWY_ATTR {
      const V v = load_n(x + r * width + i, count);
      s[k] += v;
      q[k] = fma(v, v, q[k]);
    });
    if (squares) squares[r] = static_cast<real>(sum_lanes((q[0] + q[1]) + (q[2] + q[3])));
    if (sums) sums[r] = static_cast<real>(sum_lanes((s[0] + s[1]) + (s[2] + s[3])));
  }
}
/// Lanes are added up in double every 1024 elements.
void magnitude_range(const real* x, std::int64_t n, double* sum_squares, double* max_abs) {
  V top;
  for (std::int64_t begin = 0; begin < n; begin += 1024) {
    V q;
    for_vectors(n - begin < 1024 ? n - begin : 1024, [&](std::int64_t i, std::int64_t count) HWY_ATTR {
      const V v = load_n(x + begin + i, count);
      q = fma(v, v, q);
      top = max(top, abs(v));
    });
    *sum_squares += sum_lanes(q);
  }
  const double found = static_cast<double>(max_lanes(top));
  if (found > *max_abs) *max_abs = found;
}

}  // namespace HWY_NAMESPACE
NORMSCOPE_END
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
#include <algorithm>
#include <cmath>

#include "core/parallel.h"
#include <normscope/core/tensor.h>

#include "kernels/kernels.h"

NORMSCOPE_BEGIN
HWY_EXPORT(add_range);
HWY_EXPORT(subtract_range);
HWY_EXPORT(multiply_range);
HWY_EXPORT(divide_range);
HWY_EXPORT(affine_range);
HWY_EXPORT(add_bias_rows);
HWY_EXPORT(add_rows_range);
HWY_EXPORT(row_moments_range);
HWY_EXPORT(magnitude_range);

namespace kernels {
namespace {
template <class F>
void binary(Engine& engine, F f, const real* a, const real* b, real* out, std::int64_t n) {
  parallel_ranges(engine, n, kTileElements, [&](auto i, auto end) { f(a + i, b + i, out + i, end - i); });
}
}  // namespace

void add(Engine& engine, const real* a, const real* b, real* out, std::int64_t n) {
  binary(engine, &HWY_DYNAMIC_DISPATCH(add_range), a, b, out, n);
}
void subtract(Engine& engine, const real* a, const real* b, real* out, std::int64_t n) {
  binary(engine, &HWY_DYNAMIC_DISPATCH(subtract_range), a, b, out, n);
}
void multiply(Engine& engine, const real* a, const real* b, real* out, std::int64_t n) {
  binary(engine, &HWY_DYNAMIC_DISPATCH(multiply_range), a, b, out, n);
}
void divide(Engine& engine, const real* a, const real* b, real* out, std::int64_t n) {
  binary(engine, &HWY_DYNAMIC_DISPATCH(divide_range), a, b, out, n);
}
void affine(Engine& engine, const real* x, real scale, real shift, real* out, std::int64_t n) {
  const auto f = &HWY_DYNAMIC_DISPATCH(affine_range);
  parallel_ranges(engine, n, kTileElements, [&](auto i, auto end) { f(x + i, scale, shift, out + i, end - i); });
}
void add_bias(Engine& engine, real* x, const real* bias, std::int64_t rows, std::int64_t width) {
  const auto f = &HWY_DYNAMIC_DISPATCH(add_bias_rows);
  parallel_ranges(engine, rows, rows_a_tile(width), [&](auto r, auto end) { f(x + r * width, bias, end - r, width); });
}

void add_rows(const real* x, std::int64_t step, real* out, bool add, std::int64_t rows, std::int64_t width) {
  if (!add) std::fill_n(out, width, real{0});
  HWY_DYNAMIC_DISPATCH(add_rows_range)(x, step, rows, out, width);
}
void sum_rows(Engine& engine, const real* x, real* out, bool add, std::int64_t rows, std::int64_t width) {
  constexpr std::int64_t kRows = 64;  // partial sums of 64 rows, combined in order
  const std::int64_t tiles = parts(rows, kRows);
  const Tensor partial = Tensor::empty(engine, {tiles, width});
  parallel_ranges(engine, rows, kRows, [&](auto r, auto end) {
    add_rows(x + r * width, width, partial.data() + r / kRows * width, false, end - r, width);
  });
  if (!engine.dry()) add_rows(partial.data(), width, out, add, tiles, width);
}

void sum_each_row(Engine& engine, const real* x, real* out, std::int64_t rows, std::int64_t width) {
  row_moments(engine, x, nullptr, out, rows, width);
}

void row_moments(Engine& engine, const real* x, real* sum_squares, real* sum, std::int64_t rows, std::int64_t width) {
  const auto f = &HWY_DYNAMIC_DISPATCH(row_moments_range);
  parallel_ranges(engine, rows, rows_a_tile(width), [&](auto r, auto end) {
    f(x + r * width, sum_squares ? sum_squares + r : nullptr, sum ? sum + r : nullptr, end - r, width);
  });
}

Magnitude magnitude(const real* x, std::int64_t n) {
  Magnitude result;
  HWY_DYNAMIC_DISPATCH(magnitude_range)(x, n, &result.sum_squares, &result.max_abs);
  return result;
}

}  // namespace kernels
NORMSCOPE_END
#endif
