#pragma once
// What one forward pass needs to know beside its input.
#include <cstdint>
#include <string>

#include <normscope/core/random.h>

namespace normscope {

struct Pass {
  bool training = false;  ///< dropout is on, batch statistics are taken
  std::uint64_t seed = 0;
  std::uint64_t micro_step = 0;  ///< counts micro-batches: the dropout masks' stream
  std::int64_t step = 0, total_steps = 0;  ///< of training, from 0; total 0: not known
  /// The dropout stream of a layer in this pass.
  Random dropout(const std::string& path) const {
    return Random(seed, Purpose::dropout, stream_of(path) + 0x9E3779B97F4A7C15ULL * (micro_step + 1));
  }
};

}  // namespace normscope
