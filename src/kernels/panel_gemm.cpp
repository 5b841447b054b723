// Matrix products of linear layers: B is packed into panels that stay in the second-level cache while the rows of A
// pass by, a block at a time (after Goto and van de Geijn 2008, "Anatomy of high-performance matrix multiplication").
// Each element of C is one chain of multiply-adds for each part of k (`depth`), the parts added up in order, so neither
// tiles nor threads nor the width of the vectors change its bits (multiplying and adding in one rounding or in two
// does: below AVX2 there are two). Narrow products A^T B are read where they lie.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/panel_gemm.cpp"
#include <hwy/foreach_target.h>

#include "kernels/small_gemm-inl.h"

#include <algorithm>

#include "kernels/panel_gemm.h"

HWY_BEFORE_NAMESPACE();
NORMSCOPE_BEGIN
namespace HWY_NAMESPACE {
using kernels::PanelProduct;
using kernels::PanelTile;

/// What is summed at once: kRows rows of kVectors vectors fill the registers. Few rows and many vectors, because each
/// row's number is spread over a vector by an instruction of its own: 6 x 4 sums take a tenth fewer than 12 x 2.
constexpr int kRows = kernels::kPanelRows, kVectors = HWY_TARGET <= HWY_AVX3 ? 4 : 2;
HWY_INLINE std::int64_t panel_width() { return kVectors * lanes(); }
constexpr std::int64_t kAhead = 6;  // rows: what the processor's own prefetching misses at the start of each

/// Panels of kVectors vectors of columns (the last of as many as are needed), each [k, its width], zeros behind.
HWY_INLINE void pack_panels(Strided b, std::int64_t k, std::int64_t n, real* to) {
  const std::int64_t panel = panel_width(), whole = n / panel * panel;
  const std::int64_t width = rounded_up(n - whole, lanes());  // of the last
  if (whole < n) std::fill_n(to + whole * k, width * k, real{0});
  if (b.column_step == 1) {
    for (std::int64_t p = 0; p < k; ++p) {
      const real* from = b.data + p * b.row_step;
      prefetch(from + kAhead * b.row_step, n);
      for (std::int64_t j = 0; j < whole; j += panel)
#pragma GCC unroll 4
        for (int v = 0; v < kVectors; ++v) store(load(from + j + v * lanes()), to + j * k + p * panel + v * lanes());
      for_vectors(n - whole, [&](std::int64_t j, std::int64_t count) HWY_ATTR {
        store_n(load_n(from + whole + j, count), to + whole * k + p * width + j, count);
      });
    }
    return;
  }
  std::int64_t j = 0;
  const auto place = [&](std::int64_t column) { return to + column / panel * panel * k + column % panel; };
  for (; panel % 4 == 0 && j + 4 <= n; j += 4)
    transpose_four(b.data + j * b.column_step, b.column_step, k, place(j), j < whole ? panel : width);
  for (; j < n; ++j)
    for (std::int64_t p = 0; p < k; ++p) place(j)[p * (j < whole ? panel : width)] = b.data[j * b.column_step + p];
}

/// Columns of A computed between two calls of fetch(): a short product has time for few lines between its own loads.
HWY_INLINE std::int64_t stretch(std::int64_t k) { return std::clamp<std::int64_t>(k / 4, 16, 64); }

/// Rows of memory that will be needed, fetched line by line, evenly over `calls` calls: a burst would hold up the loads
/// that the computation waits for.
struct Spread {
  const real* data = nullptr;
  std::int64_t step = 0, length = 0, lines = 0, calls = 1, due = 0, at = 0;

  HWY_INLINE void fetch() {
    asm volatile("" ::: "memory");  // else g++ keeps these numbers in vector registers, and panels on the stack
    for (due += lines; due >= calls; due -= calls) {
      __builtin_prefetch(data + at);
      at += kLine;
      if (at >= length) at = 0, data += step;
    }
  }
  HWY_INLINE void set(const real* from, std::int64_t row_step, std::int64_t rows, std::int64_t row_length,
                      std::int64_t count) {
    data = from, step = row_step, length = row_length, lines = rows * parts(row_length, kLine), calls = count;
    due = at = 0;
  }
};
struct Ahead {
  Spread rows, part_b;  ///< the next rows of A; what the next part of K will be packed from
  HWY_INLINE void fetch() { rows.fetch(), part_b.fetch(); }
};

/// One part of K of one tile: C [m, n] (+)= A [m, k] B [k, n].
struct Part {
  std::int64_t m, n, k, next_k;
  Strided a;
  const real* panels;  ///< B as pack_panels() leaves it
  real* c;
  std::int64_t ldc;
  bool add;
  real* scratch;

  /// How often fetch() is called while so many rows are computed.
  HWY_INLINE std::int64_t fetches(std::int64_t rows) const {
    return parts(rows, kRows) * parts(n, panel_width()) * parts(k, stretch(k));
  }
};

/// R rows of C from row i on, NV vectors from column j on; of the last vector `last` lanes exist, the panel is padded.
template <int NV, int R, class Rows>
HWY_INLINE void panel_block(const Part& part, std::int64_t i, std::int64_t j, Rows a, std::int64_t last, Ahead& ahead) {
  const std::int64_t step = lanes(), k = part.k, ldc = part.ldc;
  const real* panel = part.panels + j * k;
  real* c = part.c + i * ldc + j;
  const std::int64_t columns = stretch(k), calls = parts(k, columns);
  std::int64_t due = 0;
  const real* next_c = c;
  V sum[R][NV];
  for (std::int64_t p = 0; p < k;) {
    for (due += R; due >= calls; due -= calls, next_c += ldc)
#pragma GCC unroll 4
      for (int v = 0; v < NV; ++v) __builtin_prefetch(next_c + v * kLine, 1);
    ahead.fetch();
    // So many columns of A: four at a time take a tenth fewer instructions than one by one.
    const auto multiply = [&](auto count) HWY_ATTR {
#pragma GCC unroll 4
      for (int column = 0; column < count; ++column) {
        V right[NV];
#pragma GCC unroll 4
        for (int v = 0; v < NV; ++v) right[v] = load(panel + (column * NV + v) * step);
#pragma GCC unroll 6
        for (int r = 0; r < R; ++r) {
          const V left(a.at(r, column));
#pragma GCC unroll 4
          for (int v = 0; v < NV; ++v) sum[r][v] = fma(right[v], left, sum[r][v]);
        }
      }
      p += count, panel += count * NV * step, a.advance(count);
    };
    const std::int64_t end = std::min(p + columns, k);
    while (p + 4 <= end) multiply(std::integral_constant<int, 4>());
    while (p < end) multiply(std::integral_constant<int, 1>());
  }
#pragma GCC unroll 6
  for (int r = 0; r < R; ++r)
#pragma GCC unroll 4
    for (int v = 0; v < NV; ++v) {
      const std::int64_t count = v == NV - 1 ? last : step;
      real* to = c + r * ldc + v * step;
      store_n(part.add ? sum[r][v] + load_n(to, count) : sum[r][v], to, count);
    }
}

/// Like RowPointers, rows side by side as pack_rows() leaves them.
struct PackedRows {
  const real* data;
  HWY_INLINE real at(int i, int column) const { return data[column * kRows + i]; }
  HWY_INLINE void advance(int columns) { data += columns * kRows; }
};

/// Blocks of kRows rows of A, each [k, kRows], `block` reals apart; read along memory, where A's rows lie side by side.
HWY_INLINE void pack_rows(Strided a, std::int64_t m, std::int64_t k, std::int64_t block, real* to) {
  for (std::int64_t p = 0; p < k; ++p) {
    const real* from = a.data + p * a.column_step;
    real* place = to + p * kRows;
    prefetch(from + kAhead * a.column_step, m);
    std::int64_t i = 0;
    for (; i + kRows <= m; i += kRows, place += block) std::memcpy(place, from + i, kRows * sizeof(real));
    if (i < m) std::copy_n(from + i, m - i, place);
  }
}

/// R rows of C from row i on.
template <int R, class Rows>
HWY_INLINE void panel_row_block(const Part& part, std::int64_t i, Rows a, Ahead& ahead) {
  const std::int64_t n = part.n;
  std::int64_t j = 0;
  for (; j + panel_width() <= n; j += panel_width()) panel_block<kVectors, R>(part, i, j, a, lanes(), ahead);
  if (j == n) return;
  const std::int64_t vectors = parts(n - j, lanes()), last = n - j - (vectors - 1) * lanes();
  if (vectors == 1) panel_block<1, R>(part, i, j, a, last, ahead);
  if (vectors == 2) panel_block<2, R>(part, i, j, a, last, ahead);
  if constexpr (kVectors > 2) {
    if (vectors == 3) panel_block<3, R>(part, i, j, a, last, ahead);
    if (vectors == 4) panel_block<4, R>(part, i, j, a, last, ahead);
  }
}

/// body(R, i) with R a constant: blocks of kRows rows, what is left by fours, twos and ones.
template <class Body>
HWY_INLINE void for_row_blocks(std::int64_t m, Body body) {
  std::int64_t i = 0;
  for (; i + kRows <= m; i += kRows) body(std::integral_constant<int, kRows>(), i);
  for (; i + 4 <= m; i += 4) body(std::integral_constant<int, 4>(), i);
  for (; i + 2 <= m; i += 2) body(std::integral_constant<int, 2>(), i);
  for (; i < m; ++i) body(std::integral_constant<int, 1>(), i);
}

/// For an A whose rows lie side by side: packed stripe by stripe; while one is computed the next is fetched.
static HWY_NOINLINE void packed_part(const Part& part, Ahead& ahead) {
  const std::int64_t block = part.k * kRows + kLine;  // blocks must not share the cache's sets
  for (std::int64_t i = 0; i < part.m; i += kernels::kStripe) {
    const std::int64_t m = std::min(kernels::kStripe, part.m - i), left = part.m - i - m;
    pack_rows(part.a.from_row(i), m, part.k, block, part.scratch);
    const auto fetch_next = [&](Strided next, std::int64_t rows, std::int64_t columns) HWY_ATTR {
      ahead.rows.set(next.data, next.column_step, columns, std::min(kernels::kStripe, rows), part.fetches(m));
    };
    left > 0 ? fetch_next(part.a.from_row(i + m), left, part.k)
             : fetch_next(part.a.from_column(part.k), part.m, part.next_k);
    for_row_blocks(m, [&](auto rows, std::int64_t r) HWY_ATTR {
      panel_row_block<rows()>(part, i + r, PackedRows{part.scratch + r / kRows * block + r % kRows}, ahead);
    });
  }
}

/// For an A whose rows lie apart: they are read as they lie, unless their starts fall on the same sets of the cache,
/// where they would push each other out; then they are copied, a block at a time.
static HWY_NOINLINE void plain_part(const Part& part, Ahead& ahead) {
  const Strided a = part.a;
  const bool crowded = kernels::crowded(a.row_step);
  const std::int64_t copy_step = rounded_up(part.k, kLine) + kLine;
  for_row_blocks(part.m, [&](auto rows, std::int64_t i) HWY_ATTR {
    constexpr int R = rows();
    const Strided from = a.from_row(i);
    for (int r = 0; crowded && r < R; ++r) {
      const real* row = from.from_row(r).data;
      real* to = part.scratch + r * copy_step;
      for_vectors(part.k, [&](std::int64_t p, std::int64_t n) HWY_ATTR { store_n(load_n(row + p, n), to + p, n); });
    }
    ahead.rows.set(from.from_row(R).data, a.row_step, R, part.k, part.fetches(R));
    const Strided read{crowded ? part.scratch : from.data, crowded ? copy_step : a.row_step, 1};
    panel_row_block<R>(part, i, RowPointers<R>(read), ahead);
  });
}

/// Like RowPointers, where rows lie side by side: fetched twice, from afar while the part of K before is computed, then
/// into the first-level cache.
struct AdjacentRows {
  const real* data;
  std::int64_t column_step;
  HWY_INLINE real at(int i, int column) const { return data[column * column_step + i]; }
  HWY_INLINE void advance(int columns) {
    __builtin_prefetch(data + kernels::kNarrowDepth * column_step, 0, 2);
    __builtin_prefetch(data + 16 * column_step);
    data += columns * column_step;
  }
};

/// R rows of C [., n] (+)= A^T B. Rows [next, next_end) of B, of the next part of K, are fetched meanwhile.
template <int R>
HWY_INLINE void narrow_rows(std::int64_t n, std::int64_t k, AdjacentRows a, const real* b, std::int64_t ldb, real* c,
                            std::int64_t ldc, bool add, std::int64_t next, std::int64_t next_end) {
  const std::int64_t step = lanes();
  std::int64_t j = 0;
  for (; j + panel_width() <= n; j += panel_width()) {
    for (std::int64_t p = next; p < next_end; ++p) prefetch(b + p * ldb + j, panel_width());
    product_block<R, kVectors, true>(k, a, b + j, ldb, c + j, ldc, add, step);
  }
  for (; j + 2 * step <= n; j += 2 * step) product_block<R, 2, true>(k, a, b + j, ldb, c + j, ldc, add, step);
  for (; j < n; j += step) product_block<R, 1, false>(k, a, b + j, ldb, c + j, ldc, add, std::min(step, n - j));
}

/// A tile of a narrow product: a part of K is so short that the first-level cache keeps the lines of a block of A's
/// rows and a panel of B where they lie; to pack them took a fifth of the time of what was computed from them.
static HWY_NOINLINE void narrow_tile(const PanelProduct& product, const PanelTile& tile) {
  const std::int64_t m = tile.row_end - tile.row_begin, n = tile.column_end - tile.column_begin;
  for (std::int64_t p = 0; p < product.k; p += product.depth) {
    const std::int64_t k = std::min(product.depth, product.k - p);
    const real* a = product.a + tile.row_begin + p * product.a_column;
    const real* b = product.b + tile.column_begin + p * product.b_row;
    real* c = product.c + tile.row_begin * product.ldc + tile.column_begin;
    for_row_blocks(m, [&](auto rows, std::int64_t i) HWY_ATTR {
      narrow_rows<rows()>(n, k, {a + i, product.a_column}, b, product.b_row, c + i * product.ldc, product.ldc,
                          product.add || p > 0, k + i * k / m, k + (i + rows()) * k / m);
    });
  }
}

void panel_tile(const PanelProduct& product, const PanelTile& tile, real* scratch) {
  if (product.narrow()) return narrow_tile(product, tile);
  const std::int64_t m = tile.row_end - tile.row_begin, n = tile.column_end - tile.column_begin;
  const Strided a{product.a + tile.row_begin * product.a_row, product.a_row, product.a_column};
  const Strided b{product.b + tile.column_begin * product.b_column, product.b_row, product.b_column};
  real* c = product.c + tile.row_begin * product.ldc + tile.column_begin;
  for (std::int64_t p = 0; p < product.k; p += product.depth) {
    const std::int64_t k = std::min(product.depth, product.k - p), next = std::min(product.depth, product.k - p - k);
    const Part part{m,
                    n,
                    k,
                    next,
                    a.from_column(p),
                    scratch,
                    c,
                    product.ldc,
                    product.add || p > 0,
                    scratch + product.depth * rounded_up(n, kernels::kPanelColumns)};
    pack_panels(b.from_row(p), k, n, scratch);
    const std::int64_t calls = part.fetches(m);
    const Strided next_b = b.from_row(p + k);
    Ahead ahead;
    if (b.column_step == 1)
      ahead.part_b.set(next_b.data, b.row_step, next, n, calls);
    else
      ahead.part_b.set(next_b.data, b.column_step, n, next, calls);
    product.a_row == 1 ? packed_part(part, ahead) : plain_part(part, ahead);
  }
}

}  // namespace HWY_NAMESPACE
NORMSCOPE_END
HWY_AFTER_NAMESPACE();
#if HWY_ONCE
NORMSCOPE_BEGIN
HWY_EXPORT(panel_tile);
namespace kernels {
void panel_tile(const PanelProduct& product, const PanelTile& tile, real* scratch) {
  HWY_DYNAMIC_DISPATCH(panel_tile)(product, tile, scratch);
}
}  // namespace kernels
NORMSCOPE_END
#endif
