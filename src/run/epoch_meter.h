#pragma once
// Means over the steps of an epoch.
#include <cstdint>
#include <span>
#include <vector>

#include "io/run_file.h"

namespace normscope {

/// Gathers an epoch's steps; everything it holds is plain doubles, so a checkpoint keeps it exactly.
class EpochMeter {
 public:
  EpochMeter(const std::vector<ParamInfo>& params, std::size_t residual_points);
  /// One step: gradient norms of all parameters (before clipping) and the residual ones (NaN: not measured).
  void add(double loss, std::span<const double> param_grad_norm, std::span<const float> residual_grad_norm);
  /// Means so far, and starts over.
  EpochRow finish(std::int64_t epoch, bool complete);
  bool empty() const { return state_[0] == 0; }

  const std::vector<double>& state() const { return state_; }
  void restore(const std::vector<double>& state);

 private:
  std::vector<bool> block_matrix_;
  std::size_t residual_;
  std::vector<double> state_;  // steps, loss, sum per parameter, then per point: sum, count
};

}  // namespace normscope
