#include <cmath>
#include <limits>

#include <normscope/ops/ops.h>

#include "core/parallel.h"
#include "kernels/kernels.h"
#include "ops/check.h"

NORMSCOPE_BEGIN

RopeTables rope_tables(Engine& engine, std::int64_t time, std::int64_t head_width, double theta) {
  check(head_width % 2 == 0, "rope", "head width ", head_width, " is odd; RoPE rotates pairs");
  const std::int64_t half = head_width / 2;
  RopeTables tables{Tensor::empty(engine, {time, half}), Tensor::empty(engine, {time, half})};
  for (std::int64_t t = 0; t < time; ++t)
    for (std::int64_t i = 0; i < half; ++i) {
      const double angle =
          static_cast<double>(t) * std::pow(theta, -2.0 * static_cast<double>(i) / static_cast<double>(head_width));
      tables.cos.data()[t * half + i] = static_cast<real>(std::cos(angle));
      tables.sin.data()[t * half + i] = static_cast<real>(std::sin(angle));
    }
  return tables;
}

Variable rope(const Variable& x, const RopeTables& tables) {
  const Shape& s = x.shape();
  check(s.rank() == 4 && tables.cos.shape()[0] >= s[1] && 2 * tables.cos.shape()[1] == s[3], "rope", "input ", s,
        " and tables ", tables.cos.shape(), ": expected [B, T, H, D] and [>= T, D/2]");
  const auto turn = [time = s[1], heads = s[2], d = s[3], tables](const Tensor& from, int direction) {
    const Tensor to = empty_like(from);
    kernels::rope(from.engine(), from.data(), to.data(), from.numel() / (heads * d), time, heads, d, tables.cos.data(),
                  tables.sin.data(), direction);
    return to;
  };
  return record("rope", {&x}, turn(x.value(), 1), [turn](Grads& g) { g.give(0, turn(g.out(), -1)); });
}

namespace {
kernels::AttentionShape attention_shape(const Variable& qkv, const AttentionOptions& o) {
  const Shape& s = qkv.shape();
  const std::int64_t slots = o.heads + 2 * o.kv_heads;
  check(s.rank() == 3 && s[2] % slots == 0 && o.heads % o.kv_heads == 0, "attention", "input ", s, " for ", o.heads,
        " query and ", o.kv_heads, " key/value heads: expected [B, T, (H + 2G) D] with H a multiple of G");
  const std::int64_t d = s[2] / slots;
  kernels::AttentionShape shape{s[0], s[1], o.heads, o.kv_heads, d};
  if (o.rope) {
    check(2 * o.rope->cos.shape()[1] == d && o.rope->cos.shape()[0] >= s[1], "attention", "RoPE tables ",
          o.rope->cos.shape(), " for T = ", s[1], ", D = ", d);
    shape.cos = o.rope->cos.data();
    shape.sin = o.rope->sin.data();
  }
  shape.dropout = o.dropout;
  shape.softcap = o.softcap;
  return shape;
}
}  // namespace

Variable causal_attention(const Variable& qkv, const AttentionOptions& options) {
  kernels::AttentionShape shape = attention_shape(qkv, options);
  shape.random = &options.random;
  Engine& engine = qkv.engine();
  const Tensor y = Tensor::empty(engine, {shape.batch, shape.time, shape.heads * shape.head_width});
  const Tensor log_sum_exp = Tensor::empty(engine, {shape.batch, shape.heads, shape.time});
  kernels::attention_forward(engine, shape, qkv.value().data(), y.data(), log_sum_exp.data());
  return record("attention", {&qkv}, y, [x = qkv.value(), log_sum_exp, shape, random = options.random](Grads& g) {
    kernels::AttentionShape s = shape;
    s.random = &random;
    Engine& e = x.engine();
    const Tensor dx = empty_like(x);
    kernels::attention_backward(e, s, x.data(), log_sum_exp.data(), g.out().data(), dx.data());
    g.give(0, dx);
  });
}

namespace {
/// Queries, keys or values of `count` heads from `first` on in the packed buffer -> [B, count, T, D]; each key and
/// value head is repeated for the query heads that read it.
Variable heads_of(const Variable& qkv, const kernels::AttentionShape& s, std::int64_t first, std::int64_t count,
                  const RopeTables* rope_tables) {
  const std::int64_t d = s.head_width;
  Variable part = reshape(slice(qkv, 2, first * d, (first + count) * d), {s.batch, s.time, count, d});
  if (rope_tables) part = rope(part, *rope_tables);
  part = transpose(part, 1, 2);
  if (count == s.heads) return part;
  const std::int64_t group = s.heads / count;
  const Variable wide = broadcast_to(reshape(part, {s.batch, count, 1, s.time, d}), {s.batch, count, group, s.time, d});
  return reshape(wide, {s.batch, s.heads, s.time, d});
}

/// softmax(q k^T / sqrt(D)) with the causal mask, [B, H, T, T].
Variable attention_weights(const Variable& qkv, const kernels::AttentionShape& s, const AttentionOptions& options) {
  const Variable q = heads_of(qkv, s, 0, s.heads, options.rope);
  const Variable k = heads_of(qkv, s, s.heads, s.kv_heads, options.rope);
  Tensor mask = Tensor::full(qkv.engine(), {1, 1, s.time, s.time}, 0);
  for (std::int64_t t = 0; !qkv.engine().dry() && t < s.time; ++t)
    for (std::int64_t j = t + 1; j < s.time; ++j) mask.data()[t * s.time + j] = -std::numeric_limits<real>::infinity();
  const Variable scores = scale(matmul(q, transpose(k, 2, 3)), 1 / std::sqrt(static_cast<double>(s.head_width)));
  return softmax(add(options.softcap > 0 ? softcap(scores, options.softcap) : scores, Variable(mask)));
}
}  // namespace

Variable causal_attention_reference(const Variable& qkv, const AttentionOptions& options) {
  const kernels::AttentionShape s = attention_shape(qkv, options);
  check(options.dropout == 0, "attention_reference", "the reference does not support dropout");
  const Variable v = heads_of(qkv, s, s.heads + s.kv_heads, s.kv_heads, nullptr);
  const Variable y = matmul(attention_weights(qkv, s, options), v);
  return reshape(transpose(y, 1, 2), {s.batch, s.time, s.heads * s.head_width});
}

Variable attention_entropy(const Variable& qkv, const AttentionOptions& options) {
  const NoGrad guard;
  const kernels::AttentionShape s = attention_shape(qkv, options);
  const Tensor p = attention_weights(qkv.detach(), s, options).value();
  const Tensor entropy = Tensor::empty(qkv.engine(), {s.batch, s.heads, s.time});
  parallel_ranges(qkv.engine(), s.batch * s.heads * s.time, 64, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t row = begin; row < end; ++row) {
      double sum = 0;
      for (std::int64_t j = 0; j <= row % s.time; ++j) {
        const auto weight = static_cast<double>(p.data()[row * s.time + j]);
        if (weight > 0) sum -= weight * std::log(weight);
      }
      entropy.data()[row] = static_cast<real>(sum);
    }
  });
  return Variable(entropy);
}

NORMSCOPE_END
