#include <cblas.h>
#include <oneapi/dnnl/dnnl.h>

#include <algorithm>

#include "core/parallel.h"
#include <normscope/core/tensor.h>

#include "kernels/kernels.h"
#include "kernels/panel_gemm.h"

NORMSCOPE_BEGIN
namespace kernels {

namespace {

#if defined(NORMSCOPE_FLOAT64)
void product(GemmBackend, bool ta, bool tb, std::int64_t m, std::int64_t n, std::int64_t k, const double* a,
             std::int64_t lda, const double* b, std::int64_t ldb, double beta, double* c, std::int64_t ldc) {
  cblas_dgemm(CblasRowMajor, ta ? CblasTrans : CblasNoTrans, tb ? CblasTrans : CblasNoTrans, static_cast<int>(m),
              static_cast<int>(n), static_cast<int>(k), 1.0, a, static_cast<int>(lda), b, static_cast<int>(ldb), beta,
              c, static_cast<int>(ldc));
}
#else
void product(GemmBackend backend, bool ta, bool tb, std::int64_t m, std::int64_t n, std::int64_t k, const float* a,
             std::int64_t lda, const float* b, std::int64_t ldb, float beta, float* c, std::int64_t ldc) {
  if (backend == GemmBackend::onednn) {
    dnnl_sgemm(ta ? 'T' : 'N', tb ? 'T' : 'N', m, n, k, 1.0f, a, lda, b, ldb, beta, c, ldc);
    return;
  }
  cblas_sgemm(CblasRowMajor, ta ? CblasTrans : CblasNoTrans, tb ? CblasTrans : CblasNoTrans, static_cast<int>(m),
              static_cast<int>(n), static_cast<int>(k), 1.0f, a, static_cast<int>(lda), b, static_cast<int>(ldb), beta,
              c, static_cast<int>(ldc));
}
#endif

/// Products of fewer multiply-adds stay on one thread: forking costs more than it saves.
constexpr std::int64_t kSmall = std::int64_t{1} << 17;

/// Rows of C in a tile: about 96, an even number of tiles, multiples of 8. Depends on the shape alone, because the
/// library's order of summation may depend on it.
std::int64_t tile_rows(std::int64_t m, std::int64_t n, std::int64_t k) {
  if (m < 16 || m * n * k < kSmall) return m;
  std::int64_t tiles = std::max<std::int64_t>(2, (m + 48) / 96);
  tiles += tiles % 2;
  return rounded_up(parts(m, tiles), 8);
}

/// The largest tiles, from how many rows of C on they are split by rows first, and how much of K is summed at a time.
/// Panels of B stay in the second-level cache; of a narrow product the tile of C does, which is read again for each
/// part of K. The best of those tried with operands in memory, on Zen 4; packed rows on Intel.
struct TileSizes {
  std::int64_t rows, columns, split_from, depth;
};
constexpr TileSizes kNarrow{192, 256, 96, kNarrowDepth};
constexpr TileSizes kRowsPacked{2048, 384, 48, 384};
constexpr TileSizes kRowsPlain{2048, 256, 48, 384};

/// Cuts C into tiles, one for each thread or more where there are enough rows. Tiles do not change the sums; depth
/// does, and depends on the shape alone.
void panel_gemm(Engine& engine, PanelProduct product, std::int64_t m, std::int64_t n) {
  const bool narrow = product.narrow();
  const TileSizes& sizes = narrow ? kNarrow : product.a_row == 1 ? kRowsPacked : kRowsPlain;
  const int threads = m * n * product.k < kSmall ? 1 : engine.team().size();
  product.depth = parts(product.k, parts(product.k, sizes.depth));
  std::int64_t down = parts(m, sizes.rows), across = parts(n, sizes.columns);
  // Threads that write parts of the same rows take each other's cache lines: split by rows where there are enough.
  std::int64_t& split = m >= sizes.split_from || n < 2 * kPanelColumns ? down : across;
  split = rounded_up(split, threads);
  const std::int64_t height = rounded_up(parts(m, down), kPanelRows);
  const std::int64_t width = rounded_up(parts(n, across), kPanelColumns);
  down = parts(m, height), across = parts(n, width);
  const auto& buffers =
      engine.workspace(static_cast<std::size_t>(panel_scratch(product, height, width)) * sizeof(real));
  const auto work = [&](std::int64_t tile) {
    const std::int64_t i = tile / across * height, j = tile % across * width;
    panel_tile(product, {i, std::min(i + height, m), j, std::min(j + width, n)}, buffers.of<real>(Team::index()));
  };
  parallel_tiles(engine, down * across, work, threads);
}

/// Threads are ours, never OpenBLAS's: one thread a call keeps the order of summation fixed.
void quiet_openblas() {
  static const bool done = (openblas_set_num_threads(1), true);
  (void)done;
}

}  // namespace

void gemm(Engine& engine, bool transpose_a, bool transpose_b, std::int64_t m, std::int64_t n, std::int64_t k,
          const real* a, std::int64_t lda, const real* b, std::int64_t ldb, real beta, real* c, std::int64_t ldc) {
  if (m == 0 || n == 0) return;
  if (k == 0) {
    if (beta == 0 && !engine.dry())
      for (std::int64_t i = 0; i < m; ++i) std::fill_n(c + i * ldc, n, real{0});
    return;
  }
  if (engine.gemm() == GemmBackend::highway) {
    panel_gemm(engine,
               {k, k, a, transpose_a ? 1 : lda, transpose_a ? lda : 1, b, transpose_b ? 1 : ldb, transpose_b ? ldb : 1,
                c, ldc, beta != 0},
               m, n);
    return;
  }
  quiet_openblas();
  const std::int64_t rows = tile_rows(m, n, k);
  parallel_ranges(engine, m, rows, [&](std::int64_t begin, std::int64_t end) {
    product(engine.gemm(), transpose_a, transpose_b, end - begin, n, k, a + (transpose_a ? begin : begin * lda), lda, b,
            ldb, beta, c + begin * ldc, ldc);
  });
}

}  // namespace kernels
NORMSCOPE_END
