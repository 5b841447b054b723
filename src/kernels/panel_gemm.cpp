// Matrix products of linear layers: B is packed into panels that stay in the first-level cache while the rows of A pass
// by (Goto and van de Geijn 2008, "Anatomy of high-performance matrix multiplication"). Each element of C is one chain
// of multiply-adds for each part of k (`depth`), the parts added up in order, so neither tiles nor threads nor the
// width of the vectors change its bits (multiplying and adding in one rounding or in two does: SSSE3 and plain C++ have
// two).
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/panel_gemm.cpp"
#include <hwy/foreach_target.h>

#include <hwy/cache_control.h>

#include "kernels/small_gemm-inl.h"

#include <algorithm>

#include "kernels/panel_gemm.h"

HWY_BEFORE_NAMESPACE();
namespace normscope::NORMSCOPE_REAL_NAMESPACE::HWY_NAMESPACE {
using kernels::PanelProduct;
using kernels::PanelTile;

constexpr std::int64_t kLine = 64 / sizeof(real);  // of the cache

constexpr std::int64_t kAhead = 6;  // rows: what the processor's own prefetching misses at the start of each

HWY_INLINE void prefetch(const real* from, std::int64_t n) {
  for (std::int64_t i = 0; i < n; i += kLine) __builtin_prefetch(from + i, 0, 2);  // into the second-level cache
}

/// Panels of two vectors of columns (the last of one, where that is enough), each [k, its width], zeros behind.
HWY_INLINE void pack_panels(Strided b, std::int64_t k, std::int64_t n, real* to) {
  const std::int64_t panel = 2 * lanes(), whole = n / panel * panel;
  const std::int64_t width = n - whole > lanes() ? panel : lanes();  // of the last
  if (whole < n) std::fill_n(to + whole * k, width * k, real{0});
  if (b.column_step == 1) {
    for (std::int64_t p = 0; p < k; ++p) {
      const real* from = b.data + p * b.row_step;
      prefetch(from + kAhead * b.row_step, n);
      for (std::int64_t j = 0; j < whole; j += panel) {
        store(load(from + j), to + j * k + p * panel);
        store(load(from + j + lanes()), to + j * k + p * panel + lanes());
      }
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

/// What the next part of K will be packed from, fetched bit by bit while this one is computed.
struct Ahead {
  struct Rows {
    const real* data;
    std::int64_t step, count, length, due = 0;
  };
  Rows a, b;
  std::int64_t calls;

  HWY_INLINE void fetch() {
    for (Rows* rows : {&a, &b})
      for (rows->due += rows->count; rows->due >= calls; rows->due -= calls, rows->data += rows->step)
        prefetch(rows->data, rows->length);
  }
};

/// Rows of A as they lie.
template <int R>
struct PlainRows : RowPointers<R> {
  Ahead* ahead;
  std::int64_t panels, due = 0, next = R;
  HWY_INLINE PlainRows(Strided a, Ahead* what, std::int64_t count) : RowPointers<R>(a), ahead(what), panels(count) {}
  /// Before each panel: fetches a share of the k columns of the next R rows.
  HWY_INLINE void fetch(std::int64_t k) {
    for (due += R; due >= panels; due -= panels, ++next)
      for (std::int64_t p = 0; p < k; p += kLine) __builtin_prefetch(this->group[0] + next * this->step + p);
    ahead->fetch();
  }
};
/// The same for rows that lie side by side, as pack_rows() leaves them.
struct PackedRows {
  const real* data;
  std::int64_t column_step;
  Ahead* ahead;
  HWY_INLINE real operator[](int i) const { return data[i]; }
  HWY_INLINE void fetch(std::int64_t) { ahead->fetch(); }
  HWY_INLINE void next_column() { data += column_step; }
};

/// C [R, NV vectors] (+)= A B; of the last vector of C `last` lanes exist, the panel is padded.
template <int R, int NV, class Rows>
HWY_INLINE void panel_block(std::int64_t k, Rows a, const real* panel, real* c, std::int64_t ldc, bool add,
                            std::int64_t last) {
  const std::int64_t step = lanes();
#pragma GCC unroll 16
  for (int i = 0; i < R; ++i) __builtin_prefetch(c + i * ldc, 1), __builtin_prefetch(c + i * ldc + kLine, 1);
  V sum[R][NV];
  for (std::int64_t p = 0; p < k; ++p, panel += NV * step, a.next_column()) {
    V right[NV];
#pragma GCC unroll 2
    for (int j = 0; j < NV; ++j) right[j] = load(panel + j * step);
#pragma GCC unroll 16
    for (int i = 0; i < R; ++i) {
      const V left(a[i]);
#pragma GCC unroll 2
      for (int j = 0; j < NV; ++j) sum[i][j] = fma(left, right[j], sum[i][j]);
    }
  }
#pragma GCC unroll 16
  for (int i = 0; i < R; ++i)
#pragma GCC unroll 2
    for (int j = 0; j < NV; ++j) {
      const std::int64_t count = j == NV - 1 ? last : step;
      real* to = c + i * ldc + j * step;
      store_n(add ? sum[i][j] + load_n(to, count) : sum[i][j], to, count);
    }
}

constexpr int kRows = HWY_TARGET <= HWY_AVX3 ? 12 : 6;  // sums fill the vector registers
constexpr int kPackedRows = HWY_TARGET <= HWY_AVX3 ? 8 : 4;

/// Blocks of kPackedRows rows of A, each [k, kPackedRows], `block` reals apart; read along memory, where A's rows lie
/// side by side.
HWY_INLINE void pack_rows(Strided a, std::int64_t m, std::int64_t k, std::int64_t block, real* to) {
  for (std::int64_t p = 0; p < k; ++p) {
    const real* from = a.data + p * a.column_step;
    real* place = to + p * kPackedRows;
    prefetch(from + kAhead * a.column_step, m);
    std::int64_t i = 0;
    for (; i + kPackedRows <= m; i += kPackedRows, place += block)
      std::memcpy(place, from + i, kPackedRows * sizeof(real));
    if (i < m) std::copy_n(from + i, m - i, place);
  }
}

HWY_INLINE std::int64_t panels_width(std::int64_t n) {
  return (n + kernels::kPanelColumns - 1) / kernels::kPanelColumns * kernels::kPanelColumns;
}

/// C [R, n] (+)= A B for panels as pack_panels() leaves them.
template <int R, class Rows>
HWY_INLINE void panel_row_block(std::int64_t n, std::int64_t k, Rows a, const real* panels, real* c, std::int64_t ldc,
                                bool add) {
  const std::int64_t panel = 2 * lanes();
  std::int64_t j = 0;
  for (; j + panel <= n; j += panel) {
    a.fetch(k);
    panel_block<R, 2>(k, a, panels + j * k, c + j, ldc, add, lanes());
  }
  if (n - j > lanes())
    panel_block<R, 2>(k, a, panels + j * k, c + j, ldc, add, n - j - lanes());
  else if (n > j)
    panel_block<R, 1>(k, a, panels + j * k, c + j, ldc, add, n - j);
}

void panel_tile(const PanelProduct& product, const PanelTile& tile, real* scratch) {
  const std::int64_t m = tile.row_end - tile.row_begin, n = tile.column_end - tile.column_begin, ldc = product.ldc;
  const Strided all_a{product.a + tile.row_begin * product.a_row, product.a_row, product.a_column};
  const Strided all_b{product.b + tile.column_begin * product.b_column, product.b_row, product.b_column};
  const std::int64_t panels = (n + 2 * lanes() - 1) / (2 * lanes());
  real* c = product.c + tile.row_begin * ldc + tile.column_begin;
  for (std::int64_t p = 0; p < product.k; p += product.depth) {
    const std::int64_t k = std::min(product.depth, product.k - p), next = std::min(product.depth, product.k - p - k);
    const bool add = product.add || p > 0;
    const Strided a = all_a.from_column(p), b = all_b.from_row(p);
    pack_panels(b, k, n, scratch);
    const Strided next_b = all_b.from_row(p + k);
    Ahead ahead{{}, {next_b.data, b.row_step, next, n}, 0};
    if (b.column_step != 1) ahead.b = {next_b.data, b.column_step, n, next};
    std::int64_t i = 0;
    if (product.a_row == 1) {
      constexpr int R = kPackedRows;
      ahead.a = {all_a.from_column(p + k).data, a.column_step, next, m};
      ahead.calls = panels * ((m + R - 1) / R);
      real* packed = scratch + product.depth * panels_width(n);
      const std::int64_t block = k * R + kLine;  // blocks must not share the cache's sets
      pack_rows(a, m, k, block, packed);
      for (; i + R <= m; i += R, packed += block)
        panel_row_block<R>(n, k, PackedRows{packed, R, &ahead}, scratch, c + i * ldc, ldc, add);
      for (; i < m; ++i, ++packed)
        panel_row_block<1>(n, k, PackedRows{packed, R, &ahead}, scratch, c + i * ldc, ldc, add);
      continue;
    }
    ahead.calls = panels * ((m + kRows - 1) / kRows);
    const auto rows = [&](auto count) HWY_ATTR {
      constexpr int R = decltype(count)::value;
      for (; i + R <= m; i += R)
        panel_row_block<R>(n, k, PlainRows<R>(a.from_row(i), &ahead, panels), scratch, c + i * ldc, ldc, add);
    };
    rows(std::integral_constant<int, kRows>());
    rows(std::integral_constant<int, 4>());
    rows(std::integral_constant<int, 1>());
  }
}

}  // namespace normscope::NORMSCOPE_REAL_NAMESPACE::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();
#if HWY_ONCE
namespace normscope::NORMSCOPE_REAL_NAMESPACE {
HWY_EXPORT(panel_tile);
namespace kernels {
void panel_tile(const PanelProduct& product, const PanelTile& tile, real* scratch) {
  HWY_DYNAMIC_DISPATCH(panel_tile)(product, tile, scratch);
}
}  // namespace kernels
}  // namespace normscope::NORMSCOPE_REAL_NAMESPACE
#endif
