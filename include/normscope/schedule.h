#pragma once
// The learning rate schedule.
#include <cstdint>

namespace normscope {

/// lr (it + 1) / (warmup + 1) while it < warmup, then a cosine to min_lr at decay_iters, then min_lr.
/// nanoGPT's get_lr; with decay off: lr throughout.
struct Schedule {
  double learning_rate = 1e-3, min_lr = 1e-4;
  std::int64_t warmup_iters = 0, lr_decay_iters = 1;
  bool decay_lr = true;
  double at(std::int64_t it) const;
};

}  // namespace normscope
