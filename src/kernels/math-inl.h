// exp, tanh, erf on vectors, right for infinities and NaN too. Included like simd-inl.h.
#include "kernels/simd-inl.h"

#include <hwy/contrib/math/math-inl.h>

#include <limits>

#if defined(NORMSCOPE_MATH_INL) == defined(HWY_TARGET_TOGGLE)
#ifdef NORMSCOPE_MATH_INL
#undef NORMSCOPE_MATH_INL
#else
#define NORMSCOPE_MATH_INL
#endif

HWY_BEFORE_NAMESPACE();
NORMSCOPE_BEGIN
namespace HWY_NAMESPACE {

/// e^x. float: 2^n e^r, 0 <= r < ln 2 (a hair beyond, so that x = -1e-45 gives 1), e^r by a least-squares fit (relative
/// error 3e-9); zero below the smallest normal number. n + 127 stands in the last bits of `shifted`: adding 1.5 2^23
/// rounds there. double: Highway 1.0.3's Exp wraps around above its range and loses NaN; the ends are put right here.
HWY_INLINE V exp(V x) {
#if defined(NORMSCOPE_FLOAT64)
  const V top(709.79), bottom(-745.2);
  const V inner = hn::Exp(Lanes(), min(max(x, bottom), top).v);
  const V low = where_less(x, bottom, V(0), inner);
  return keep_nan(x, where_less(top, x, V(std::numeric_limits<real>::infinity()), low));
#else
  constexpr double kShift = 0x1.8p23 + 127;
  const V a = where_less(x, V(-87.5), V(-87.5), x);
  const V shifted = min(fma(a, V(1.44269504089), V(1.0 / 64 - 0.5)) + V(kShift), V(kShift + 127));
  const V n = shifted - V(kShift), r = fma(n, V(2.12194440055e-4), fma(n, V(-0.693359375), a));
  V p = fma(V(0.00191762053873), r, V(0.00785979349166));
  p = fma(p, r, V(0.0418600924313));
  p = fma(p, r, V(0.166630670428));
  p = fma(p, r, V(0.500002384186));
  p = fma(fma(p, r, V(1)), r, V(1));
  const auto exponent = hn::ShiftLeft<23>(hn::BitCast(hn::RebindToSigned<Lanes>(), shifted.v));
  return p * V(hn::BitCast(Lanes(), exponent));
#endif
}

/// ln x, x > 0 or NaN.
HWY_INLINE V log(V x) { return keep_nan(x, hn::Log(Lanes(), x.v)); }

/// tanh x. float: 1 - 2 / (e^2|x| + 1); near zero, where that cancels, x + x^3 P(x^2), a least-squares fit (error
/// 3e-9).
HWY_INLINE V tanh(V x) {
#if defined(NORMSCOPE_FLOAT64)
  return keep_nan(x, hn::Tanh(Lanes(), min(max(x, V(-30)), V(30)).v));
#else
  const V a = abs(x), z = x * x;
  V p = fma(V(-0.00589515546291), z, V(0.0207959692881));
  p = fma(p, z, V(-0.0537838295234));
  p = fma(p, z, V(0.13331924117));
  p = fma(p, z, V(-0.333332980017));
  const V large = copy_sign(V(1) - V(2) / (exp(a + a) + V(1)), x);
  return keep_nan(x, where_less(a, V(0.6), fma(x * z, p, x), large));
#endif
}

#if defined(NORMSCOPE_FLOAT64)
/// erf by the C library, lane by lane; `e` is not used.
HWY_INLINE V erf(V x, V) {
  HWY_ALIGN real buffer[HWY_MAX_BYTES / sizeof(real)];
  hn::Store(x.v, Lanes(), buffer);
  for (std::int64_t i = 0; i < lanes(); ++i) buffer[i] = std::erf(buffer[i]);
  return V(hn::Load(Lanes(), buffer));
}
#else
/// erf(x) where |x| >= 1, e = exp(-x^2): 1 - e Q(|x|), a least-squares fit made, like that below, with iteratively
/// reweighted Chebyshev nodes (error 1.4e-8).
HWY_INLINE V erf_tail(V x, V e) {
  const V a = min(abs(x), V(4.2));
  V q = fma(V(-0.000388884043787), a, V(0.00600512418896));
  q = fma(q, a, V(-0.0409981533885));
  q = fma(q, a, V(0.164133578539));
  q = fma(q, a, V(-0.431679457426));
  q = fma(q, a, V(0.792594611645));
  q = fma(q, a, V(-1.04821050167));
  q = fma(q, a, V(0.986127257347));
  return copy_sign(V(1) - e * q, x);
}
/// erf(x), e = exp(-x^2), which who needs erf often has; |x| < 1: x P(x^2) (error 1.2e-9).
HWY_INLINE V erf(V x, V e) {
  const V z = x * x;
  V p = fma(V(7.88906933695e-5), z, V(-0.00080208262567));
  p = fma(p, z, V(0.00518953365411));
  p = fma(p, z, V(-0.0268544437212));
  p = fma(p, z, V(0.112836001559));
  p = fma(p, z, V(-0.376126271342));
  p = fma(p, z, V(1.12837916591));
  return keep_nan(x, where_less(z, V(1), x * p, erf_tail(x, e)));
}
#endif
HWY_INLINE V erf(V x) {
  const V a = min(abs(x), V(4.2));  // no infinity times zero
  return erf(x, exp(-a * a));
}

}  // namespace HWY_NAMESPACE
NORMSCOPE_END
HWY_AFTER_NAMESPACE();
#endif
