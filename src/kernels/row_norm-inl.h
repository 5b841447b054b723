// The driver of row normalizations: loops, gain, bias, residual addition and parameter gradients, written once. A norm
// file names itself in NORM_FILE, includes this, and supplies a struct of row arithmetic (see src/norms/rmsnorm.cpp);
// it is compiled once for each instruction set.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE NORM_FILE
#include <hwy/foreach_target.h>

#include <hwy/cache_control.h>

#include "kernels/math-inl.h"
#include "kernels/row_norm.h"

#if defined(NORMSCOPE_ROW_NORM_INL) == defined(HWY_TARGET_TOGGLE)
#ifdef NORMSCOPE_ROW_NORM_INL
#undef NORMSCOPE_ROW_NORM_INL
#else
#define NORMSCOPE_ROW_NORM_INL
#endif

HWY_BEFORE_NAMESPACE();
namespace normscope::NORMSCOPE_REAL_NAMESPACE::HWY_NAMESPACE {

using RowNormOptions = kernels::RowNormOptions;

/// What a vector of the row adds to two running sums: `plain` to the first, `left` times `right` to the second.
struct Terms {
  V plain, left, right;
};

/// The two sums, each in four parts, for for_vectors_by_four().
struct Sums {
  V plain[4], product[4];
  HWY_INLINE Sums() {}  // spelled out: an implied one would be compiled for the base instruction set
  HWY_INLINE void add(int k, std::int64_t count, const Terms& t) {
    plain[k] += count == lanes() ? t.plain : keep_some(t.plain, count);
    product[k] = fma(count == lanes() ? t.left : keep_some(t.left, count),
                     count == lanes() ? t.right : keep_some(t.right, count), product[k]);
  }
  HWY_INLINE void means(real part, real* a, real* b) const {
    sum_lanes((plain[0] + plain[1]) + (plain[2] + plain[3]), (product[0] + product[1]) + (product[2] + product[3]), a,
              b);
    *a *= part;
    *b *= part;
  }
};

/// One row, for the statistics.
struct Row {
  const real* x;
  std::int64_t width;
  real part;  ///< 1 / width: divisions are slow

  HWY_INLINE Row(const real* data, std::int64_t n) : x(data), width(n), part(1 / static_cast<real>(n)) {}
  /// The row's first k entries.
  HWY_INLINE Row first(std::int64_t k) const { return {x, k}; }
  /// Means over the row of what f(V) returns: a of the plain terms, b of the products.
  template <class F>
  HWY_INLINE void means(F f, real* a, real* b) const {
    Sums sums;
    for_vectors_by_four(width, [&](std::int64_t i, std::int64_t count, int k)
                                   HWY_ATTR { sums.add(k, count, f(load_n(x + i, count))); });
    sums.means(part, a, b);
  }
};

/// What every row arithmetic has unless it says otherwise.
struct RowDefaults {
  /// Gradient of the norm's own trained scalar from the means of terms(), summed over the row.
  HWY_INLINE double scalar_gradient(real, real, std::int64_t) const { return 0; }
};

/// `count` lanes; past the caches for whole vectors at aligned places.
HWY_INLINE void put(bool past_caches, V x, real* p, std::int64_t count) {
  if (past_caches)
    stream(x, p);
  else
    store_n(x, p, count);
}

template <class N>
HWY_INLINE void forward_rows(const kernels::RowNormForward& call, std::int64_t begin, std::int64_t end) {
  const std::int64_t width = call.width;
  const real *gain = call.gain, *bias = call.bias;  // read once: a store of vectors might alias the call
  const bool streams = call.stream;
  const RowNormOptions options = call.options;  // these too
  Row row(nullptr, width);
  for (std::int64_t r = begin; r < end; ++r) {
    const real* x = call.x + r * width;
    if (call.f) {
      const real* f = call.f + r * width;
      real* h = call.h + r * width;
      for_vectors(width, [&](std::int64_t i, std::int64_t count)
                             HWY_ATTR { store_n(load_n(x + i, count) + load_n(f + i, count), h + i, count); });
      x = h;
    }
    row.x = x;
    const N norm = N::of(row, options);
    std::memcpy(call.statistics + r * static_cast<std::int64_t>(sizeof(N) / sizeof(real)), &norm, sizeof(N));
    real* y = call.y + r * width;
    for_vectors(width, [&](std::int64_t i, std::int64_t count) HWY_ATTR {
      V n = norm.value(load_n(x + i, count));
      if (gain) n = bias ? fma(n, load_n(gain + i, count), load_n(bias + i, count)) : n * load_n(gain + i, count);
      put(streams, n, y + i, count);
    });
  }
  if (streams) hwy::FlushStream();
}

template <class N>
HWY_INLINE void backward_rows(const kernels::RowNormBackward& call, std::int64_t begin, std::int64_t end) {
  const std::int64_t width = call.width;
  const real part = 1 / static_cast<real>(width);
  const real* gain = call.gain;
  real *dgain = call.dgain, *dbias = call.dbias;
  const bool add = call.add, streams = call.stream;
  for (std::int64_t r = begin; r < end; ++r) {
    N norm;
    std::memcpy(static_cast<void*>(&norm), call.statistics + r * static_cast<std::int64_t>(sizeof(N) / sizeof(real)),
                sizeof(N));
    const real *x = call.h + r * width, *dy = call.dy + r * width;
    real* dh = call.dh + r * width;
    Sums sums;
    for_vectors_by_four(width, [&](std::int64_t i, std::int64_t count, int k) HWY_ATTR {
      const V xi = load_n(x + i, count), dyi = load_n(dy + i, count);
      sums.add(k, count, norm.terms(xi, gain ? dyi * load_n(gain + i, count) : dyi));
      if (dgain) store_n(fma(dyi, norm.value(xi), load_n(dgain + i, count)), dgain + i, count);
      if (dbias) store_n(dyi + load_n(dbias + i, count), dbias + i, count);
    });
    real a, b;
    sums.means(part, &a, &b);
    if (call.dscalar) *call.dscalar += norm.scalar_gradient(a, b, width);
    const V va(a), vb(b);
    for_vectors(width, [&](std::int64_t i, std::int64_t count) HWY_ATTR {
      const V dyi = load_n(dy + i, count);
      const V dn = gain ? dyi * load_n(gain + i, count) : dyi;
      const V g = norm.gradient(load_n(x + i, count), dn, va, vb);
      put(streams, add ? g + load_n(dh + i, count) : g, dh + i, count);
    });
  }
  if (streams) hwy::FlushStream();
}

}  // namespace normscope::NORMSCOPE_REAL_NAMESPACE::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#undef ROW_NORM_BEGIN
#undef ROW_NORM_END
#undef ROW_NORM_EXPORT
#undef ROW_NORM_ONCE
#define ROW_NORM_ONCE HWY_ONCE
/// Around the struct of row arithmetic. The pragma comes last: g++ 14 drops what follows one in the same macro.
#define ROW_NORM_BEGIN                                           \
  namespace normscope::NORMSCOPE_REAL_NAMESPACE::HWY_NAMESPACE { \
  HWY_BEFORE_NAMESPACE();
#define ROW_NORM_END(N)                                                                           \
  void N##_forward(const kernels::RowNormForward& call, std::int64_t begin, std::int64_t end) {   \
    forward_rows<N>(call, begin, end);                                                            \
  }                                                                                               \
  void N##_backward(const kernels::RowNormBackward& call, std::int64_t begin, std::int64_t end) { \
    backward_rows<N>(call, begin, end);                                                           \
  }                                                                                               \
  constexpr std::int64_t N##_statistics = sizeof(N) / sizeof(real);                               \
  }                                                                                               \
  HWY_AFTER_NAMESPACE();
/// In `#if ROW_NORM_ONCE`, inside the library's namespace: defines N_kernel(). The instruction set is chosen at each
/// call: a pointer taken while the table of norms is made would choose again, by slow CPUID, whenever it is called.
#define ROW_NORM_EXPORT(N)                                                                   \
  HWY_EXPORT(N##_forward);                                                                   \
  HWY_EXPORT(N##_backward);                                                                  \
  static kernels::RowNormKernel N##_kernel() {                                               \
    return {HWY_STATIC_DISPATCH(N##_statistics),                                             \
            [](const kernels::RowNormForward& call, std::int64_t begin, std::int64_t end) {  \
              HWY_DYNAMIC_DISPATCH(N##_forward)(call, begin, end);                           \
            },                                                                               \
            [](const kernels::RowNormBackward& call, std::int64_t begin, std::int64_t end) { \
              HWY_DYNAMIC_DISPATCH(N##_backward)(call, begin, end);                          \
            }};                                                                              \
  }
#endif
