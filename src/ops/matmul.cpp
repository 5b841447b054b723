#include <normscope/ops/ops.h>

#include "kernels/kernels.h"
#include "ops/check.h"

NORMSCOPE_BEGIN

namespace {
/// C (+)= op(A) op(B) for each of `count` matrices that lie one after the other.
void batched(Engine& engine, std::int64_t count, bool ta, bool tb, std::int64_t m, std::int64_t n, std::int64_t k,
             const real* a, const real* b, bool add, real* c) {
  for (std::int64_t i = 0; i < count; ++i)
    kernels::gemm(engine, ta, tb, m, n, k, a + i * m * k, ta ? m : k, b + i * k * n, tb ? k : n,
                  add ? real{1} : real{0}, c + i * m * n, n);
}
}  // namespace

Variable matmul(const Variable& a, const Variable& b) {
  const Shape &p = a.shape(), &q = b.shape();
  check(p.rank() >= 2 && p.rank() == q.rank() && p[-1] == q[-2], "matmul", "shapes ", p, " and ", q,
        " do not match; expected [..., M, K] and [..., K, N]");
  std::int64_t count = 1;
  for (int i = 0; i < p.rank() - 2; count *= p[i++])
    check(p[i] == q[i], "matmul", "leading extents of ", p, " and ", q, " differ; use broadcast_to()");
  const std::int64_t m = p[-2], k = p[-1], n = q[-1];
  const Tensor y = Tensor::empty(a.engine(), p.with(-1, n));
  batched(a.engine(), count, false, false, m, n, k, a.value().data(), b.value().data(), false, y.data());
  return record("matmul", {&a, &b}, y, [a = a.value(), b = b.value(), m, n, k, count](Grads& g) {
    if (g.wants(0)) {  // dA = dY B^T
      const auto [da, add] = g.target(0);
      batched(a.engine(), count, false, true, m, k, n, g.out().data(), b.data(), add, da.data());
    }
    if (g.wants(1)) {  // dB = A^T dY
      const auto [db, add] = g.target(1);
      batched(a.engine(), count, true, false, k, n, m, a.data(), g.out().data(), add, db.data());
    }
  });
}

Variable linear(const Variable& x, const Variable& weight, const Variable& bias) {
  const std::int64_t in = x.shape().last(), rows = x.shape().rows();
  check(weight.shape().rank() == 2 && weight.shape()[1] == in, "linear", "input ", x.shape(), ", weight ",
        weight.shape(), ": the weight must be [out, ", in, "]");
  const std::int64_t out = weight.shape()[0];
  check(!bias.defined() || bias.shape() == Shape{out}, "linear", "bias ", bias.defined() ? bias.shape() : Shape(),
        " for ", out, " outputs");
  Engine& engine = x.engine();
  const Tensor y = Tensor::empty(engine, x.shape().with(-1, out));
  kernels::gemm(engine, false, true, rows, out, in, x.value().data(), in, weight.value().data(), in, 0, y.data(), out);
  const auto backward = [x = x.value(), w = weight.value(), rows, in, out](Grads& g) {
    Engine& e = x.engine();
    if (g.wants(1)) {  // dW [out, in] = dY^T X
      const auto [dw, add] = g.target(1);
      kernels::gemm(e, true, false, out, in, rows, g.out().data(), out, x.data(), in, add ? real{1} : real{0},
                    dw.data(), in);
    }
    if (g.wants(0)) {  // dX = dY W
      const auto [dx, add] = g.target(0);
      kernels::gemm(e, false, false, rows, in, out, g.out().data(), out, w.data(), in, add ? real{1} : real{0},
                    dx.data(), in);
    }
  };
  if (!bias.defined()) return record("linear", {&x, &weight}, y, backward);
  kernels::add_bias(engine, y.data(), bias.value().data(), rows, out);
  return record("linear", {&x, &weight, &bias}, y, [backward, rows, out](Grads& g) {
    if (g.wants(2)) {  // db = column sums of dY
      const auto [db, add] = g.target(2);
      kernels::sum_rows(g.out().engine(), g.out().data(), db.data(), add, rows, out);
    }
    backward(g);
  });
}

NORMSCOPE_END
