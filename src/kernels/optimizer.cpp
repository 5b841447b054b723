// One pass over weights, gradients and moments.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/optimizer.cpp"
#include <hwy/foreach_target.h>

#include "kernels/simd-inl.h"

#include "kernels/kernels.h"

HWY_BEFORE_NAMESPACE();
NORMSCOPE_BEGIN
namespace HWY_NAMESPACE {

/// update(w, i, count) returns the new weights; squares of the old ones and of the change go into `sums`, in double
/// every 1024 elements.
template <class Update>
HWY_INLINE void update_range(real* w, std::int64_t n, double sums[2], Update update) {
  for (std::int64_t begin = 0; begin < n; begin += 1024) {
    V before, change;
    for_vectors(n - begin < 1024 ? n - begin : 1024, [&](std::int64_t k, std::int64_t count) HWY_ATTR {
      const std::int64_t i = begin + k;
      const V old = load_n(w + i, count);
      const V now = update(old, i, count);
      store_n(now, w + i, count);
      before = fma(old, old, before);
      change = fma(now - old, now - old, change);
    });
    sums[0] += sum_lanes(before);
    sums[1] += sum_lanes(change);
  }
}

/// Loshchilov & Hutter 2019 (1711.05101), eps outside the root, as PyTorch.
void adamw_range(const kernels::AdamW& o, real* w, const real* g, real* m, real* v, std::int64_t n, double sums[2]) {
  const V decay(static_cast<real>(-o.lr * o.weight_decay)), rate(static_cast<real>(-o.lr / o.correction1));
  const V root(static_cast<real>(1 / std::sqrt(o.correction2))), eps(static_cast<real>(o.eps));
  const V clip(static_cast<real>(o.clip)), b1(static_cast<real>(o.beta1)), b2(static_cast<real>(o.beta2));
  const V c1(static_cast<real>(1 - o.beta1)), c2(static_cast<real>(1 - o.beta2));
  update_range(w, n, sums, [&](V old, std::int64_t i, std::int64_t count) HWY_ATTR {
    const V gradient = load_n(g + i, count) * clip;
    const V first = fma(b1, load_n(m + i, count), c1 * gradient);
    const V second = fma(b2, load_n(v + i, count), c2 * gradient * gradient);
    store_n(first, m + i, count);
    store_n(second, v + i, count);
    // Not old (1 - lr decay): that factor, rounded, is off by as much in every step.
    return old + fma(decay, old, rate * first / fma(sqrt(second), root, eps));
  });
}

void sgd_range(const kernels::Sgd& o, real* w, const real* g, real* m, std::int64_t n, double sums[2]) {
  const V lr(static_cast<real>(o.lr)), momentum(static_cast<real>(o.momentum)),
      decay(static_cast<real>(o.weight_decay));
  const V clip(static_cast<real>(o.clip));
  update_range(w, n, sums, [&](V old, std::int64_t i, std::int64_t count) HWY_ATTR {
    const V gradient = fma(decay, old, load_n(g + i, count) * clip);
    const V velocity = fma(momentum, load_n(m + i, count), gradient);
    store_n(velocity, m + i, count);
    return old - lr * velocity;
  });
}

}  // namespace HWY_NAMESPACE
NORMSCOPE_END
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
NORMSCOPE_BEGIN
HWY_EXPORT(adamw_range);
HWY_EXPORT(sgd_range);

namespace kernels {
void adamw(const AdamW& options, real* w, const real* g, real* m, real* v, std::int64_t n, double sums[2]) {
  HWY_DYNAMIC_DISPATCH(adamw_range)(options, w, g, m, v, n, sums);
}
void sgd(const Sgd& options, real* w, const real* g, real* m, std::int64_t n, double sums[2]) {
  HWY_DYNAMIC_DISPATCH(sgd_range)(options, w, g, m, n, sums);
}
}  // namespace kernels
NORMSCOPE_END
#endif
