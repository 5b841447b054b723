#pragma once
// Work is split into tiles. Where tiles decide how a sum is ordered their borders depend on the shape alone, so that it
// comes out the same on any number of threads.
#include <algorithm>
#include <cstdint>

#include <immintrin.h>

#include <normscope/core/engine.h>

namespace normscope {

/// How many pieces of `size` cover `extent`; `extent` rounded up to whole pieces.
inline std::int64_t parts(std::int64_t extent, std::int64_t size) { return (extent + size - 1) / size; }
inline std::int64_t rounded_up(std::int64_t extent, std::int64_t size) { return parts(extent, size) * size; }

/// Elements of a tile of elementwise work, and how many rows that is.
inline constexpr std::int64_t kTileElements = 8192;
inline std::int64_t rows_a_tile(std::int64_t width) {
  return std::max<std::int64_t>(1, kTileElements / std::max<std::int64_t>(width, 1));
}

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

/// Calls work(tile) for every tile in [0, tiles), on up to `threads` of the engine's threads (0: all), each an unbroken
/// part; on an engine that only plans there is nothing to do. `work` must not throw.
template <class Work>
void parallel_tiles(Engine& engine, std::int64_t tiles, const Work& work, int threads = 0) {
  if (engine.dry()) return;
  const int all = engine.threads();
  const std::int64_t share = std::min<std::int64_t>({threads > 0 ? threads : all, all, tiles});
  const auto part = [&](int k) {
    const FlushDenormals guard;
    for (std::int64_t tile = tiles * k / share; tile < tiles * (k + 1) / share; ++tile) work(tile);
  };
  if (share > 1)
    engine.team().run(static_cast<int>(share), part);
  else if (tiles > 0)
    part(0);
}

/// The same for a range of n items in tiles of `step`: work(begin, end).
template <class Work>
void parallel_ranges(Engine& engine, std::int64_t n, std::int64_t step, const Work& work) {
  parallel_tiles(engine, parts(n, step), [&](std::int64_t tile) {
    const std::int64_t begin = tile * step;
    work(begin, begin + step < n ? begin + step : n);
  });
}

}  // namespace normscope
