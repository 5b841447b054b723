// Matrix products of attention's tiles, small enough to live in cache. Included like simd-inl.h.
#include "kernels/simd-inl.h"

#if defined(NORMSCOPE_SMALL_GEMM_INL) == defined(HWY_TARGET_TOGGLE)
#ifdef NORMSCOPE_SMALL_GEMM_INL
#undef NORMSCOPE_SMALL_GEMM_INL
#else
#define NORMSCOPE_SMALL_GEMM_INL
#endif

HWY_BEFORE_NAMESPACE();
NORMSCOPE_BEGIN
namespace HWY_NAMESPACE {

/// An operand whose element (row, column) is data[row * row_step + column * column_step]: transposes are free.
struct Strided {
  const real* data;
  std::int64_t row_step, column_step;
  Strided from_row(std::int64_t i) const { return {data + i * row_step, row_step, column_step}; }
  Strided from_column(std::int64_t j) const { return {data + j * column_step, row_step, column_step}; }
};

/// to [k, 4] = transpose of four rows of `from` [4, k], `step` apart; `row` reals lie between rows of `to`.
HWY_INLINE void transpose_four(const real* from, std::int64_t step, std::int64_t k, real* to, std::int64_t row) {
  std::int64_t p = 0;
#if !defined(NORMSCOPE_FLOAT64) && HWY_TARGET != HWY_SCALAR
  const hn::FixedTag<float, 4> d;
  const hn::Repartition<double, decltype(d)> pairs;
  for (; p + 4 <= k; p += 4, to += 4 * row) {
    const auto a = hn::LoadU(d, from + p), b = hn::LoadU(d, from + step + p);
    const auto c = hn::LoadU(d, from + 2 * step + p), e = hn::LoadU(d, from + 3 * step + p);
    const auto ab0 = hn::BitCast(pairs, hn::InterleaveLower(d, a, b));
    const auto ab1 = hn::BitCast(pairs, hn::InterleaveUpper(d, a, b));
    const auto ce0 = hn::BitCast(pairs, hn::InterleaveLower(d, c, e));
    const auto ce1 = hn::BitCast(pairs, hn::InterleaveUpper(d, c, e));
    hn::StoreU(hn::BitCast(d, hn::InterleaveLower(pairs, ab0, ce0)), d, to);
    hn::StoreU(hn::BitCast(d, hn::InterleaveUpper(pairs, ab0, ce0)), d, to + row);
    hn::StoreU(hn::BitCast(d, hn::InterleaveLower(pairs, ab1, ce1)), d, to + 2 * row);
    hn::StoreU(hn::BitCast(d, hn::InterleaveUpper(pairs, ab1, ce1)), d, to + 3 * row);
  }
#endif
  for (; p < k; ++p, to += row)
    for (std::int64_t j = 0; j < 4; ++j) to[j] = from[j * step + p];
}

/// R rows of A, from one column on: four rows to a pointer, so that no pointer leaves its register.
template <int R>
struct RowPointers {
  static constexpr int kGroups = (R + 3) / 4;
  const real* group[kGroups];
  std::int64_t step, column_step;

  HWY_INLINE explicit RowPointers(Strided a) : step(a.row_step), column_step(a.column_step) {
#pragma GCC unroll 4
    for (int g = 0; g < kGroups; ++g) group[g] = a.data + 4 * g * step;
  }
  HWY_INLINE real at(int i, int column) const { return group[i / 4][i % 4 * step + column * column_step]; }
  HWY_INLINE void advance(int columns) {
#pragma GCC unroll 4
    for (int g = 0; g < kGroups; ++g) group[g] += columns * column_step;
  }
};

/// C [R, NV vectors] (+)= A B for R rows and up to four vectors of columns; unless kWhole, `last` lanes of the last
/// vector count. Rows: RowPointers or what gives rows like it.
template <int R, int NV, bool kWhole, class Rows>
HWY_INLINE void product_block(std::int64_t k, Rows a, const real* b, std::int64_t ldb, real* c, std::int64_t ldc,
                              bool add, std::int64_t last) {
  V sum[R][NV];
  const std::int64_t step = lanes();
  for (std::int64_t p = 0; p < k; ++p, b += ldb, a.advance(1)) {
    V right[NV];
#pragma GCC unroll 4
    for (int j = 0; j < NV - 1; ++j) right[j] = load(b + j * step);
    right[NV - 1] = kWhole ? load(b + (NV - 1) * step) : load_some(b + (NV - 1) * step, last);
#pragma GCC unroll 16
    for (int i = 0; i < R; ++i) {
      const V left(a.at(i, 0));
#pragma GCC unroll 4
      for (int j = 0; j < NV; ++j) sum[i][j] = fma(left, right[j], sum[i][j]);
    }
  }
#pragma GCC unroll 16
  for (int i = 0; i < R; ++i)
#pragma GCC unroll 4
    for (int j = 0; j < NV; ++j) {
      const std::int64_t count = kWhole || j < NV - 1 ? step : last;
      real* to = c + i * ldc + j * step;
      store_n(add ? sum[i][j] + load_n(to, count) : sum[i][j], to, count);
    }
}

template <int R>
HWY_INLINE void product_rows(std::int64_t n, std::int64_t k, Strided rows, const real* b, std::int64_t ldb, real* c,
                             std::int64_t ldc, bool add) {
  const std::int64_t step = lanes();
  const RowPointers<R> a(rows);
  std::int64_t j = 0;
  for (; j + 2 * step <= n; j += 2 * step) product_block<R, 2, true>(k, a, b + j, ldb, c + j, ldc, add, step);
  for (; j + step <= n; j += step) product_block<R, 1, true>(k, a, b + j, ldb, c + j, ldc, add, step);
  if (j < n) product_block<R, 1, false>(k, a, b + j, ldb, c + j, ldc, add, n - j);
}

constexpr int kProductRows = HWY_TARGET <= HWY_AVX3 ? 8 : 4;  // sums fill the vector registers

/// C [m, n] (+)= A [m, k] B [k, n]; B and C row-major with leading dimensions ldb and ldc. Inlined where steps are
/// constants: what is short spends a tenth of its time on the addresses of any others.
HWY_INLINE void product(std::int64_t m, std::int64_t n, std::int64_t k, Strided a, const real* b, std::int64_t ldb,
                        real* c, std::int64_t ldc, bool add) {
  std::int64_t i = 0;
  for (; i + kProductRows <= m; i += kProductRows)
    product_rows<kProductRows>(n, k, a.from_row(i), b, ldb, c + i * ldc, ldc, add);
  for (; i + 2 <= m; i += 2) product_rows<2>(n, k, a.from_row(i), b, ldb, c + i * ldc, ldc, add);
  for (; i < m; ++i) product_rows<1>(n, k, a.from_row(i), b, ldb, c + i * ldc, ldc, add);
}

}  // namespace HWY_NAMESPACE
NORMSCOPE_END
HWY_AFTER_NAMESPACE();
#endif
