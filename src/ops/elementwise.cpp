#include <algorithm>

#include <normscope/ops/ops.h>

#include "kernels/kernels.h"
#include "ops/check.h"

NORMSCOPE_BEGIN

namespace {
using Unary = void (*)(Engine&, const real*, real*, real*, std::int64_t);

/// Keeps the slope f'(x) for the gradient, which takes its place.
Variable unary(const char* name, Unary f, const Variable& x) {
  const Tensor y = empty_like(x.value()), slope = x.tracked() ? empty_like(y) : Tensor();
  f(x.engine(), x.value().data(), y.data(), slope.defined() ? slope.data() : nullptr, y.numel());
  return record(name, {&x}, y, [slope](Grads& g) {
    kernels::multiply(slope.engine(), g.out().data(), slope.data(), slope.data(), slope.numel());
    g.give(0, slope);
  });
}
}  // namespace

#define UNARY(name, formula) \
  Variable name(const Variable& x) { return unary(#name, kernels::name, x); }
#include <normscope/core/unary.def>
#undef UNARY

namespace {

using Binary = void (*)(Engine&, const real*, const real*, real*, std::int64_t);

Tensor apply(Binary f, const Tensor& a, const Tensor& b) {
  const Tensor out = empty_like(a);
  f(a.engine(), a.data(), b.data(), out.data(), out.numel());
  return out;
}

Tensor affine(const Tensor& x, double factor, double term) {
  const Tensor y = empty_like(x);
  kernels::affine(x.engine(), x.data(), static_cast<real>(factor), static_cast<real>(term), y.data(), y.numel());
  return y;
}

/// The shape both operands are brought to, by NumPy's rule.
Shape common_shape(const char* op, const Shape& a, const Shape& b) {
  const Shape& longer = a.rank() >= b.rank() ? a : b;
  Shape shape = longer;
  for (int i = 1; i <= longer.rank(); ++i) {
    const std::int64_t m = i <= a.rank() ? a[-i] : 1, n = i <= b.rank() ? b[-i] : 1;
    check(m == n || m == 1 || n == 1, op, "shapes ", a, " and ", b, " do not broadcast");
    shape = shape.with(-i, m == 1 ? n : m);
  }
  return shape;
}

/// Brings both operands to one shape, then calls op(a, b).
template <class Op>
Variable broadcast(const char* name, const Variable& a, const Variable& b, Op op) {
  if (a.shape() == b.shape()) return op(a, b);
  const Shape shape = common_shape(name, a.shape(), b.shape());
  return op(a.shape() == shape ? a : broadcast_to(a, shape), b.shape() == shape ? b : broadcast_to(b, shape));
}

}  // namespace

Variable add(const Variable& a, const Variable& b) {
  return broadcast("add", a, b, [](const Variable& p, const Variable& q) {
    return record("add", {&p, &q}, apply(kernels::add, p.value(), q.value()), [](Grads& g) {
      g.give(0, g.out());
      g.give(1, g.out());
    });
  });
}

Variable subtract(const Variable& a, const Variable& b) {
  return broadcast("subtract", a, b, [](const Variable& p, const Variable& q) {
    return record("subtract", {&p, &q}, apply(kernels::subtract, p.value(), q.value()), [](Grads& g) {
      g.give(0, g.out());
      if (g.wants(1)) g.give(1, affine(g.out(), -1, 0));
    });
  });
}

Variable multiply(const Variable& a, const Variable& b) {
  return broadcast("multiply", a, b, [](const Variable& p, const Variable& q) {
    return record("multiply", {&p, &q}, apply(kernels::multiply, p.value(), q.value()),
                  [x = p.value(), y = q.value()](Grads& g) {
                    if (g.wants(0)) g.give(0, apply(kernels::multiply, g.out(), y));
                    if (g.wants(1)) g.give(1, apply(kernels::multiply, g.out(), x));
                  });
  });
}

Variable divide(const Variable& a, const Variable& b) {
  return broadcast("divide", a, b, [](const Variable& p, const Variable& q) {
    const Tensor out = apply(kernels::divide, p.value(), q.value());
    return record("divide", {&p, &q}, out, [y = q.value(), out](Grads& g) {  // d(x/y) = dx/y - (x/y) dy/y
      const Tensor dx = apply(kernels::divide, g.out(), y);
      if (g.wants(1)) g.give(1, affine(apply(kernels::multiply, dx, out), -1, 0));
      g.give(0, dx);
    });
  });
}

Variable scale(const Variable& x, double factor) {
  return record("scale", {&x}, affine(x.value(), factor, 0),
                [factor](Grads& g) { g.give(0, affine(g.out(), factor, 0)); });
}

Variable softcap(const Variable& x, double cap) {
  check(cap > 0, "softcap", "cap ", cap, " is not above 0");
  const Tensor y = affine(x.value(), 1 / cap, 0), slope = x.tracked() ? empty_like(y) : Tensor();
  kernels::tanh(y.engine(), y.data(), y.data(), slope.defined() ? slope.data() : nullptr, y.numel());
  kernels::affine(y.engine(), y.data(), static_cast<real>(cap), 0, y.data(), y.numel());
  return record("softcap", {&x}, y, [slope](Grads& g) {
    kernels::multiply(slope.engine(), g.out().data(), slope.data(), slope.data(), slope.numel());
    g.give(0, slope);
  });
}

Variable add_scalar(const Variable& x, double term) {
  return record("add_scalar", {&x}, affine(x.value(), 1, term), [](Grads& g) { g.give(0, g.out()); });
}

Variable dropout(const Variable& x, double p, const Random& random) {
  check(p >= 0 && p < 1, "dropout", "probability ", p, " is not in [0, 1)");
  if (p == 0) return x;
  const Tensor y = empty_like(x.value());
  kernels::dropout(x.engine(), x.value().data(), y.data(), y.numel(), p, random);
  return record("dropout", {&x}, y, [p, random](Grads& g) {
    const Tensor dx = empty_like(g.out());
    kernels::dropout(dx.engine(), g.out().data(), dx.data(), dx.numel(), p, random);
    g.give(0, dx);
  });
}

Variable argmax(const Variable& x) {
  const std::int64_t rows = x.shape().rows(), width = x.shape().last();
  const Tensor out = Tensor::empty(x.engine(), {rows});
  for (std::int64_t r = 0; r < rows; ++r) {
    const real* row = x.value().data() + r * width;
    out.data()[r] = static_cast<real>(std::max_element(row, row + width) - row);
  }
  return record_without_gradient("argmax", {&x}, out);
}

NORMSCOPE_END
