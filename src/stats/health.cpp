#include "stats/health.h"

#include <algorithm>
#include <cmath>

#include "kernels/kernels.h"
#include "run/divergence.h"

NORMSCOPE_BEGIN

namespace {
/// NaN shows in the sum of squares, infinity in the largest magnitude: the sum alone overflows for large numbers, too.
bool finite(const kernels::Magnitude& m) { return std::isfinite(m.max_abs) && !std::isnan(m.sum_squares); }

void keep_first(std::optional<std::size_t>& first, std::size_t point) {
  if (!first || point < *first) first = point;
}
}  // namespace

HealthCheck::HealthCheck(const Model& model) : model_(model) {}

std::string HealthCheck::place(std::size_t point) const {
  return point_place(point, model_.points().size(), model_.options().n_layer);
}

void HealthCheck::start_step(std::int64_t step) {
  nonfinite_.reset();
  overflow_.reset();
  last_points_finite_ = true;
  gradient_.clear();
  weight_.clear();
  if (next_) next_->start_step(step);
}

void HealthCheck::value(const std::string& name, const Variable& x) {
  if (next_) next_->value(name, x);
  const auto& points = model_.points();
  const auto found = std::find(points.begin(), points.end(), name);
  if (found == points.end()) return;
  const auto point = static_cast<std::size_t>(found - points.begin());
  const auto magnitude = kernels::magnitude(x.value().data(), x.shape().numel());
  if (!finite(magnitude)) {
    keep_first(nonfinite_, point);
    if (point + 2 >= points.size()) last_points_finite_ = false;
  } else if (std::isinf(magnitude.sum_squares)) {
    keep_first(overflow_, point);
  }
}

void HealthCheck::gradients(const GradientNorms& norms) {
  const auto& all = model_.parameters().all();
  for (std::size_t p = all.size(); p-- > 0 && gradient_.empty();)  // backward goes from the head down
    if (!std::isfinite(norms.sum_squares[p])) gradient_ = all[p].path + ", gradient";
  if (next_) next_->gradients(norms);
}

void HealthCheck::updates(const UpdateNorms& norms) {
  const auto& all = model_.parameters().all();
  for (std::size_t p = 0; p < all.size() && weight_.empty(); ++p) {
    // A weight that turns infinite makes its change infinite; so may a large finite one, when squared.
    if (std::isfinite(norms.weight_squares[p]) && std::isfinite(norms.change_squares[p])) continue;
    if (!finite(kernels::magnitude(all[p].value(), all[p].numel()))) weight_ = all[p].path + ", weight";
  }
  if (next_) next_->updates(norms);
}

std::string HealthCheck::nonfinite(double loss) const {
  if (std::isfinite(loss) && last_points_finite_ && gradient_.empty() && weight_.empty()) return "";
  if (nonfinite_) return place(*nonfinite_);
  if (!std::isfinite(loss)) return "output of the head (logits) and loss";
  return gradient_.empty() ? weight_ : gradient_;
}

NORMSCOPE_END
