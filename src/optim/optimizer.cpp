#include <normscope/optim/optimizer.h>

#include <algorithm>
#include <cmath>

#include "core/parallel.h"

#include "kernels/kernels.h"

NORMSCOPE_BEGIN

Optimizer::Optimizer(const Parameters& parameters, const OptimizerOptions& options)
    : parameters_(parameters), options_(options) {
  if (options.name != "adamw" && options.name != "sgd")
    throw UsageError("optimizer = \"" + options.name + "\" is unknown; allowed: adamw, sgd");
  constexpr std::int64_t kTile = 16384;
  for (std::size_t p = 0; p < parameters.all().size(); ++p) {
    const Parameter& parameter = parameters.all()[p];
    first_.push_back(Tensor::full(parameters.engine(), parameter.shape, 0));
    if (options.name == "adamw") second_.push_back(Tensor::full(parameters.engine(), parameter.shape, 0));
    for (std::int64_t offset = 0; offset < parameter.numel(); offset += kTile)
      tiles_.push_back({p, offset, std::min(kTile, parameter.numel() - offset)});
  }
  partial_.resize(2 * tiles_.size());
}

void Optimizer::measure(GradientNorms& norms) const {
  parallel_tiles(parameters_.engine(), static_cast<std::int64_t>(tiles_.size()), [&](std::int64_t i) {
    const Tile& tile = tiles_[static_cast<std::size_t>(i)];
    const real* gradient = parameters_.all()[tile.parameter].grad();
    const auto found = gradient ? kernels::magnitude(gradient + tile.offset, tile.count) : kernels::Magnitude{};
    partial_[static_cast<std::size_t>(2 * i)] = found.sum_squares;
    partial_[static_cast<std::size_t>(2 * i + 1)] = found.max_abs;
  });
  norms.sum_squares.assign(parameters_.all().size(), 0);
  norms.max_abs.assign(parameters_.all().size(), 0);
  for (std::size_t i = 0; i < tiles_.size(); ++i) {
    norms.sum_squares[tiles_[i].parameter] += partial_[2 * i];
    double& top = norms.max_abs[tiles_[i].parameter];
    top = std::max(top, partial_[2 * i + 1]);
  }
  for (std::size_t p = 0; p < norms.max_abs.size(); ++p)  // the largest of NaN and a number is no NaN
    if (std::isnan(norms.sum_squares[p])) norms.max_abs[p] = norms.sum_squares[p];
  double total = 0;
  for (const double square : norms.sum_squares) total += square;
  norms.global = std::sqrt(total);
  norms.finite = std::isfinite(total);
}

double Optimizer::clip_factor(double norm, double limit) {
  return limit > 0 ? std::min(1.0, limit / (norm + 1e-6)) : 1.0;
}

void Optimizer::step(double lr, double clip, UpdateNorms& norms) {
  ++steps_;
  const auto t = static_cast<double>(steps_);
  const OptimizerOptions& o = options_;
  parallel_tiles(parameters_.engine(), static_cast<std::int64_t>(tiles_.size()), [&](std::int64_t i) {
    const Tile& tile = tiles_[static_cast<std::size_t>(i)];
    const Parameter& p = parameters_.all()[tile.parameter];
    double* sums = &partial_[static_cast<std::size_t>(2 * i)];
    sums[0] = sums[1] = 0;
    if (!p.grad()) return;
    const double decay = p.decays ? o.weight_decay : 0;
    real *w = p.value() + tile.offset, *m = first_[tile.parameter].data() + tile.offset;
    const real* g = p.grad() + tile.offset;
    if (o.name == "adamw")
      kernels::adamw({lr, o.beta1, o.beta2, o.eps, decay, clip, 1 - std::pow(o.beta1, t), 1 - std::pow(o.beta2, t)}, w,
                     g, m, second_[tile.parameter].data() + tile.offset, tile.count, sums);
    else
      kernels::sgd({lr, o.beta1, decay, clip}, w, g, m, tile.count, sums);
  });
  norms.weight_squares.assign(parameters_.all().size(), 0);
  norms.change_squares.assign(parameters_.all().size(), 0);
  for (std::size_t i = 0; i < tiles_.size(); ++i) {
    norms.weight_squares[tiles_[i].parameter] += partial_[2 * i];
    norms.change_squares[tiles_[i].parameter] += partial_[2 * i + 1];
  }
}

NORMSCOPE_END
