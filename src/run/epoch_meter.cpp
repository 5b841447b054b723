#include "run/epoch_meter.h"

#include <cmath>

#include <normscope/core/error.h>

#include "core/numbers.h"

namespace normscope {

EpochMeter::EpochMeter(const std::vector<ParamInfo>& params, std::size_t residual_points)
    : residual_(residual_points), state_(2 + params.size() + 2 * residual_points, 0.0) {
  for (const ParamInfo& p : params) block_matrix_.push_back(p.is_block_matrix());
}

void EpochMeter::add(double loss, std::span<const double> param_grad_norm, std::span<const float> residual_grad_norm) {
  state_[0] += 1;
  state_[1] += loss;
  for (std::size_t p = 0; p < param_grad_norm.size(); ++p) state_[2 + p] += param_grad_norm[p];
  double* residual = &state_[2 + block_matrix_.size()];
  for (std::size_t r = 0; r < residual_; ++r)
    if (!std::isnan(residual_grad_norm[r])) {
      residual[2 * r] += static_cast<double>(residual_grad_norm[r]);
      residual[2 * r + 1] += 1;
    }
}

EpochRow EpochMeter::finish(std::int64_t epoch, bool complete) {
  EpochRow row;
  row.epoch = epoch;
  row.complete = complete;
  const double steps = state_[0];
  row.loss = state_[1] / steps;
  double sum = 0, matrices = 0;
  for (std::size_t p = 0; p < block_matrix_.size(); ++p) {
    const double mean = state_[2 + p] / steps;
    row.param_grad_norm.push_back(static_cast<float>(mean));
    if (block_matrix_[p]) {
      sum += mean;
      matrices += 1;
    }
  }
  row.mean_grad_norm = sum / matrices;  // g_e: every block matrix counts the same
  const double* residual = &state_[2 + block_matrix_.size()];
  for (std::size_t r = 0; r < residual_; ++r)
    row.residual_grad_norm.push_back(residual[2 * r + 1] > 0 ? static_cast<float>(residual[2 * r] / residual[2 * r + 1])
                                                             : kNaN);
  state_.assign(state_.size(), 0.0);
  return row;
}

void EpochMeter::restore(const std::vector<double>& state) {
  if (state.size() != state_.size()) throw UsageError("[checkpoint] it was written with other model keys; start over");
  state_ = state;
}

}  // namespace normscope
