#pragma once
// Our own matrix product, one tile at a time; gemm.cpp cuts the tiles.
#include <cstdint>

#include <normscope/precision.h>

namespace normscope::NORMSCOPE_REAL_NAMESPACE::kernels {

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
};
struct PanelTile {
  std::int64_t row_begin, row_end, column_begin, column_end;
};
inline constexpr std::int64_t kPanelColumns = 32, kPanelRows = 24;  ///< the largest a processor has
/// `scratch` holds depth * (the tile's columns and rows, each rounded up to the above) + 4 * rows reals.
void panel_tile(const PanelProduct& product, const PanelTile& tile, real* scratch);

}  // namespace normscope::NORMSCOPE_REAL_NAMESPACE::kernels
