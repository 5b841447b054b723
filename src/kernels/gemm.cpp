#include <cblas.h>
#include <oneapi/dnnl/dnnl.h>

#include <algorithm>

#include <normscope/parallel.h>

#include "kernels/kernels.h"

namespace normscope::NORMSCOPE_REAL_NAMESPACE::kernels {

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

/// Rows of C in a tile: about 96, an even number of tiles, multiples of 8. Depends on the shape alone, because the
/// library's order of summation may depend on it.
std::int64_t tile_rows(std::int64_t m, std::int64_t n, std::int64_t k) {
  if (m < 16 || m * n * k < (std::int64_t{1} << 17)) return m;  // forking costs more than it saves
  std::int64_t tiles = std::max<std::int64_t>(2, (m + 48) / 96);
  tiles += tiles % 2;
  return ((m + tiles - 1) / tiles + 7) / 8 * 8;
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
    if (beta == 0)
      for (std::int64_t i = 0; i < m; ++i) std::fill_n(c + i * ldc, n, real{0});
    return;
  }
  quiet_openblas();
  const std::int64_t rows = tile_rows(m, n, k);
  parallel_ranges(m, rows, engine.threads(), [&](std::int64_t begin, std::int64_t end) {
    product(engine.gemm(), transpose_a, transpose_b, end - begin, n, k, a + (transpose_a ? begin : begin * lda), lda, b,
            ldb, beta, c + begin * ldc, ldc);
  });
}

std::string onednn_version() {
  const dnnl_version_t* v = dnnl_version();
  return std::to_string(v->major) + "." + std::to_string(v->minor) + "." + std::to_string(v->patch);
}
bool openblas_spins() { return openblas_get_parallel() == 1; }
const char* openblas_core() { return openblas_get_corename(); }

}  // namespace normscope::NORMSCOPE_REAL_NAMESPACE::kernels
