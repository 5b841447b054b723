// Causal attention, one head at a time: scores of a block of queries live in cache, nothing above the diagonal's block
// is computed, and the gradient computes them again from log-sum-exp (Dao et al. 2022, 2205.14135).
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/attention.cpp"
#include <hwy/foreach_target.h>

#include "kernels/math-inl.h"
#include "kernels/small_gemm-inl.h"

#include <algorithm>
#include <utility>

#include "kernels/kernels.h"

#ifndef NORMSCOPE_ATTENTION_PLAN
#define NORMSCOPE_ATTENTION_PLAN
namespace normscope::NORMSCOPE_REAL_NAMESPACE {
using kernels::AttentionShape;

inline std::int64_t padded(std::int64_t n) { return (n + 15) / 16 * 16; }
inline std::int64_t query_block(std::int64_t time) { return time > 128 ? 32 : 16; }

/// Buffers of one thread, cut from scratch.
struct AttentionBuffers {
  real *query, *key, *key_t, *value_t, *scores, *dscores, *dquery, *dkey, *dvalue, *delta;
  static std::int64_t size(const AttentionShape& s) {
    return 5 * padded(s.time * s.head_width) + 2 * s.head_width * padded(s.time) +
           2 * query_block(s.time) * padded(s.time) + padded(s.time);
  }
  AttentionBuffers(const AttentionShape& s, real* scratch) {
    const auto take = [&](std::int64_t count) { return std::exchange(scratch, scratch + count); };
    const std::int64_t rows = padded(s.time * s.head_width), columns = s.head_width * padded(s.time);
    query = take(rows), key = take(rows), dquery = take(rows), dkey = take(rows), dvalue = take(rows);
    key_t = take(columns), value_t = take(columns);
    scores = take(query_block(s.time) * padded(s.time)), dscores = take(query_block(s.time) * padded(s.time));
    delta = take(padded(s.time));
  }
};
}  // namespace normscope::NORMSCOPE_REAL_NAMESPACE
#endif

HWY_BEFORE_NAMESPACE();
namespace normscope::NORMSCOPE_REAL_NAMESPACE::HWY_NAMESPACE {

/// to [T, D] = scale R(t) from, R the rotation of position t (none without tables).
HWY_INLINE void load_rotated(const AttentionShape& s, const real* from, real scale, real* to) {
  const std::int64_t d = s.head_width, half = d / 2;
  for (std::int64_t t = 0; t < s.time; ++t, from += s.row(), to += d) {
    if (!s.cos) {
      for (std::int64_t i = 0; i < d; ++i) to[i] = scale * from[i];
      continue;
    }
    const real *c = s.cos + t * half, *sn = s.sin + t * half;
    for (std::int64_t i = 0; i < half; ++i) {
      to[i] = scale * (from[i] * c[i] - from[i + half] * sn[i]);
      to[i + half] = scale * (from[i + half] * c[i] + from[i] * sn[i]);
    }
  }
}
/// The gradient's way back: to (rows of qkv) = scale R(t)^T from.
HWY_INLINE void store_rotated(const AttentionShape& s, const real* from, real scale, real* to) {
  const std::int64_t d = s.head_width, half = d / 2;
  for (std::int64_t t = 0; t < s.time; ++t, from += d, to += s.row()) {
    if (!s.cos) {
      for (std::int64_t i = 0; i < d; ++i) to[i] = scale * from[i];
      continue;
    }
    const real *c = s.cos + t * half, *sn = s.sin + t * half;
    for (std::int64_t i = 0; i < half; ++i) {
      to[i] = scale * (from[i] * c[i] + from[i + half] * sn[i]);
      to[i + half] = scale * (from[i + half] * c[i] - from[i] * sn[i]);
    }
  }
}
/// to [D, padded T] = transpose of from [T, D] with rows `step` apart.
HWY_INLINE void transpose(const real* from, std::int64_t step, std::int64_t time, std::int64_t d, real* to) {
  std::int64_t t = 0;
  for (; t + 4 <= time; t += 4) transpose_four(from + t * step, step, d, to + t, padded(time));
  for (; t < time; ++t)
    for (std::int64_t i = 0; i < d; ++i) to[i * padded(time) + t] = from[t * step + i];
}

/// Multiplies row t of p [0, t] by the dropout mask of (sequence, head, t).
HWY_INLINE void drop(const AttentionShape& s, std::int64_t batch_head, std::int64_t t, real* p) {
  const auto threshold = static_cast<std::uint64_t>(s.dropout * 0x1p32);
  const real scale = static_cast<real>(1 / (1 - s.dropout));
  const auto first = static_cast<std::uint64_t>((batch_head * s.time + t) * ((s.time + 3) / 4));
  for (std::int64_t j = 0; j <= t; j += 4) {
    std::uint32_t bits[4];
    s.random->block(first + static_cast<std::uint64_t>(j) / 4, bits);
    for (std::int64_t k = 0; k < 4 && j + k <= t; ++k) p[j + k] = bits[k] >= threshold ? p[j + k] * scale : real{0};
  }
}

/// p[0, n) = exp(p - shift), zero up to `end`; returns the sum.
HWY_INLINE double exp_scores(real* p, std::int64_t n, std::int64_t end, real shift) {
  V sum;
  for_vectors(n, [&](std::int64_t i, std::int64_t count) HWY_ATTR {
    const V e = exp(load_n(p + i, count) - V(shift));
    sum += count == lanes() ? e : keep_some(e, count);
    store_n(e, p + i, count);
  });
  std::fill(p + n, p + end, real{0});
  return sum_lanes(sum);
}

void attend_head(const AttentionShape& s, std::int64_t item, const real* qkv, real* out, real* log_sum_exp,
                 real* scratch) {
  const std::int64_t b = item / s.heads, h = item % s.heads, d = s.head_width, time = s.time;
  const std::int64_t group = h * s.kv_heads / s.heads, row = s.row(), out_row = s.heads * d;
  const AttentionBuffers buffer(s, scratch);
  const real* base = qkv + b * time * row;
  const real* value = base + (s.heads + s.kv_heads + group) * d;
  load_rotated(s, base + h * d, static_cast<real>(1 / std::sqrt(static_cast<double>(d))), buffer.query);
  load_rotated(s, base + (s.heads + group) * d, 1, buffer.key);
  transpose(buffer.key, d, time, d, buffer.key_t);
  out += b * time * out_row + h * d;
  log_sum_exp += item * time;
  const std::int64_t block = query_block(time), width = padded(time);
  for (std::int64_t begin = 0; begin < time; begin += block) {
    const std::int64_t end = std::min(begin + block, time);
    product(end - begin, end, d, {buffer.query + begin * d, d, 1}, buffer.key_t, width, buffer.scores, width, false);
    for (std::int64_t t = begin; t < end; ++t) {
      real* p = buffer.scores + (t - begin) * width;
      const real top = largest(p, t + 1);
      const double sum = exp_scores(p, t + 1, end, top);
      log_sum_exp[t] = top + std::log(static_cast<real>(sum));
      const V scale(static_cast<real>(1 / sum));
      for_vectors(t + 1, [&](std::int64_t i, std::int64_t count)
                             HWY_ATTR { store_n(load_n(p + i, count) * scale, p + i, count); });
      if (s.dropout > 0) drop(s, item, t, p);
    }
    product(end - begin, d, end, {buffer.scores, width, 1}, value, row, out + begin * out_row, out_row, false);
  }
}

/// Gradients of the query heads that read key/value head `group` of sequence b.
void attend_head_gradient(const AttentionShape& s, std::int64_t item, const real* qkv, const real* out,
                          const real* log_sum_exp, const real* dout, real* dqkv, real* scratch) {
  const std::int64_t b = item / s.kv_heads, group = item % s.kv_heads, d = s.head_width, time = s.time;
  const std::int64_t row = s.row(), out_row = s.heads * d, block = query_block(time), width = padded(time);
  const real root = static_cast<real>(1 / std::sqrt(static_cast<double>(d)));
  const AttentionBuffers buffer(s, scratch);
  const real* base = qkv + b * time * row;
  real* dbase = dqkv + b * time * row;
  load_rotated(s, base + (s.heads + group) * d, 1, buffer.key);
  transpose(buffer.key, d, time, d, buffer.key_t);
  transpose(base + (s.heads + s.kv_heads + group) * d, row, time, d, buffer.value_t);
  std::fill_n(buffer.dkey, time * d, real{0});
  std::fill_n(buffer.dvalue, time * d, real{0});
  for (std::int64_t h = 0; h < s.heads; ++h) {
    if (h * s.kv_heads / s.heads != group) continue;
    const std::int64_t head = b * s.heads + h;
    const real* g = dout + b * time * out_row + h * d;
    const real* y = out + b * time * out_row + h * d;
    load_rotated(s, base + h * d, root, buffer.query);
    for (std::int64_t begin = 0; begin < time; begin += block) {
      const std::int64_t end = std::min(begin + block, time), rows = end - begin;
      real *p = buffer.scores, *dp = buffer.dscores;
      product(rows, end, d, {buffer.query + begin * d, d, 1}, buffer.key_t, width, p, width, false);
      product(rows, end, d, {g + begin * out_row, out_row, 1}, buffer.value_t, width, dp, width, false);
      for (std::int64_t t = begin; t < end; ++t, p += width, dp += width) {
        exp_scores(p, t + 1, end, log_sum_exp[head * time + t]);
        V dot;  // sum_j dp_j p_j = dout . out, dropout included
        for_vectors(d, [&](std::int64_t i, std::int64_t count) HWY_ATTR {
          dot = fma(load_n(g + t * out_row + i, count), load_n(y + t * out_row + i, count), dot);
        });
        const V mean(static_cast<real>(sum_lanes(dot)));
        if (s.dropout > 0) drop(s, head, t, dp);
        for_vectors(t + 1, [&](std::int64_t i, std::int64_t count) HWY_ATTR {
          store_n(load_n(p + i, count) * (load_n(dp + i, count) - mean), dp + i, count);
        });
        std::fill(dp + t + 1, dp + end, real{0});
        if (s.dropout > 0) drop(s, head, t, p);
      }
      p = buffer.scores, dp = buffer.dscores;
      product(rows, d, end, {dp, width, 1}, buffer.key, d, buffer.dquery + begin * d, d, false);
      product(end, d, rows, {dp, 1, width}, buffer.query + begin * d, d, buffer.dkey, d, true);
      product(end, d, rows, {p, 1, width}, g + begin * out_row, out_row, buffer.dvalue, d, true);
    }
    store_rotated(s, buffer.dquery, root, dbase + h * d);
  }
  store_rotated(s, buffer.dkey, 1, dbase + (s.heads + group) * d);  // the root is in `query` already
  real* dvalue = dbase + (s.heads + s.kv_heads + group) * d;
  for (std::int64_t t = 0; t < time; ++t) std::copy_n(buffer.dvalue + t * d, d, dvalue + t * row);
}

}  // namespace normscope::NORMSCOPE_REAL_NAMESPACE::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
#include <omp.h>

#include <normscope/parallel.h>

namespace normscope::NORMSCOPE_REAL_NAMESPACE {
HWY_EXPORT(attend_head);
HWY_EXPORT(attend_head_gradient);

namespace kernels {
namespace {
const Engine::Workspace& workspace(Engine& engine, const AttentionShape& shape) {
  return engine.workspace(static_cast<std::size_t>(AttentionBuffers::size(shape)) * sizeof(real));
}
}  // namespace

void attention_forward(Engine& engine, const AttentionShape& shape, const real* qkv, real* out, real* log_sum_exp) {
  const auto f = &HWY_DYNAMIC_DISPATCH(attend_head);
  const auto& buffers = workspace(engine, shape);
  parallel_tiles(shape.batch * shape.heads, engine.threads(), [&](std::int64_t item) {
    f(shape, item, qkv, out, log_sum_exp, buffers.of<real>(omp_get_thread_num()));
  });
}

void attention_backward(Engine& engine, const AttentionShape& shape, const real* qkv, const real* out,
                        const real* log_sum_exp, const real* dout, real* dqkv) {
  const auto f = &HWY_DYNAMIC_DISPATCH(attend_head_gradient);
  const auto& buffers = workspace(engine, shape);
  parallel_tiles(shape.batch * shape.kv_heads, engine.threads(), [&](std::int64_t item) {
    f(shape, item, qkv, out, log_sum_exp, dout, dqkv, buffers.of<real>(omp_get_thread_num()));
  });
}
}  // namespace kernels
}  // namespace normscope::NORMSCOPE_REAL_NAMESPACE
#endif
