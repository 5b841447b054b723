#pragma once
// Work is split into tiles whose borders depend on the shape alone, never on the number of threads, so that sums come
// out the same on any number of them.
#include <cstdint>

#include <immintrin.h>

namespace normscope {

/// Flushes denormals to zero on this thread, restores the old mode when it goes. Slow denormals appear in Adam's
/// second moments; every thread that computes runs under this guard.
class FlushDenormals {
 public:
  FlushDenormals() : old_(_mm_getcsr()) { _mm_setcsr(old_ | 0x8040u); }  // FTZ | DAZ
  ~FlushDenormals() { _mm_setcsr(old_); }
  FlushDenormals(const FlushDenormals&) = delete;
  FlushDenormals& operator=(const FlushDenormals&) = delete;

 private:
  unsigned old_;
};

/// Calls work(tile) for every tile in [0, tiles), on up to `threads` OpenMP threads; on none (an engine that only
/// plans) there is nothing to do. `work` must not throw.
template <class Work>
void parallel_tiles(std::int64_t tiles, int threads, const Work& work) {
  if (threads <= 0) return;
  if (threads == 1 || tiles <= 1) {
    const FlushDenormals guard;
    for (std::int64_t tile = 0; tile < tiles; ++tile) work(tile);
    return;
  }
#pragma omp parallel num_threads(threads)
  {
    const FlushDenormals guard;
#pragma omp for schedule(static) nowait  // the region's end waits anyway
    for (std::int64_t tile = 0; tile < tiles; ++tile) work(tile);
  }
}

/// The same for a range of n items in tiles of `step`: work(begin, end).
template <class Work>
void parallel_ranges(std::int64_t n, std::int64_t step, int threads, const Work& work) {
  parallel_tiles((n + step - 1) / step, threads, [&](std::int64_t tile) {
    const std::int64_t begin = tile * step;
    work(begin, begin + step < n ? begin + step : n);
  });
}

}  // namespace normscope
