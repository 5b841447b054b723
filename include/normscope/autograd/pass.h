#pragma once
// What one forward pass needs to know beside its input.
#include <cstdint>
#include <string>

#include <normscope/autograd/variable.h>
#include <normscope/core/random.h>

NORMSCOPE_BEGIN

struct Pass {
  bool training = false;  ///< dropout is on, batch statistics are taken
  std::uint64_t seed = 0;
  std::uint64_t micro_step = 0;      ///< counts micro-batches: the dropout masks' stream
  Observer* observer = nullptr;      ///< told of named values; works without a tape, too
  std::int64_t step = 0, steps = 0;  ///< of the optimizer, and in all; for what changes over a run
  void observe(const std::string& name, const Variable& x) const {
    if (observer) observer->value(name, x);
  }
  bool wants(const std::string& name) const { return observer && observer->wants(name); }
  /// The dropout stream of a layer in this pass.
  Random dropout(const std::string& path) const {
    return Random(seed, Purpose::dropout, stream_of(path) + 0x9E3779B97F4A7C15ULL * (micro_step + 1));
  }
};

NORMSCOPE_END
