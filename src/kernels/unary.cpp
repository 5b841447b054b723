// Elementwise functions: value and slope of each stand together; unary.def lists them.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/unary.cpp"
#include <hwy/foreach_target.h>

#include <limits>

#include "kernels/math-inl.h"

HWY_BEFORE_NAMESPACE();
NORMSCOPE_BEGIN
namespace HWY_NAMESPACE {

constexpr double kInvSqrt2 = 0.70710678118654752440, kInvSqrt2Pi = 0.39894228040143267794;
constexpr double kGeluTanh = 0.79788456080286535588, kTwoOverSqrtPi = 1.12837916709551257390;

constexpr real kInfinity = std::numeric_limits<real>::infinity();

/// f(x) and f'(x).
struct Curve {
  V value, slope;
};

struct gelu_function {
#if defined(NORMSCOPE_FLOAT64)
  HWY_INLINE static Curve at(V x) {
    const V e = exp(V(-0.5) * x * x);
    return from(x, erf(x * V(kInvSqrt2), e), e);
  }
#else
  HWY_INLINE static Curve at(V x) {
    const V z = x * x;
    const Curve inner = near_zero(x, z);
    if (all_less(z, V(2))) return inner;  // most vectors of an MLP
    const V e = exp(V(-0.5) * z);
    const Curve outer = from(x, erf_tail(x * V(kInvSqrt2), e), e);
    return {where_less(z, V(2), inner.value, outer.value), where_less(z, V(2), inner.slope, outer.slope)};
  }
  /// For z = x^2 < 2: 1/2 + x P(z) and 1/2 + x Q(z), least-squares fits (errors 9e-9 and 4e-9, a third of a rounding).
  HWY_INLINE static Curve near_zero(V x, V z) {
    V p = fma(V(-6.03694494182e-6), z, V(1.07635456004e-4));
    p = fma(p, z, V(-0.00117840063197));
    p = fma(p, z, V(0.00996851011709));
    p = fma(p, z, V(-0.0664891495985));
    p = fma(p, z, V(0.398942194707));
    V q = fma(V(5.5386718894e-6), z, V(-1.03054583572e-4));
    q = fma(q, z, V(0.00113944174824));
    q = fma(q, z, V(-0.00948683616737));
    q = fma(q, z, V(0.0598365147167));
    q = fma(q, z, V(-0.265960646041));
    q = fma(q, z, V(0.797884515111));
    return {x * fma(x, p, V(0.5)), fma(x, q, V(0.5))};
  }
#endif
  /// From erf(x / sqrt 2) and e = exp(-x^2 / 2).
  HWY_INLINE static Curve from(V x, V erf, V e) {
    const V cdf = V(0.5) * (V(1) + erf);
    return {x * cdf, fma(x, V(kInvSqrt2Pi) * e, cdf)};
  }
};
struct gelu_tanh_function {
  HWY_INLINE static Curve at(V x) {
    const V t = tanh(V(kGeluTanh) * x * fma(V(0.044715), x * x, V(1)));
    const V inner_slope = V(kGeluTanh) * fma(V(3 * 0.044715), x * x, V(1));
    return {V(0.5) * x * (V(1) + t), V(0.5) * (V(1) + t + x * (V(1) - t * t) * inner_slope)};
  }
};
struct silu_function {
  HWY_INLINE static Curve at(V x) {
    const V s = V(1) / (V(1) + exp(-x));
    return {x * s, s * (V(1) + x * (V(1) - s))};
  }
};
struct relu_function {
  HWY_INLINE static Curve at(V x) { return {keep_nan(x, max(x, V(0))), where_less(V(0), x, V(1), V(0))}; }
};
struct tanh_function {
  HWY_INLINE static Curve at(V x) {
    const V y = tanh(x);
    return {y, V(1) - y * y};
  }
};
struct exp_function {
  HWY_INLINE static Curve at(V x) {
    const V y = exp(x);
    return {y, y};
  }
};
struct log_function {
  HWY_INLINE static Curve at(V x) {
    const V outside = where_less(x, V(0), V(std::numeric_limits<real>::quiet_NaN()), -V(kInfinity));
    return {keep_nan(x, where_less(V(0), x, where_less(x, V(kInfinity), log(x), x), outside)), V(1) / x};
  }
};
struct sigmoid_function {
  HWY_INLINE static Curve at(V x) {
    const V y = V(1) / (V(1) + exp(-x));
    return {y, y * (V(1) - y)};
  }
};
struct sin_function {
  HWY_INLINE static Curve at(V x) { return {keep_nan(x, hn::Sin(Lanes(), x.v)), keep_nan(x, hn::Cos(Lanes(), x.v))}; }
};
struct atan_function {
  HWY_INLINE static Curve at(V x) { return {keep_nan(x, hn::Atan(Lanes(), x.v)), V(1) / fma(x, x, V(1))}; }
};
struct erf_function {
  HWY_INLINE static Curve at(V x) {
    const V e = exp(-x * x);
    return {erf(x, e), V(kTwoOverSqrtPi) * e};
  }
};
struct sqrt_function {
  HWY_INLINE static Curve at(V x) {
    const V y = sqrt(x);
    return {y, V(0.5) / y};
  }
};
struct reciprocal_function {
  HWY_INLINE static Curve at(V x) {
    const V y = V(1) / x;
    return {y, -y * y};
  }
};
struct square_function {
  HWY_INLINE static Curve at(V x) { return {x * x, V(2) * x}; }
};
struct abs_function {
  HWY_INLINE static Curve at(V x) { return {abs(x), where_less(V(0), x, V(1), where_less(x, V(0), V(-1), V(0)))}; }
};
struct negate_function {
  HWY_INLINE static Curve at(V x) { return {-x, V(-1)}; }
};

template <class F>
HWY_INLINE void curve(const real* x, real* y, real* slope, std::int64_t n) {
  if (!slope) {
    for_vectors(n, [&](std::int64_t i, std::int64_t count)
                       HWY_ATTR { store_n(F::at(load_n(x + i, count)).value, y + i, count); });
    return;
  }
  for_vectors(n, [&](std::int64_t i, std::int64_t count) HWY_ATTR {
    const Curve c = F::at(load_n(x + i, count));
    store_n(c.value, y + i, count);
    store_n(c.slope, slope + i, count);
  });
}

#define UNARY(name, formula) \
  void name##_curve(const real* x, real* y, real* slope, std::int64_t n) { curve<name##_function>(x, y, slope, n); }
#include <normscope/core/unary.def>
#undef UNARY

}  // namespace HWY_NAMESPACE
NORMSCOPE_END
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
#include "core/parallel.h"

#include "kernels/kernels.h"

NORMSCOPE_BEGIN
#define UNARY(name, formula) HWY_EXPORT(name##_curve);
#include <normscope/core/unary.def>
#undef UNARY

namespace kernels {
#define UNARY(name, formula)                                                                         \
  void name(Engine& engine, const real* x, real* y, real* slope, std::int64_t n) {                   \
    const auto f = &HWY_DYNAMIC_DISPATCH(name##_curve);                                              \
    parallel_ranges(engine, n, kTileElements,                                                        \
                    [&](auto i, auto end) { f(x + i, y + i, slope ? slope + i : slope, end - i); }); \
  }
#include <normscope/core/unary.def>
#undef UNARY
}  // namespace kernels
NORMSCOPE_END
#endif
