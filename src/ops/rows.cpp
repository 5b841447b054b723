#include <algorithm>

#include <normscope/ops/ops.h>

#include "kernels/kernels.h"
#include "ops/check.h"

NORMSCOPE_BEGIN

Variable softmax(const Variable& x) {
  const std::int64_t rows = x.shape().rows(), width = x.shape().last();
  const Tensor y = empty_like(x.value());
  kernels::softmax_forward(x.engine(), x.value().data(), y.data(), rows, width);
  return record("softmax", {&x}, y, [y, rows, width](Grads& g) {
    const Tensor dx = empty_like(y);
    kernels::softmax_backward(y.engine(), y.data(), g.out().data(), dx.data(), rows, width);
    g.give(0, dx);
  });
}

namespace {
void check_range(const char* op, const Indices& tokens, std::int64_t limit) {
  for (std::int64_t i = 0; i < tokens.numel(); ++i)
    check(tokens.data()[i] >= 0 && tokens.data()[i] < limit, op, "token ", tokens.data()[i], " at ", i,
          " is outside [0, ", limit, ")");
}
}  // namespace

Variable cross_entropy(const Variable& logits, const Indices& targets) {
  const std::int64_t rows = logits.shape().rows(), width = logits.shape().last();
  check(targets.numel() == rows, "cross_entropy", "logits ", logits.shape(), " and ", targets.numel(), " targets");
  check_range("cross_entropy", targets, width);
  Engine& engine = logits.engine();
  const Tensor log_sum_exp = Tensor::empty(engine, {rows});
  const double loss =
      kernels::cross_entropy_forward(engine, logits.value().data(), targets.data(), log_sum_exp.data(), rows, width);
  const Tensor y = Tensor::full(engine, {1}, static_cast<real>(loss));
  return record("cross_entropy", {&logits}, y, [x = logits.value(), targets, log_sum_exp, rows, width](Grads& g) {
    // Nobody else holds the logits when they came straight from the head: overwrite them.
    const Tensor dx = x.unique() ? x : empty_like(x);
    kernels::cross_entropy_backward(x.engine(), x.data(), targets.data(), log_sum_exp.data(),
                                    g.out().data()[0] / static_cast<real>(rows), dx.data(), rows, width);
    g.give(0, dx);
  });
}

Variable swiglu(const Variable& gate_up) {
  const std::int64_t h = gate_up.shape().last() / 2, rows = gate_up.shape().rows();
  check(2 * h == gate_up.shape().last(), "swiglu", "the last extent of ", gate_up.shape(), " is odd");
  const Tensor y = Tensor::empty(gate_up.engine(), gate_up.shape().with(-1, h));
  // The slopes take the place of the input, which nothing else keeps, and the gradient takes theirs.
  const Tensor slopes = gate_up.tracked() ? empty_like(gate_up.value()) : Tensor();
  kernels::swiglu(gate_up.engine(), gate_up.value().data(), y.data(), slopes.defined() ? slopes.data() : nullptr, rows,
                  h);
  return record("swiglu", {&gate_up}, y, [slopes, rows, h](Grads& g) {
    kernels::swiglu_backward(slopes.engine(), g.out().data(), slopes.data(), rows, h);
    g.give(0, slopes);
  });
}

Variable embedding(const Variable& table, const Indices& tokens, const Variable& positions) {
  check(table.shape().rank() == 2 && tokens.shape().rank() == 2, "embedding", "table ", table.shape(), " and tokens ",
        tokens.shape(), ": expected [V, C] and [B, T]");
  const std::int64_t entries = table.shape()[0], width = table.shape()[1];
  const std::int64_t batch = tokens.shape()[0], time = tokens.shape()[1];
  check_range("embedding", tokens, entries);
  Engine& engine = table.engine();
  const Tensor y = Tensor::empty(engine, {batch, time, width});
  kernels::gather_rows(engine, table.value().data(), tokens.data(), y.data(), batch * time, width);
  const auto backward = [tokens, entries, width](Grads& g) {
    if (!g.wants(0)) return;
    const auto [dtable, add] = g.target(0);
    kernels::scatter_rows(dtable.engine(), g.out().data(), tokens.data(), dtable.data(), add, tokens.numel(), width,
                          entries);
  };
  if (!positions.defined()) return record("embedding", {&table}, y, backward);
  check(positions.shape().rank() == 2 && positions.shape()[1] == width && positions.shape()[0] >= time, "embedding",
        "positions ", positions.shape(), " for ", time, " tokens of width ", width);
  kernels::add_bias(engine, y.data(), positions.value().data(), batch, time * width);
  return record("embedding", {&table, &positions}, y, [backward, batch, time, width](Grads& g) {
    backward(g);
    if (!g.wants(1)) return;
    const auto [dpositions, add] = g.target(1);
    kernels::sum_rows(dpositions.engine(), g.out().data(), dpositions.data(), add, batch, time * width);
    if (!add && !dpositions.engine().dry())
      std::fill(dpositions.data() + time * width, dpositions.data() + dpositions.numel(), real{0});
  });
}

NORMSCOPE_END
