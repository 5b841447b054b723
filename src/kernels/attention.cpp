// Causal attention, one head at a time: scores of a block of queries live in cache, nothing above the diagonal's
// vectors is computed, and the gradient computes them again from log-sum-exp (Dao et al. 2022, 2205.14135). Scores are
// kept transposed, a query in each lane, so that softmax needs no sum across lanes.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/attention.cpp"
#include <hwy/foreach_target.h>

#include "kernels/math-inl.h"
#include "kernels/small_gemm-inl.h"

#include <algorithm>
#include <utility>

#include "core/parallel.h"

#include "kernels/kernels.h"

#ifndef NORMSCOPE_ATTENTION_PLAN
#define NORMSCOPE_ATTENTION_PLAN
NORMSCOPE_BEGIN
using kernels::AttentionShape;

constexpr std::int64_t kQueries = 64;  // of a block

/// Buffers of one thread, cut from scratch. Rows are [T, D]; the transposes [D, kQueries] and scores [T, kQueries] are
/// of one block of queries.
struct AttentionBuffers {
  real *query, *key, *value, *dout, *dquery, *dkey, *dvalue, *query_t, *dout_t, *scores, *dscores, *slopes;
  static std::int64_t rows(const AttentionShape& s) { return rounded_up(s.time * s.head_width, 16); }
  static std::int64_t size(const AttentionShape& s) {
    return 7 * rows(s) + kQueries * (2 * s.head_width + (s.softcap > 0 ? 3 : 2) * s.time);
  }
  AttentionBuffers(const AttentionShape& s, real* scratch) {
    for (real** buffer : {&query, &key, &value, &dout, &dquery, &dkey, &dvalue})
      *buffer = std::exchange(scratch, scratch + rows(s));
    for (real** buffer : {&query_t, &dout_t}) *buffer = std::exchange(scratch, scratch + kQueries * s.head_width);
    for (real** buffer : {&scores, &dscores}) *buffer = std::exchange(scratch, scratch + kQueries * s.time);
    slopes = s.softcap > 0 ? scratch : nullptr;
  }
};

/// Where the first token of query head `item` (of batch * heads) lies in qkv and, of its output, in out.
struct Head {
  std::int64_t query, key, value, out;
  Head(const AttentionShape& s, std::int64_t item) {
    const std::int64_t b = item / s.heads, h = item % s.heads, group = h * s.kv_heads / s.heads;
    const std::int64_t sequence = b * s.time * s.row();
    query = sequence + h * s.head_width;
    key = sequence + (s.heads + group) * s.head_width;
    value = key + s.kv_heads * s.head_width;
    out = (b * s.time * s.heads + h) * s.head_width;
  }
  /// The head after `item`; after the last, the last.
  static Head after(const AttentionShape& s, std::int64_t item) {
    return {s, std::min(item + 1, s.batch * s.heads - 1)};
  }
};

/// Queries [begin, begin + count); they see keys [0, keys()).
struct QueryBlock {
  std::int64_t begin, count;
  std::int64_t keys() const { return begin + count; }
};
template <class Body>
void for_query_blocks(std::int64_t time, Body body) {
  for (std::int64_t begin = 0; begin < time; begin += kQueries)
    body(QueryBlock{begin, std::min(kQueries, time - begin)});
}
NORMSCOPE_END
#endif

HWY_BEFORE_NAMESPACE();
NORMSCOPE_BEGIN
namespace HWY_NAMESPACE {

/// to = from times `scale`, rows [T, D], those of `from` and `to` given distances apart.
HWY_INLINE void copy_rows(const AttentionShape& s, const real* from, std::int64_t from_row, real scale, real* to,
                          std::int64_t to_row) {
  const V by(scale);
  for (std::int64_t t = 0; t < s.time; ++t, from += from_row, to += to_row)
    for_vectors(s.head_width,
                [&](std::int64_t i, std::int64_t n) HWY_ATTR { store_n(by * load_n(from + i, n), to + i, n); });
}
/// The same, pairs (x[i], x[i + D/2]) turned by the angle of their position, back if `back`, where there are tables.
HWY_INLINE void rotate(const AttentionShape& s, const real* from, std::int64_t from_row, real scale, bool back,
                       real* to, std::int64_t to_row) {
  if (!s.cos) return copy_rows(s, from, from_row, scale, to, to_row);
  const std::int64_t half = s.head_width / 2;
  const V by(scale), sine_by(back ? -scale : scale);
  for (std::int64_t t = 0; t < s.time; ++t, from += from_row, to += to_row)
    for_vectors(half, [&](std::int64_t i, std::int64_t n) HWY_ATTR {
      const V c = by * load_n(s.cos + t * half + i, n), sine = sine_by * load_n(s.sin + t * half + i, n);
      const V a = load_n(from + i, n), b = load_n(from + half + i, n);
      store_n(fma(a, c, -(b * sine)), to + i, n);
      store_n(fma(b, c, a * sine), to + half + i, n);
    });
}

/// Fetches the block's rows of what the next head will read, `row` apart, while this one is computed: its copies would
/// wait for each. A few at a time between products, or the products would wait instead.
HWY_INLINE void fetch_rows(const AttentionShape& s, const QueryBlock& block, const real* rows, std::int64_t row) {
  rows += block.begin * row;
  for (std::int64_t t = 0; t < block.count; ++t, rows += row) prefetch(rows, s.head_width);
}

/// Columns are left out, or masked, this many at a time: whole vectors, and rows that are computed together.
HWY_INLINE std::int64_t granule() { return std::max<std::int64_t>(lanes(), kProductRows); }
HWY_INLINE std::int64_t padded_count(const QueryBlock& block) { return rounded_up(block.count, granule()); }

/// to [D, kQueries] = transpose of the block's rows of from [T, D], zeros behind.
HWY_INLINE void transpose_block(const QueryBlock& block, const real* from, std::int64_t d, real* to) {
  from += block.begin * d;
  std::int64_t t = 0;
  for (; t + 4 <= block.count; t += 4) transpose_four(from + t * d, d, d, to + t, kQueries);
  for (; t < block.count; ++t)
    for (std::int64_t i = 0; i < d; ++i) to[i * kQueries + t] = from[t * d + i];
  for (; t < padded_count(block); ++t)
    for (std::int64_t i = 0; i < d; ++i) to[i * kQueries + t] = 0;
}

template <class Body>
HWY_INLINE void for_row_groups(std::int64_t rows, Body body) {
  for (std::int64_t i = 0; i < rows; i += kProductRows) body(i, std::min<std::int64_t>(kProductRows, rows - i));
}
/// to [keys, kQueries] = rows [T, D], `row` apart, times columns [D, kQueries], where a query may see a key. Each row
/// is read once: it need not be copied.
static HWY_NOINLINE void score_products(const QueryBlock& block, std::int64_t d, const real* rows, std::int64_t row,
                                        const real* columns, real* to) {
  const std::int64_t padded = padded_count(block);
  for_row_groups(block.keys(), [&](std::int64_t j, std::int64_t count) HWY_ATTR {
    const std::int64_t first = std::max<std::int64_t>(0, j - block.begin) / granule() * granule();
    product(count, padded - first, d, {rows + j * row, row, 1}, columns + first, kQueries, to + j * kQueries + first,
            kQueries, false);
  });
}
/// The block's rows of to = weights^T [count, keys] times rows [T, D].
static HWY_NOINLINE void sum_over_keys(const QueryBlock& block, std::int64_t d, const real* weights, const real* rows,
                                       real* to, std::int64_t to_row) {
  for_row_groups(block.count, [&](std::int64_t i, std::int64_t count) HWY_ATTR {
    product(count, d, block.begin + i + count, {weights + i, 1, kQueries}, rows, d, to + (block.begin + i) * to_row,
            to_row, false);
  });
}
/// to [keys, D] += weights [keys, count] times the block's rows of rows [T, D].
static HWY_NOINLINE void add_over_queries(const QueryBlock& block, std::int64_t d, const real* weights,
                                          const real* rows, real* to) {
  for_row_groups(block.keys(), [&](std::int64_t j, std::int64_t count) HWY_ATTR {
    const std::int64_t first = std::max<std::int64_t>(0, j - block.begin);
    product(count, d, block.count - first, {weights + j * kQueries + first, kQueries, 1},
            rows + (block.begin + first) * d, d, to + j * d, d, true);
  });
}

/// body(c) for each vector of queries, c its first.
template <class Body>
HWY_INLINE void for_query_vectors(const QueryBlock& block, Body body) {
  for (std::int64_t c = 0; c < block.count; c += lanes()) body(c);
}
/// body(at, hidden) for each key that queries c, c + 1, ... may see and those that must be zeroed beside them: its
/// score for query c lies at `at`, the first `hidden` queries do not see it.
template <class Body>
HWY_INLINE void for_keys(const QueryBlock& block, std::int64_t c, Body body) {
  const std::int64_t all = block.begin + c + 1,
                     end = std::min(block.keys(), block.begin + c / granule() * granule() + granule());
  for (std::int64_t j = 0; j < all; ++j) body(j * kQueries + c, 0);
  for (std::int64_t j = all; j < end; ++j) body(j * kQueries + c, j - all + 1);
}

/// Multiplies weights by the dropout mask of (sequence, head, query). Numbers are drawn for four keys and all queries
/// that see the first of them; the later keys' hidden weights are zeros or not used.
static HWY_NOINLINE void drop(const AttentionShape& s, std::int64_t batch_head, const QueryBlock& block,
                              real* weights) {
  if (s.dropout <= 0) return;
  const kernels::DropoutRule rule(s.dropout);
  alignas(64) std::uint32_t bits[kQueries * 4], of_key[kQueries];
  const std::int64_t draws = parts(s.time, 4);  // of a query
  for (std::int64_t j = 0; j < block.keys(); j += 4) {
    const std::int64_t first = std::max<std::int64_t>(0, j - block.begin), count = block.count - first;
    kernels::random_blocks(*s.random,
                           static_cast<std::uint64_t>((batch_head * s.time + block.begin + first) * draws + j / 4),
                           static_cast<std::uint64_t>(draws), static_cast<std::size_t>(count), bits);
    for (std::int64_t k = 0; k < std::min<std::int64_t>(4, block.keys() - j); ++k) {
      real* row = weights + (j + k) * kQueries + first;
      for (std::int64_t i = 0; i < count; ++i) of_key[i] = bits[4 * i + k];
      for (std::int64_t i = 0; i < count; ++i) row[i] = rule(row[i], of_key[i]);
    }
  }
}

/// Scores z to cap tanh(z / cap), slopes (where not null) to the derivative, of what a query sees.
static HWY_NOINLINE void cap_scores(const AttentionShape& s, const QueryBlock& block, real* scores, real* slopes) {
  const V cap(static_cast<real>(s.softcap)), part(static_cast<real>(1 / s.softcap));
  for_query_vectors(block, [&](std::int64_t c) HWY_ATTR {
    for_keys(block, c, [&](std::int64_t at, std::int64_t) HWY_ATTR {
      const V t = tanh(load(scores + at) * part);
      store(cap * t, scores + at);
      if (slopes) store(V(1) - t * t, slopes + at);
    });
  });
}
static HWY_NOINLINE void times_slopes(const QueryBlock& block, const real* slopes, real* dscores) {
  for_query_vectors(block, [&](std::int64_t c) HWY_ATTR {
    for_keys(block, c, [&](std::int64_t at, std::int64_t hidden) HWY_ATTR {
      store(replace_first(load(dscores + at) * load(slopes + at), hidden, V(0)), dscores + at);
    });
  });
}

/// Scores to softmax over keys, zero where a query sees no key of its vector; log_sum_exp [T].
HWY_INLINE void softmax(const QueryBlock& block, real* scores, real* log_sum_exp) {
  for_query_vectors(block, [&](std::int64_t c) HWY_ATTR {
    V top = load(scores + c), sum;
    for_keys(block, c, [&](std::int64_t at, std::int64_t hidden) HWY_ATTR {
      top = replace_first(max(top, load(scores + at)), hidden, top);
    });
    for_keys(block, c, [&](std::int64_t at, std::int64_t hidden) HWY_ATTR {
      const V e = replace_first(exp(load(scores + at) - top), hidden, V(0));
      sum += e;
      store(e, scores + at);
    });
    store_n(top + log(sum), log_sum_exp + block.begin + c, std::min(lanes(), block.count - c));
    const V scale = V(1) / sum;
    for_keys(block, c, [&](std::int64_t at, std::int64_t) HWY_ATTR { store(load(scores + at) * scale, scores + at); });
  });
}
/// Scores to softmax p again; dscores, the gradient of p, to that of the scores: p (dp - mean of dp weighted by p). The
/// mean is divided by the sum of p: exp(score - log_sum_exp) is off by the rounding of log_sum_exp, the same for every
/// key, and where all dp are alike that error would be what is left of their difference.
HWY_INLINE void softmax_gradient(const QueryBlock& block, real* scores, real* dscores, const real* log_sum_exp) {
  for_query_vectors(block, [&](std::int64_t c) HWY_ATTR {
    const V shift = load_n(log_sum_exp + block.begin + c, std::min(lanes(), block.count - c));
    V dot, sum;
    for_keys(block, c, [&](std::int64_t at, std::int64_t hidden) HWY_ATTR {
      const V p = replace_first(exp(load(scores + at) - shift), hidden, V(0));
      const V dp = replace_first(load(dscores + at), hidden, V(0));
      dot = fma(p, dp, dot);
      sum += p;
      store(p, scores + at);
    });
    const V mean = dot / sum;
    for_keys(block, c, [&](std::int64_t at, std::int64_t hidden) HWY_ATTR {
      store(replace_first(load(scores + at) * (load(dscores + at) - mean), hidden, V(0)), dscores + at);
    });
  });
}

void attend_head(const AttentionShape& s, std::int64_t item, const real* qkv, real* out, real* log_sum_exp,
                 real* scratch) {
  const std::int64_t d = s.head_width, time = s.time, row = s.row(), out_row = s.heads * d;
  const AttentionBuffers buffer(s, scratch);
  const Head head(s, item), next = Head::after(s, item);
  rotate(s, qkv + head.query, row, static_cast<real>(1 / std::sqrt(static_cast<double>(d))), false, buffer.query, d);
  if (s.cos) rotate(s, qkv + head.key, row, 1, false, buffer.key, d);
  copy_rows(s, qkv + head.value, row, 1, buffer.value, d);
  for_query_blocks(time, [&](const QueryBlock& block) HWY_ATTR {
    transpose_block(block, buffer.query, d, buffer.query_t);
    score_products(block, d, s.cos ? buffer.key : qkv + head.key, s.cos ? d : row, buffer.query_t, buffer.scores);
    fetch_rows(s, block, qkv + next.key, row);
    fetch_rows(s, block, qkv + next.value, row);
    if (s.softcap > 0) cap_scores(s, block, buffer.scores, nullptr);
    softmax(block, buffer.scores, log_sum_exp + item * time);
    fetch_rows(s, block, qkv + next.query, row);
    drop(s, item, block, buffer.scores);
    sum_over_keys(block, d, buffer.scores, buffer.value, out + head.out, out_row);
  });
}

/// Gradients of the query heads that read key/value head `group` of sequence b, item = b * kv_heads + group.
void attend_head_gradient(const AttentionShape& s, std::int64_t item, const real* qkv, const real* log_sum_exp,
                          const real* dout, real* dqkv, real* scratch) {
  const std::int64_t d = s.head_width, time = s.time, row = s.row(), out_row = s.heads * d;
  const std::int64_t first = parts(item * s.heads, s.kv_heads), last = parts((item + 1) * s.heads, s.kv_heads);
  const real root = static_cast<real>(1 / std::sqrt(static_cast<double>(d)));
  const AttentionBuffers buffer(s, scratch);
  const Head shared(s, first);
  rotate(s, qkv + shared.key, row, 1, false, buffer.key, d);
  std::fill_n(buffer.dkey, time * d, real{0});
  std::fill_n(buffer.dvalue, time * d, real{0});
  for (std::int64_t i = first; i < last; ++i) {
    const Head head(s, i), next = Head::after(s, i);
    rotate(s, qkv + head.query, row, root, false, buffer.query, d);
    copy_rows(s, dout + head.out, out_row, 1, buffer.dout, d);
    for_query_blocks(time, [&](const QueryBlock& block) HWY_ATTR {
      transpose_block(block, buffer.query, d, buffer.query_t);
      transpose_block(block, buffer.dout, d, buffer.dout_t);
      score_products(block, d, buffer.key, d, buffer.query_t, buffer.scores);
      fetch_rows(s, block, qkv + next.key, row);
      score_products(block, d, qkv + shared.value, row, buffer.dout_t, buffer.dscores);
      fetch_rows(s, block, qkv + next.value, row);
      drop(s, i, block, buffer.dscores);
      if (s.softcap > 0) cap_scores(s, block, buffer.scores, buffer.slopes);
      softmax_gradient(block, buffer.scores, buffer.dscores, log_sum_exp + i * time);
      if (s.softcap > 0) times_slopes(block, buffer.slopes, buffer.dscores);
      drop(s, i, block, buffer.scores);
      fetch_rows(s, block, qkv + next.query, row);
      sum_over_keys(block, d, buffer.dscores, buffer.key, buffer.dquery, d);
      fetch_rows(s, block, dout + next.out, out_row);
      add_over_queries(block, d, buffer.dscores, buffer.query, buffer.dkey);
      add_over_queries(block, d, buffer.scores, buffer.dout, buffer.dvalue);
    });
    rotate(s, buffer.dquery, d, root, true, dqkv + head.query, row);
  }
  rotate(s, buffer.dkey, d, 1, true, dqkv + shared.key, row);  // the root is in `query` already
  copy_rows(s, buffer.dvalue, d, 1, dqkv + shared.value, row);
}

}  // namespace HWY_NAMESPACE
NORMSCOPE_END
HWY_AFTER_NAMESPACE();

#if HWY_ONCE

NORMSCOPE_BEGIN
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
  parallel_tiles(engine, shape.batch * shape.heads,
                 [&](std::int64_t item) { f(shape, item, qkv, out, log_sum_exp, buffers.of<real>(Team::index())); });
}

void attention_backward(Engine& engine, const AttentionShape& shape, const real* qkv, const real* log_sum_exp,
                        const real* dout, real* dqkv) {
  const auto f = &HWY_DYNAMIC_DISPATCH(attend_head_gradient);
  const auto& buffers = workspace(engine, shape);
  parallel_tiles(engine, shape.batch * shape.kv_heads, [&](std::int64_t item) {
    f(shape, item, qkv, log_sum_exp, dout, dqkv, buffers.of<real>(Team::index()));
  });
}
}  // namespace kernels
NORMSCOPE_END
#endif
