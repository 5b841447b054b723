#include "stats/residual_meter.h"

#include "kernels/kernels.h"

NORMSCOPE_BEGIN

ResidualMeter::ResidualMeter(const std::vector<std::string>& points, const std::vector<bool>& selected)
    : points_(points.size()) {
  for (std::size_t r = 0; r < points.size(); ++r) {
    index_[points[r]] = r;
    points_[r].selected = selected[r];
  }
}

void ResidualMeter::start_step(std::int64_t) {
  for (Point& p : points_) p.sums = {};
}

void ResidualMeter::value(const std::string& name, const Variable& x) {
  const auto found = index_.find(name);
  if (found == index_.end() || !points_[found->second].selected) return;
  Point& p = points_[found->second];
  const std::int64_t rows = x.shape().rows(), width = x.shape().last();
  p.squares = Tensor::empty(x.engine(), {rows});
  const Tensor sums = Tensor::empty(x.engine(), {rows});
  kernels::row_moments(x.engine(), x.value().data(), p.squares.data(), sums.data(), rows, width);
  const auto C = static_cast<double>(width);
  for (std::int64_t t = 0; t < rows; ++t) {
    const double square = static_cast<double>(p.squares.data()[t]), mu = static_cast<double>(sums.data()[t]) / C;
    p.sums.sum_squares += square;
    if (square > 0) p.sums.share += mu * mu / (square / C);  // mu^2 / mean(x^2)
  }
  p.sums.tokens += static_cast<double>(rows);
  p.sums.entries += static_cast<double>(rows) * C;
  if (x.tracked()) x.on_grad([this, point = found->second](const Tensor& g) { gradient(point, g); });
}

void ResidualMeter::gradient(std::size_t point, const Tensor& g) {
  Point& p = points_[point];
  const std::int64_t rows = g.shape().rows();
  const Tensor squares = Tensor::empty(g.engine(), {rows});
  kernels::row_moments(g.engine(), g.data(), squares.data(), nullptr, rows, g.shape().last());
  for (std::int64_t t = 0; t < rows; ++t) {
    const double square = static_cast<double>(squares.data()[t]);
    p.sums.gradient_squares += square;
    p.sums.product_squares += square * static_cast<double>(p.squares.data()[t]);
  }
}

void ResidualMeter::updates(const UpdateNorms&) {
  for (Point& p : points_) p.squares = Tensor();
}

NORMSCOPE_END
