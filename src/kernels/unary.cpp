// Elementwise functions: value and gradient of each stand together; unary.def lists them.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/unary.cpp"
#include <hwy/foreach_target.h>

#include "kernels/math-inl.h"

HWY_BEFORE_NAMESPACE();
namespace normscope::NORMSCOPE_REAL_NAMESPACE::HWY_NAMESPACE {

constexpr double kInvSqrt2 = 0.70710678118654752440, kInvSqrt2Pi = 0.39894228040143267794;
constexpr double kGeluTanh = 0.79788456080286535588, kTwoOverSqrtPi = 1.12837916709551257390;

// gradient(x, y, dy) = dy f'(x), y = f(x)
struct gelu_function {
  HWY_INLINE static V value(V x) { return V(0.5) * x * (V(1) + erf(x * V(kInvSqrt2))); }
  HWY_INLINE static V gradient(V x, V, V dy) {
    const V e = exp(V(-0.5) * x * x), cdf = V(0.5) * (V(1) + erf(x * V(kInvSqrt2), e));
    return dy * fma(x, V(kInvSqrt2Pi) * e, cdf);
  }
};
struct gelu_tanh_function {
  HWY_INLINE static V inner(V x) { return tanh(V(kGeluTanh) * x * fma(V(0.044715), x * x, V(1))); }
  HWY_INLINE static V value(V x) { return V(0.5) * x * (V(1) + inner(x)); }
  HWY_INLINE static V gradient(V x, V, V dy) {
    const V t = inner(x), slope = V(kGeluTanh) * fma(V(3 * 0.044715), x * x, V(1));
    return dy * V(0.5) * (V(1) + t + x * (V(1) - t * t) * slope);
  }
};
struct silu_function {
  HWY_INLINE static V value(V x) { return x / (V(1) + exp(-x)); }
  HWY_INLINE static V gradient(V x, V, V dy) {
    const V s = V(1) / (V(1) + exp(-x));
    return dy * s * (V(1) + x * (V(1) - s));
  }
};
struct relu_function {
  HWY_INLINE static V value(V x) { return keep_nan(x, max(x, V(0))); }
  HWY_INLINE static V gradient(V x, V, V dy) { return where_less(V(0), x, dy, V(0)); }
};
struct tanh_function {
  HWY_INLINE static V value(V x) { return tanh(x); }
  HWY_INLINE static V gradient(V, V y, V dy) { return dy * (V(1) - y * y); }
};
struct exp_function {
  HWY_INLINE static V value(V x) { return exp(x); }
  HWY_INLINE static V gradient(V, V y, V dy) { return dy * y; }
};
struct erf_function {
  HWY_INLINE static V value(V x) { return erf(x); }
  HWY_INLINE static V gradient(V x, V, V dy) { return dy * V(kTwoOverSqrtPi) * exp(-x * x); }
};
struct sqrt_function {
  HWY_INLINE static V value(V x) { return sqrt(x); }
  HWY_INLINE static V gradient(V, V y, V dy) { return V(0.5) * dy / y; }
};
struct reciprocal_function {
  HWY_INLINE static V value(V x) { return V(1) / x; }
  HWY_INLINE static V gradient(V, V y, V dy) { return -dy * y * y; }
};
struct square_function {
  HWY_INLINE static V value(V x) { return x * x; }
  HWY_INLINE static V gradient(V x, V, V dy) { return V(2) * x * dy; }
};
struct abs_function {
  HWY_INLINE static V value(V x) { return abs(x); }
  HWY_INLINE static V gradient(V x, V, V dy) { return where_less(V(0), x, dy, where_less(x, V(0), -dy, V(0))); }
};
struct negate_function {
  HWY_INLINE static V value(V x) { return -x; }
  HWY_INLINE static V gradient(V, V, V dy) { return -dy; }
};

template <class F>
HWY_INLINE void forward(const real* x, real* y, std::int64_t n) {
  for_vectors(
      n, [&](std::int64_t i, std::int64_t count) HWY_ATTR { store_n(F::value(load_n(x + i, count)), y + i, count); });
}
template <class F>
HWY_INLINE void backward(const real* x, const real* y, const real* dy, real* dx, bool add, std::int64_t n) {
  for_vectors(n, [&](std::int64_t i, std::int64_t count) HWY_ATTR {
    const V g = F::gradient(load_n(x + i, count), load_n(y + i, count), load_n(dy + i, count));
    store_n(add ? g + load_n(dx + i, count) : g, dx + i, count);
  });
}

#define UNARY(name, formula)                                                                               \
  void name##_value(const real* x, real* y, std::int64_t n) { forward<name##_function>(x, y, n); }         \
  void name##_gradient(const real* x, const real* y, const real* dy, real* dx, bool add, std::int64_t n) { \
    backward<name##_function>(x, y, dy, dx, add, n);                                                       \
  }
#include <normscope/unary.def>
#undef UNARY

}  // namespace normscope::NORMSCOPE_REAL_NAMESPACE::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
#include <normscope/parallel.h>

#include "kernels/kernels.h"

namespace normscope::NORMSCOPE_REAL_NAMESPACE {
#define UNARY(name, formula) \
  HWY_EXPORT(name##_value);  \
  HWY_EXPORT(name##_gradient);
#include <normscope/unary.def>
#undef UNARY

namespace kernels {
namespace {
constexpr std::int64_t kTile = 8192;
}

#define UNARY(name, formula)                                                                             \
  void name##_forward(Engine& engine, const real* x, real* y, std::int64_t n) {                          \
    const auto f = &HWY_DYNAMIC_DISPATCH(name##_value);                                                  \
    parallel_ranges(n, kTile, engine.threads(), [&](auto i, auto end) { f(x + i, y + i, end - i); });    \
  }                                                                                                      \
  void name##_backward(Engine& engine, const real* x, const real* y, const real* dy, real* dx, bool add, \
                       std::int64_t n) {                                                                 \
    const auto f = &HWY_DYNAMIC_DISPATCH(name##_gradient);                                               \
    parallel_ranges(n, kTile, engine.threads(),                                                          \
                    [&](auto i, auto end) { f(x + i, y + i, dy + i, dx + i, add, end - i); });           \
  }
#include <normscope/unary.def>
#undef UNARY
}  // namespace kernels
}  // namespace normscope::NORMSCOPE_REAL_NAMESPACE
#endif
