// Vectors of `real` for one instruction set. Included once for each target by Highway's foreach_target.h: a kernel file
// defines HWY_TARGET_INCLUDE, includes <hwy/foreach_target.h>, then this.
#include <hwy/highway.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>

#include <normscope/core/precision.h>

#if defined(NORMSCOPE_SIMD_INL) == defined(HWY_TARGET_TOGGLE)
#ifdef NORMSCOPE_SIMD_INL
#undef NORMSCOPE_SIMD_INL
#else
#define NORMSCOPE_SIMD_INL
#endif

HWY_BEFORE_NAMESPACE();
NORMSCOPE_BEGIN
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

using Lanes = hn::ScalableTag<real>;
HWY_INLINE std::int64_t lanes() { return static_cast<std::int64_t>(hn::Lanes(Lanes())); }

/// A vector, or a number in every lane.
struct V {
  hn::Vec<Lanes> v;
  HWY_INLINE V() : v(hn::Zero(Lanes())) {}
  HWY_INLINE V(hn::Vec<Lanes> vector) : v(vector) {}
  HWY_INLINE V(real number) : v(hn::Set(Lanes(), number)) {}
#if !defined(NORMSCOPE_FLOAT64)
  HWY_INLINE V(double number) : V(static_cast<real>(number)) {}
#endif
  HWY_INLINE V(int number) : V(static_cast<real>(number)) {}
};
HWY_INLINE V operator+(V a, V b) { return hn::Add(a.v, b.v); }
HWY_INLINE V operator-(V a, V b) { return hn::Sub(a.v, b.v); }
HWY_INLINE V operator*(V a, V b) { return hn::Mul(a.v, b.v); }
HWY_INLINE V operator/(V a, V b) { return hn::Div(a.v, b.v); }
HWY_INLINE V operator-(V a) { return hn::Neg(a.v); }
HWY_INLINE V& operator+=(V& a, V b) { return a = a + b; }
HWY_INLINE V fma(V a, V b, V c) { return hn::MulAdd(a.v, b.v, c.v); }  // a b + c
HWY_INLINE V abs(V a) { return hn::Abs(a.v); }
HWY_INLINE V sqrt(V a) { return hn::Sqrt(a.v); }
HWY_INLINE V max(V a, V b) { return hn::Max(a.v, b.v); }
HWY_INLINE V min(V a, V b) { return hn::Min(a.v, b.v); }
HWY_INLINE V copy_sign(V magnitude, V sign) { return hn::CopySign(magnitude.v, sign.v); }
/// a < b ? yes : no, lane by lane.
HWY_INLINE V where_less(V a, V b, V yes, V no) { return hn::IfThenElse(hn::Lt(a.v, b.v), yes.v, no.v); }
/// Whether a < b in every lane.
HWY_INLINE bool all_less(V a, V b) { return hn::AllTrue(Lanes(), hn::Lt(a.v, b.v)); }
/// x where x is NaN, else y.
HWY_INLINE V keep_nan(V x, V y) { return hn::IfThenElse(hn::Eq(x.v, x.v), y.v, x.v); }

HWY_INLINE V load(const real* p) { return hn::LoadU(Lanes(), p); }
HWY_INLINE void store(V x, real* p) { hn::StoreU(x.v, Lanes(), p); }
/// Past the caches: for a whole vector at an aligned place that nobody reads soon. hwy::FlushStream() before others
/// read it.
HWY_INLINE void stream(V x, real* p) { hn::Stream(x.v, Lanes(), p); }
constexpr std::int64_t kLine = 64 / sizeof(real);  // of the cache
/// n reals into the second-level cache. May point anywhere: what does not exist is not fetched.
HWY_INLINE void prefetch(const real* from, std::int64_t n) {
  for (std::int64_t i = 0; i < n; i += kLine) __builtin_prefetch(from + i, 0, 2);
}
/// The first `count` lanes, zeros behind; never touches memory beyond them.
HWY_INLINE V load_some(const real* p, std::int64_t count) {
#if HWY_MEM_OPS_MIGHT_FAULT
  HWY_ALIGN real buffer[HWY_MAX_BYTES / sizeof(real)] = {};
  std::memcpy(buffer, p, static_cast<std::size_t>(count) * sizeof(real));
  return hn::Load(Lanes(), buffer);
#else
  return hn::MaskedLoad(hn::FirstN(Lanes(), static_cast<std::size_t>(count)), Lanes(), p);
#endif
}
HWY_INLINE void store_some(V x, real* p, std::int64_t count) {
#if HWY_MEM_OPS_MIGHT_FAULT
  HWY_ALIGN real buffer[HWY_MAX_BYTES / sizeof(real)];
  hn::Store(x.v, Lanes(), buffer);
  std::memcpy(p, buffer, static_cast<std::size_t>(count) * sizeof(real));
#else
  hn::BlendedStore(x.v, hn::FirstN(Lanes(), static_cast<std::size_t>(count)), Lanes(), p);
#endif
}
/// x in the first `count` lanes, zero behind.
HWY_INLINE V keep_some(V x, std::int64_t count) {
  return hn::IfThenElseZero(hn::FirstN(Lanes(), static_cast<std::size_t>(count)), x.v);
}
/// `other` in the first `count` lanes, x behind.
HWY_INLINE V replace_first(V x, std::int64_t count, V other) {
  return count == 0 ? x : V(hn::IfThenElse(hn::FirstN(Lanes(), static_cast<std::size_t>(count)), other.v, x.v));
}
/// Sum of the lanes, in double.
HWY_INLINE double sum_lanes(V x) {
#if defined(NORMSCOPE_FLOAT64) || HWY_TARGET == HWY_SCALAR
  return static_cast<double>(hn::GetLane(hn::SumOfLanes(Lanes(), x.v)));
#else
  const hn::Rebind<double, hn::Half<Lanes> > wide;
  const auto low = hn::PromoteTo(wide, hn::LowerHalf(hn::Half<Lanes>(), x.v));
  const auto high = hn::PromoteTo(wide, hn::UpperHalf(hn::Half<Lanes>(), x.v));
  return hn::GetLane(hn::SumOfLanes(wide, hn::Add(low, high)));
#endif
}
#if HWY_TARGET != HWY_SCALAR
/// Sums of the even and of the odd lanes.
template <class D>
HWY_INLINE void sum_pairs(D d, hn::Vec<D> x, real* even, real* odd) {
  if constexpr (hn::MaxLanes(d) > 2) {
    const hn::Half<D> half;
    sum_pairs(half, hn::Add(hn::LowerHalf(half, x), hn::UpperHalf(half, x)), even, odd);
  } else {
    *even = hn::GetLane(x);
    *odd = hn::ExtractLane(x, 1);
  }
}
#endif
/// Sums of the lanes of a and of b, at little more than the price of one.
HWY_INLINE void sum_lanes(V a, V b, real* sum_a, real* sum_b) {
#if HWY_TARGET == HWY_SCALAR
  *sum_a = hn::GetLane(a.v), *sum_b = hn::GetLane(b.v);
#else
  sum_pairs(Lanes(), hn::Add(hn::InterleaveLower(Lanes(), a.v, b.v), hn::InterleaveUpper(Lanes(), a.v, b.v)), sum_a,
            sum_b);
#endif
}
HWY_INLINE real max_lanes(V x) { return hn::GetLane(hn::MaxOfLanes(Lanes(), x.v)); }
/// The largest of n >= 1 numbers.
HWY_INLINE real largest(const real* x, std::int64_t n) {
  if (n < lanes()) return *std::max_element(x, x + n);
  V top = load(x);
  std::int64_t i = lanes();
  for (; i + lanes() <= n; i += lanes()) top = max(top, load(x + i));
  return max_lanes(max(top, load(x + n - lanes())));  // the last vector may overlap the one before
}

/// body(offset, count): full vectors first (count = lanes), then what is left. Use load_n/store_n inside.
template <class Body>
HWY_INLINE void for_vectors(std::int64_t n, Body body) {
  const std::int64_t step = lanes();
  std::int64_t i = 0;
  for (; i + step <= n; i += step) body(i, step);
  if (i < n) body(i, n - i);
}
/// The same for sums: body(offset, count, k) with k = 0, 1, 2, 3 in turn, so that the additions to four sums need not
/// wait for each other.
template <class Body>
HWY_INLINE void for_vectors_by_four(std::int64_t n, Body body) {
  const std::int64_t step = lanes();
  std::int64_t i = 0;
  for (; i + 4 * step <= n; i += 4 * step) {
    body(i, step, 0);
    body(i + step, step, 1);
    body(i + 2 * step, step, 2);
    body(i + 3 * step, step, 3);
  }
  for (; i + step <= n; i += step) body(i, step, 0);
  if (i < n) body(i, n - i, 0);
}
HWY_INLINE V load_n(const real* p, std::int64_t count) { return count == lanes() ? load(p) : load_some(p, count); }
HWY_INLINE void store_n(V x, real* p, std::int64_t count) {
  if (count == lanes())
    store(x, p);
  else
    store_some(x, p, count);
}

}  // namespace HWY_NAMESPACE
NORMSCOPE_END
HWY_AFTER_NAMESPACE();
#endif
