// What the machine can give: multiply-adds that wait for nothing, and copying.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/roof.cpp"
#include <hwy/foreach_target.h>

#include "kernels/simd-inl.h"

#include "kernels/kernels.h"

HWY_BEFORE_NAMESPACE();
NORMSCOPE_BEGIN
namespace HWY_NAMESPACE {

/// 12 independent chains, more than any processor's latency times its units; returns the operations done.
double multiply_add_chains(std::int64_t rounds, real* out) {
  V sum[12];
  const V factor(real{0.5}), term(real{0.25});
  for (std::int64_t i = 0; i < rounds; ++i)
#pragma GCC unroll 12
    for (V& s : sum) s = fma(s, factor, term);
  V total;
  for (const V& s : sum) total += s;
  *out = static_cast<real>(sum_lanes(total));  // or the compiler leaves all of it out
  return 2.0 * 12 * static_cast<double>(rounds * lanes());
}

}  // namespace HWY_NAMESPACE
NORMSCOPE_END
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
#include <atomic>
#include <cstring>

#include "core/parallel.h"

NORMSCOPE_BEGIN
HWY_EXPORT(multiply_add_chains);

namespace kernels {
double multiply_adds(Engine& engine, std::int64_t rounds) {
  std::atomic<std::int64_t> operations{0};
  parallel_tiles(engine, engine.threads(), [&](std::int64_t) {
    real unused;
    operations += static_cast<std::int64_t>(HWY_DYNAMIC_DISPATCH(multiply_add_chains)(rounds, &unused));
  });
  return static_cast<double>(operations);
}

void copy(Engine& engine, const real* from, real* to, std::int64_t n) {
  parallel_ranges(engine, n, 16384, [&](std::int64_t begin, std::int64_t end) {
    std::memcpy(to + begin, from + begin, static_cast<std::size_t>(end - begin) * sizeof(real));
  });
}
}  // namespace kernels
NORMSCOPE_END
#endif
