#pragma once
// The learning rate schedule.
#include <cmath>
#include <cstdint>
#include <numbers>

namespace normscope {

/// lr (it + 1) / (warmup + 1) while it < warmup, then a cosine to min_lr at decay_iters, then min_lr.
/// nanoGPT's get_lr; with decay off: lr throughout.
struct Schedule {
  double learning_rate = 1e-3, min_lr = 1e-4;
  std::int64_t warmup_iters = 0, lr_decay_iters = 1;
  bool decay_lr = true;
  double at(std::int64_t it) const {
    if (!decay_lr) return learning_rate;
    if (it < warmup_iters) return learning_rate * static_cast<double>(it + 1) / static_cast<double>(warmup_iters + 1);
    if (it > lr_decay_iters) return min_lr;
    const std::int64_t span = lr_decay_iters - warmup_iters;
    const double progress = span > 0 ? static_cast<double>(it - warmup_iters) / static_cast<double>(span) : 1;
    return min_lr + 0.5 * (1 + std::cos(std::numbers::pi * progress)) * (learning_rate - min_lr);
  }
};

}  // namespace normscope
