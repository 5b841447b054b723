#pragma once
// Our own matrix product, one tile at a time; gemm.cpp cuts the tiles.
#include <algorithm>
#include <cstdint>

#include "core/parallel.h"
#include <normscope/core/precision.h>

NORMSCOPE_BEGIN
namespace kernels {

/// Rows that lie so far apart share the sets of the first-level cache: they would push each other out.
inline bool crowded(std::int64_t step) { return step * static_cast<std::int64_t>(sizeof(real)) % 4096 == 0; }

inline constexpr std::int64_t kNarrowDepth = 64;  // of K summed at a time, at most, in a narrow product

/// C [M,N] (+)= A [M,K] B [K,N]. Element (i, j) of A is a[i * a_row + j * a_column], of B likewise; rows of C are ldc
/// apart. Sums run over `depth` of K at a time.
struct PanelProduct {
  std::int64_t k, depth;
  const real* a;
  std::int64_t a_row, a_column;
  const real* b;
  std::int64_t b_row, b_column;
  real* c;
  std::int64_t ldc;
  bool add;

  /// A^T B of short rows, read where they lie; wider ones gain from packing what is read more often.
  bool narrow() const {
    constexpr std::int64_t kWidest = 512;
    return a_row == 1 && b_column == 1 && std::max(a_column, b_row) <= kWidest && !crowded(a_column) && !crowded(b_row);
  }
};
struct PanelTile {
  std::int64_t row_begin, row_end, column_begin, column_end;
};
/// Rows computed at once; a multiple of the columns that any instruction set does; rows packed before they are
/// computed.
inline constexpr std::int64_t kPanelRows = 6, kPanelColumns = 64, kStripe = 96;
/// What panel_tile() needs for a tile of so many rows and columns, in reals: panels of B, and rows of A, a stripe of
/// them where they lie side by side, else a block. Narrow products pack nothing.
inline std::int64_t panel_scratch(const PanelProduct& product, std::int64_t rows, std::int64_t columns) {
  if (product.narrow()) return 0;
  const std::int64_t packed = product.a_row == 1 ? rounded_up(std::min(rows, kStripe), kPanelRows) : kPanelRows;
  return product.depth * (rounded_up(columns, kPanelColumns) + packed) + 32 * packed;
}
void panel_tile(const PanelProduct& product, const PanelTile& tile, real* scratch);

}  // namespace kernels
NORMSCOPE_END
