// The driver of row normalizations: loops, gain, bias, residual addition and parameter gradients, written once. A norm
// file names itself in NORM_FILE, includes this, and supplies a struct of row arithmetic (see src/norms/rmsnorm.cpp);
// it is compiled once for each instruction set.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE NORM_FILE
#include <hwy/foreach_target.h>

#include <hwy/cache_control.h>

#include <new>

#include "kernels/math-inl.h"
#include "kernels/row_norm.h"

#if defined(NORMSCOPE_ROW_NORM_INL) == defined(HWY_TARGET_TOGGLE)
#ifdef NORMSCOPE_ROW_NORM_INL
#undef NORMSCOPE_ROW_NORM_INL
#else
#define NORMSCOPE_ROW_NORM_INL
#endif

HWY_BEFORE_NAMESPACE();
NORMSCOPE_BEGIN
namespace HWY_NAMESPACE {

using kernels::RowNormBackward, kernels::RowNormForward, kernels::RowNormOptions;

/// What a vector of the row adds to two running sums: `plain` to the first, `left` times `right` to the second.
struct Terms {
  V plain, left, right;
};

/// body(i, count, k) for every vector of a row. Of K vectors, k = 0 to K - 1, it is spelled out, so that what is
/// indexed by k can stay in registers; K = 0 stands for any width, k then runs from 0 to 3 in turn.
template <int K, class Body>
HWY_INLINE void for_row(std::int64_t width, Body body) {
  if constexpr (K == 0) {
    for_vectors_by_four(width, body);
  } else {
#pragma GCC unroll 8
    for (int k = 0; k < K; ++k) body(k * lanes(), lanes(), k);
  }
}
/// K vectors in registers. Not of V: the loop that its constructor makes of an array would put them in memory.
template <int K>
using Kept = hn::Vec<Lanes>[K > 0 ? K : 1];

/// The two sums, each in four parts. Of K vectors the first four begin them; with K = 0 they begin with zeros.
template <int K>
struct Sums {
  V plain[4], product[4];
  HWY_INLINE Sums() {}  // spelled out: an implied one would be compiled for the base instruction set
  HWY_INLINE void add(int k, std::int64_t count, const Terms& t) {
    if (K > 0 && k < 4) {
      plain[k] = t.plain;
      product[k] = t.left * t.right;
    } else {
      plain[k % 4] += count == lanes() ? t.plain : keep_some(t.plain, count);
      product[k % 4] = fma(count == lanes() ? t.left : keep_some(t.left, count),
                           count == lanes() ? t.right : keep_some(t.right, count), product[k % 4]);
    }
  }
  HWY_INLINE void means(real part, real* a, real* b) const {
    sum_lanes((plain[0] + plain[1]) + (plain[2] + plain[3]), (product[0] + product[1]) + (product[2] + product[3]), a,
              b);
    *a *= part;
    *b *= part;
  }
};

/// [width] that every row is added to: kept until finish(), or with K = 0 where it lies.
template <int K>
struct Total {
  real* to;
  std::int64_t width;
  Kept<K> kept;

  HWY_INLINE Total(real* p, std::int64_t n) : to(p), width(n) {
    if constexpr (K > 0) for_row<K>(width, [&](auto i, auto, int k) HWY_ATTR { kept[k] = load(to + i).v; });
  }
  HWY_INLINE void finish() const {  // no destructor: g++ 12 would keep what it reads in memory all the time
    if constexpr (K > 0) for_row<K>(width, [&](auto i, auto, int k) HWY_ATTR { store(kept[k], to + i); });
  }
  /// += a b
  HWY_INLINE void add(std::int64_t i, std::int64_t count, int k, V a, V b) {
    if constexpr (K > 0)
      kept[k] = fma(a, b, kept[k]).v;
    else
      store_n(fma(a, b, load_n(to + i, count)), to + i, count);
  }
};

/// What every row arithmetic has unless it says otherwise. The rest is its own: of(row, options) with the statistics;
/// value(d) = n; terms(x, n, dn), whose means over the row gradient(x, n, dn, mean plain, mean product) = dx needs. d
/// is x or, where centred, x + back; back is then one of the statistics, and of() may move it (Row).
struct RowDefaults {
  static constexpr bool centred = false;
  static constexpr real back = 0;
  /// Adds the gradients of the norm's own trained scalars, from the sums over the row of what terms() gives.
  HWY_INLINE void scalar_gradients(double, double, double*) const {}
};

/// r = 1 / sqrt(v + eps), or 1 / (sqrt(v) + eps) with eps outside, and q = -dr/dv 2 / r: r, or 1 / sqrt(v). A row of
/// zeros has q = 0: what it multiplies is 0 there.
struct Scale {
  real r, q;
};
HWY_INLINE Scale scale_of(real v, const RowNormOptions& o) {
  const auto eps = static_cast<real>(o.eps);
  if (!o.eps_outside) {
    const real r = 1 / std::sqrt(v + eps);
    return {r, r};
  }
  const real s = std::sqrt(v);
  return {1 / (s + eps), s > 0 ? 1 / s : 0};
}

/// d of `count` entries.
template <class N>
HWY_INLINE V load_centred(const real* x, std::int64_t count, real back) {
  return N::centred ? load_n(x, count) + V(back) : load_n(x, count);
}

/// One row, for the statistics: its d, of K vectors kept in registers.
template <class N, int K>
struct Row {
  const real* x;
  std::int64_t width;
  real part;  ///< 1 / width: divisions are slow
  real back;
  Kept<K> kept;

  HWY_INLINE Row(const real* row, std::int64_t n, real one_nth) : x(row), width(n), part(one_nth) { move(-x[0]); }
  HWY_INLINE void move(real to) {
    back = to;
    if constexpr (K > 0)
      for_row<K>(width, [&](auto i, auto count, int k) HWY_ATTR { kept[k] = load_centred<N>(x + i, count, back).v; });
  }
  HWY_INLINE V operator()(std::int64_t i, std::int64_t count, int k) const {
    if constexpr (K > 0)
      return kept[k];
    else
      return load_centred<N>(x + i, count, back);
  }
  /// Means over the row of what f(V) returns: a of the plain terms, b of the products.
  template <class F>
  HWY_INLINE void means(F f, real* a, real* b) const {
    Sums<K> sums;
    for_row<K>(width, [&](auto i, auto count, int k) HWY_ATTR { sums.add(k, count, f((*this)(i, count, k))); });
    sums.means(part, a, b);
  }
};

/// `count` lanes; past the caches for whole vectors at aligned places.
HWY_INLINE void put(bool past_caches, V x, real* p, std::int64_t count) {
  if (past_caches)
    stream(x, p);
  else
    store_n(x, p, count);
}

/// Walks along rows; `at` is the place of a row's first entry.
struct Walk {
  const std::int64_t width, group, skip;
  std::int64_t row, at, left;  ///< left: rows of the group
  HWY_INLINE Walk(const kernels::RowGroups& g, std::int64_t w, std::int64_t begin, std::int64_t end)
      : width(w), group(g.group), skip(g.step - g.group * w), row(begin), at(begin * w), left(end - begin) {
    if (group > 0) at += begin / group * skip, left = group - begin % group;
  }
  HWY_INLINE void next() {
    ++row, at += width;
    if (--left == 0) at += skip, left = group;
  }
};

// Stores of vectors might alias what a call points to, so what is needed in a row is read from it once.

template <class N, int K>
HWY_INLINE void forward_rows(const kernels::RowNormForward& call, std::int64_t begin, std::int64_t end) {
  const RowNormForward c = call;
  const real part = 1 / static_cast<real>(c.width);
  const bool streams = K == 0 && c.stream;
  N* statistics = reinterpret_cast<N*>(c.statistics);
  for (Walk walk(c.groups, c.width, begin, end); walk.row < end; walk.next()) {
    const real* x = c.x + walk.at;
    if (c.f) {
      const real* f = c.f + walk.at;
      real* h = c.h + walk.at;
      for_vectors(c.width, [&](std::int64_t i, std::int64_t count)
                               HWY_ATTR { store_n(load_n(x + i, count) + load_n(f + i, count), h + i, count); });
      x = h;
    }
    Row<N, K> row(x, c.width, part);
    const N norm = N::of(row, c.options);
    new (statistics + walk.row) N(norm);
    real* y = c.y + walk.at;
    for_row<K>(c.width, [&](auto i, auto count, int k) HWY_ATTR {
      V n = norm.value(row(i, count, k));
      if (K > 0 || c.gain)
        n = c.bias ? fma(n, load_n(c.gain + i, count), load_n(c.bias + i, count)) : n * load_n(c.gain + i, count);
      put(streams, n, y + i, count);
    });
  }
  if (streams) hwy::FlushStream();
}

template <class N, int K>
HWY_INLINE void backward_rows(const kernels::RowNormBackward& call, std::int64_t begin, std::int64_t end) {
  const RowNormBackward c = call;
  const real part = 1 / static_cast<real>(c.width);
  const bool streams = K == 0 && c.stream;
  const N* statistics = std::launder(reinterpret_cast<const N*>(c.statistics));
  Total<K> gain_total(c.dgain, c.width);
  for (Walk walk(c.groups, c.width, begin, end); walk.row < end; walk.next()) {
    const N norm = statistics[walk.row];
    const real *x = c.h + walk.at, *dy = c.dy + walk.at;
    real* dh = c.dh + walk.at;
    const auto value = [&](auto i, auto count)
                           HWY_ATTR { return norm.value(load_centred<N>(x + i, count, norm.back)); };
    const auto times_gain = [&](V dyi, auto i, auto count)
                                HWY_ATTR { return K > 0 || c.gain ? dyi * load_n(c.gain + i, count) : dyi; };
    Kept<K> n, dn;
    Sums<K> sums;
    for_row<K>(c.width, [&](auto i, auto count, int k) HWY_ATTR {
      const V dyi = load_n(dy + i, count), ni = value(i, count), dni = times_gain(dyi, i, count);
      if (c.dbias) store_n(load_n(c.dbias + i, count) + dyi, c.dbias + i, count);
      if (K > 0 || c.dgain) gain_total.add(i, count, k, dyi, ni);
      if constexpr (K > 0)
        n[k] = ni.v, dn[k] = dni.v;
      else
        sums.add(k, count, norm.terms(load_n(x + i, count), ni, dni));
    });
    if constexpr (K > 0)  // once dy is needed no more: all of it together would not fit in the registers
      for_row<K>(c.width, [&](auto i, auto count, int k)
                              HWY_ATTR { sums.add(k, count, norm.terms(load_n(x + i, count), n[k], dn[k])); });
    real a, b;
    sums.means(part, &a, &b);
    if (c.dscalars) {
      const auto width = static_cast<double>(c.width);
      norm.scalar_gradients(width * static_cast<double>(a), width * static_cast<double>(b), c.dscalars);
    }
    const V mean_plain(a), mean_product(b);
    for_row<K>(c.width, [&](auto i, auto count, int k) HWY_ATTR {
      V dx;
      if constexpr (K > 0)
        dx = norm.gradient(load_n(x + i, count), n[k], dn[k], mean_plain, mean_product);
      else
        dx = norm.gradient(load_n(x + i, count), value(i, count), times_gain(load_n(dy + i, count), i, count),
                           mean_plain, mean_product);
      put(streams, c.add ? dx + load_n(dh + i, count) : dx, dh + i, count);
    });
  }
  gain_total.finish();
  if (streams) hwy::FlushStream();
}

/// body(K) with the number of vectors in a row where they can stay in registers, else with 0.
template <class Body>
HWY_INLINE void with_vectors(std::int64_t width, bool can, Body body) {
  if (can && width == 4 * lanes()) return body(std::integral_constant<int, 4>());
  if (can && width == 8 * lanes()) return body(std::integral_constant<int, 8>());
  body(std::integral_constant<int, 0>());
}

}  // namespace HWY_NAMESPACE
NORMSCOPE_END
HWY_AFTER_NAMESPACE();

#undef ROW_NORM_BEGIN
#undef ROW_NORM_END
#undef ROW_NORM_EXPORT
#undef ROW_NORM_ONCE
#define ROW_NORM_ONCE HWY_ONCE
/// Around the struct of row arithmetic. The pragma comes last: g++ 14 drops what follows one in the same macro.
#define ROW_NORM_BEGIN      \
  NORMSCOPE_BEGIN           \
  namespace HWY_NAMESPACE { \
  HWY_BEFORE_NAMESPACE();
#define ROW_NORM_END(N)                                                                           \
  void N##_forward(const kernels::RowNormForward& call, std::int64_t begin, std::int64_t end) {   \
    with_vectors(call.width, call.gain && !call.stream,                                           \
                 [&](auto k) HWY_ATTR { forward_rows<N, k()>(call, begin, end); });               \
  }                                                                                               \
  void N##_backward(const kernels::RowNormBackward& call, std::int64_t begin, std::int64_t end) { \
    with_vectors(call.width, !call.stream && call.dgain && call.gain,                             \
                 [&](auto k) HWY_ATTR { backward_rows<N, k()>(call, begin, end); });              \
  }                                                                                               \
  constexpr std::int64_t N##_statistics = sizeof(N) / sizeof(real);                               \
  }                                                                                               \
  NORMSCOPE_END                                                                                   \
  HWY_AFTER_NAMESPACE();
/// In `#if ROW_NORM_ONCE`, inside the library's namespace: defines the function `kernel`. The instruction set is chosen
/// at each call: a pointer taken while the table of norms is made would choose again, by slow CPUID, whenever it is
/// called.
#define ROW_NORM_EXPORT(N, kernel)                                                           \
  HWY_EXPORT(N##_forward);                                                                   \
  HWY_EXPORT(N##_backward);                                                                  \
  kernels::RowNormKernel kernel() {                                                          \
    return {HWY_STATIC_DISPATCH(N##_statistics),                                             \
            [](const kernels::RowNormForward& call, std::int64_t begin, std::int64_t end) {  \
              HWY_DYNAMIC_DISPATCH(N##_forward)(call, begin, end);                           \
            },                                                                               \
            [](const kernels::RowNormBackward& call, std::int64_t begin, std::int64_t end) { \
              HWY_DYNAMIC_DISPATCH(N##_backward)(call, begin, end);                          \
            }};                                                                              \
  }
#endif
