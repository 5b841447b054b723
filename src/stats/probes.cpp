#include "stats/probes.h"

#include <cmath>
#include <limits>

#include "kernels/kernels.h"

NORMSCOPE_BEGIN

ResidualProbe::ResidualProbe(const std::vector<std::string>& points, std::vector<bool> selected)
    : points_(points.size()) {
  for (std::size_t r = 0; r < points.size(); ++r) {
    index_[points[r]] = r;
    points_[r].selected = selected[r];
  }
  for (auto* column : {&grad_norm, &grad_times_x, &rms, &mean_share})
    column->assign(points.size(), std::numeric_limits<float>::quiet_NaN());
}

void ResidualProbe::start_step(std::int64_t) {
  for (Point& p : points_) p.tokens = p.entries = p.sum_squares = p.share = p.gradient_squares = p.product_squares = 0;
}

void ResidualProbe::value(const std::string& name, const Variable& x) {
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
    p.sum_squares += square;
    if (square > 0) p.share += mu * mu / (square / C);  // mu^2 / mean(x^2)
  }
  p.tokens += static_cast<double>(rows);
  p.entries += static_cast<double>(rows) * C;
  if (x.tracked()) x.on_grad([this, point = found->second](const Tensor& g) { gradient(point, g); });
}

void ResidualProbe::gradient(std::size_t point, const Tensor& g) {
  Point& p = points_[point];
  const std::int64_t rows = g.shape().rows();
  const Tensor squares = Tensor::empty(g.engine(), {rows});
  kernels::row_moments(g.engine(), g.data(), squares.data(), nullptr, rows, g.shape().last());
  for (std::int64_t t = 0; t < rows; ++t) {
    const double square = static_cast<double>(squares.data()[t]);
    p.gradient_squares += square;
    p.product_squares += square * static_cast<double>(p.squares.data()[t]);
  }
}

void ResidualProbe::finish_step(bool measured) {
  for (std::size_t r = 0; r < points_.size(); ++r) {
    Point& p = points_[r];
    p.squares = Tensor();
    const bool known = measured && p.selected && p.tokens > 0;
    const auto number = [&](double value) {
      return known ? static_cast<float>(value) : std::numeric_limits<float>::quiet_NaN();
    };
    grad_norm[r] = number(std::sqrt(p.tokens * p.gradient_squares));    // sqrt(N) ||dL/dx||_F
    grad_times_x[r] = number(std::sqrt(p.tokens * p.product_squares));  // rms over t of ||x_t|| ||d(NL)/dx_t||
    rms[r] = number(std::sqrt(p.sum_squares / p.entries));
    mean_share[r] = number(p.share / p.tokens);
  }
}

NORMSCOPE_END
