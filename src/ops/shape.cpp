#include <algorithm>
#include <array>

#include <normscope/ops/ops.h>

#include "core/parallel.h"
#include "kernels/kernels.h"
#include "ops/check.h"

NORMSCOPE_BEGIN

namespace {

/// A tensor seen as [outer, extent, inner] around extent `dim`.
struct Around {
  std::int64_t outer = 1, extent, inner = 1;
  Around(const Shape& shape, int dim) : extent(shape[dim]) {
    for (int i = 0; i < dim; ++i) outer *= shape[i];
    for (int i = dim + 1; i < shape.rank(); ++i) inner *= shape[i];
  }
};

int checked_dim(const char* op, const Shape& shape, int dim) {
  const int found = dim < 0 ? dim + shape.rank() : dim;
  check(found >= 0 && found < shape.rank(), op, "extent ", dim, " of a tensor of shape ", shape);
  return found;
}

Tensor transposed(const Tensor& x, int i, int j) {
  const Shape shape = x.shape().with(i, x.shape()[j]).with(j, x.shape()[i]);
  const Tensor y = Tensor::empty(x.engine(), shape);
  std::array<std::int64_t, 5> step{};  // of x, in the order of y's extents
  std::int64_t product = 1;
  for (int d = x.shape().rank() - 1; d >= 0; --d) {
    step[static_cast<std::size_t>(d)] = product;
    product *= x.shape()[d];
  }
  std::swap(step[static_cast<std::size_t>(i)], step[static_cast<std::size_t>(j)]);
  std::array<std::int64_t, 5> at{};
  std::int64_t from = 0;
  for (std::int64_t n = 0; n < y.numel(); ++n) {
    y.data()[n] = x.data()[from];
    for (int d = shape.rank() - 1; d >= 0; --d) {
      const auto k = static_cast<std::size_t>(d);
      from += step[k];
      if (++at[k] < shape[d]) break;
      from -= step[k] * at[k];
      at[k] = 0;
    }
  }
  return y;
}

/// Copies the range [begin, begin + part) of extent `dim` between a whole and a part.
void copy_part(const Tensor& whole, const Tensor& part, int dim, std::int64_t begin, bool into_whole) {
  const Around w(whole.shape(), dim), p(part.shape(), dim);
  const std::int64_t each = p.extent * p.inner;
  parallel_ranges(whole.engine(), w.outer, rows_a_tile(each), [&](auto first, auto end) {
    for (std::int64_t o = first; o < end; ++o) {
      real* a = whole.data() + (o * w.extent + begin) * w.inner;
      real* b = part.data() + o * each;
      into_whole ? std::copy_n(b, each, a) : std::copy_n(a, each, b);
    }
  });
}

}  // namespace

Variable reshape(const Variable& x, const Shape& shape) {
  return record("reshape", {&x}, x.value().reshape(shape),
                [was = x.shape()](Grads& g) { g.give(0, g.out().reshape(was)); });
}

Variable transpose(const Variable& x, int i, int j) {
  const int a = checked_dim("transpose", x.shape(), i), b = checked_dim("transpose", x.shape(), j);
  return record("transpose", {&x}, transposed(x.value(), a, b),
                [a, b](Grads& g) { g.give(0, transposed(g.out(), a, b)); });
}

Variable slice(const Variable& x, int dim, std::int64_t begin, std::int64_t end) {
  dim = checked_dim("slice", x.shape(), dim);
  check(begin >= 0 && begin <= end && end <= x.shape()[dim], "slice", "[", begin, ", ", end, ") of extent ",
        x.shape()[dim]);
  const Tensor y = Tensor::empty(x.engine(), x.shape().with(dim, end - begin));
  copy_part(x.value(), y, dim, begin, false);
  return record("slice", {&x}, y, [shape = x.shape(), dim, begin](Grads& g) {
    const Tensor dx = Tensor::full(g.out().engine(), shape, 0);
    copy_part(dx, g.out(), dim, begin, true);
    g.give(0, dx);
  });
}

Variable concat(const std::vector<Variable>& parts, int dim) {
  check(!parts.empty(), "concat", "no parts");
  dim = checked_dim("concat", parts[0].shape(), dim);
  // Pairwise, so that an op never has more inputs than it can name.
  Variable whole = parts[0];
  for (std::size_t k = 1; k < parts.size(); ++k) {
    const Variable& a = whole;
    const Variable& b = parts[k];
    check(a.shape().with(dim, 0) == b.shape().with(dim, 0), "concat", "shapes ", a.shape(), " and ", b.shape());
    const std::int64_t m = a.shape()[dim], n = b.shape()[dim];
    const Tensor y = Tensor::empty(a.engine(), a.shape().with(dim, m + n));
    copy_part(y, a.value(), dim, 0, true);
    copy_part(y, b.value(), dim, m, true);
    whole = record("concat", {&a, &b}, y, [dim, m, n](Grads& g) {
      for (int i = 0; i < 2; ++i) {
        const Tensor dx = Tensor::empty(g.out().engine(), g.out().shape().with(dim, i == 0 ? m : n));
        copy_part(g.out(), dx, dim, i == 0 ? 0 : m, false);
        g.give(i, dx);
      }
    });
  }
  return whole;
}

namespace {
/// y [rows, width] holds x [rows] along each row.
void repeat_each(Engine& engine, const real* x, real* y, std::int64_t rows, std::int64_t width) {
  parallel_ranges(engine, rows, rows_a_tile(width), [&](auto r, auto end) {
    for (; r < end; ++r) std::fill_n(y + r * width, width, x[r]);
  });
}
/// y [rows, width] holds x [width] in each row.
void repeat_row(Engine& engine, const real* x, real* y, std::int64_t rows, std::int64_t width) {
  parallel_ranges(engine, rows, rows_a_tile(width), [&](auto r, auto end) {
    for (; r < end; ++r) std::copy_n(x, width, y + r * width);
  });
}

/// Copies of x along any extents of 1: index arithmetic for both directions.
template <class Visit>
void visit_broadcast(Engine& engine, const Shape& small, const Shape& large, Visit visit) {
  if (engine.dry()) return;
  std::array<std::int64_t, 5> step{}, at{};
  std::int64_t product = 1;
  for (int i = 1; i <= small.rank(); ++i) {
    step[static_cast<std::size_t>(large.rank() - i)] = small[-i] == 1 ? 0 : product;
    product *= small[-i];
  }
  std::int64_t from = 0;
  const std::int64_t count = large.numel();
  for (std::int64_t n = 0; n < count; ++n) {
    visit(from, n);
    for (int d = large.rank() - 1; d >= 0; --d) {
      const auto k = static_cast<std::size_t>(d);
      from += step[k];
      if (++at[k] < large[d]) break;
      from -= step[k] * at[k];
      at[k] = 0;
    }
  }
}
}  // namespace

Variable broadcast_to(const Variable& x, const Shape& shape) {
  check(x.shape().rank() <= shape.rank(), "broadcast_to", x.shape(), " has more extents than ", shape);
  for (int i = 1; i <= x.shape().rank(); ++i)
    check(x.shape()[-i] == shape[-i] || x.shape()[-i] == 1, "broadcast_to", x.shape(), " cannot be broadcast to ",
          shape);
  Engine& engine = x.engine();
  const Tensor y = Tensor::empty(engine, shape);
  const std::int64_t width = shape.last(), rows = shape.rows();
  if (x.shape().last() == 1 && x.value().numel() == rows) {  // [..., 1] -> [..., C]
    repeat_each(engine, x.value().data(), y.data(), rows, width);
    return record("broadcast_to", {&x}, y, [small = x.shape(), rows, width](Grads& g) {
      const Tensor dx = Tensor::empty(g.out().engine(), small);
      kernels::sum_each_row(dx.engine(), g.out().data(), dx.data(), rows, width);
      g.give(0, dx);
    });
  }
  if (x.shape().last() == width && x.value().numel() == width) {  // [C] -> [..., C]
    repeat_row(engine, x.value().data(), y.data(), rows, width);
    return record("broadcast_to", {&x}, y, [small = x.shape(), rows, width](Grads& g) {
      const Tensor dx = Tensor::empty(g.out().engine(), small);
      kernels::sum_rows(dx.engine(), g.out().data(), dx.data(), false, rows, width);
      g.give(0, dx);
    });
  }
  visit_broadcast(engine, x.shape(), shape, [&](auto from, auto to) { y.data()[to] = x.value().data()[from]; });
  return record("broadcast_to", {&x}, y, [small = x.shape()](Grads& g) {
    const auto sums = BasicTensor<double>::full(g.out().engine(), small, 0.0);
    visit_broadcast(sums.engine(), small, g.out().shape(),
                    [&](auto to, auto from) { sums.data()[to] += static_cast<double>(g.out().data()[from]); });
    const Tensor dx = Tensor::empty(g.out().engine(), small);
    for (std::int64_t i = 0; !dx.engine().dry() && i < dx.numel(); ++i)
      dx.data()[i] = static_cast<real>(sums.data()[i]);
    g.give(0, dx);
  });
}

Variable sum_last(const Variable& x) {
  const std::int64_t width = x.shape().last(), rows = x.shape().rows();
  const Tensor y = Tensor::empty(x.engine(), x.shape().with(-1, 1));
  kernels::sum_each_row(x.engine(), x.value().data(), y.data(), rows, width);
  return record("sum_last", {&x}, y, [shape = x.shape()](Grads& g) {
    const Tensor dx = Tensor::empty(g.out().engine(), shape);
    repeat_each(dx.engine(), g.out().data(), dx.data(), shape.rows(), shape.last());
    g.give(0, dx);
  });
}

Variable max_last(const Variable& x) {
  const std::int64_t width = x.shape().last(), rows = x.shape().rows();
  const Tensor y = Tensor::empty(x.engine(), x.shape().with(-1, 1));
  const Indices at = Indices::empty(x.engine(), {rows});
  for (std::int64_t r = 0; !x.engine().dry() && r < rows; ++r) {
    const real* row = x.value().data() + r * width;
    const real* largest = std::max_element(row, row + width, [](real a, real b) { return !(b <= a) && a == a; });
    at.data()[r] = static_cast<std::int32_t>(largest - row);
    y.data()[r] = *largest;
  }
  return record("max_last", {&x}, y, [shape = x.shape(), at](Grads& g) {
    const Tensor dx = Tensor::full(g.out().engine(), shape, real{0});
    for (std::int64_t r = 0; !dx.engine().dry() && r < at.numel(); ++r)
      dx.data()[r * shape.last() + at.data()[r]] = g.out().data()[r];
    g.give(0, dx);
  });
}

Variable mean_last(const Variable& x) { return scale(sum_last(x), 1 / static_cast<double>(x.shape().last())); }
Variable sum(const Variable& x) { return reshape(sum_last(reshape(x, {1, x.value().numel()})), {1}); }
Variable mean(const Variable& x) { return scale(sum(x), 1 / static_cast<double>(x.value().numel())); }

NORMSCOPE_END
