#pragma once
// Samplers: which windows of the training tokens make up micro-batch number m. Pure functions of (seed, m).
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace normscope {

struct SamplerOptions {
  std::string kind = "shuffle";         ///< shuffle | random
  std::int64_t block_size = 0;          ///< T
  std::int64_t batch_size = 0;          ///< B, of one micro-batch
  std::int64_t accumulation_steps = 1;  ///< micro-batches in a step
  std::int64_t epoch_iters = 0;         ///< > 0: pseudo-epochs of N steps
  std::uint64_t seed = 0;
};

class Sampler {
 public:
  /// `train` must outlive the sampler. Raises UsageError when the data holds no full step or no full window
  /// (block_size longer than the data).
  Sampler(std::span<const std::uint16_t> train, const SamplerOptions& options);
  /// For starts() alone, over data that the caller holds: `length` tokens, or N samples as length N + 1, block_size 1.
  Sampler(std::int64_t length, const SamplerOptions& options);

  std::int64_t steps_per_epoch() const;            ///< of the epoch that epochs are counted in
  std::int64_t windows_per_epoch() const;          ///< floor((N - T) / T) for shuffle
  std::int64_t dropped_windows() const;            ///< tail of an epoch that fills no step
  std::int64_t epoch_of(std::int64_t step) const;  ///< counts from 1
  bool ends_epoch(std::int64_t step) const;        ///< is `step` (from 0) the last of its epoch
  std::string epoch_label() const;                 ///< "epoch" or "pseudo-epoch (N steps)"

  /// Start positions [B] of the windows of micro-batch `micro` of `step`.
  std::vector<std::int64_t> starts(std::int64_t step, std::int64_t micro) const;
  /// tokens [B, T] and targets [B, T] (tokens shifted by one) of micro-batch `micro` of `step`.
  void batch(std::int64_t step, std::int64_t micro, std::span<std::int32_t> tokens,
             std::span<std::int32_t> targets) const;

 private:
  std::span<const std::uint16_t> train_;
  std::int64_t length_;
  SamplerOptions options_;
  std::int64_t windows_ = 0;
  mutable std::int64_t cached_epoch_ = 0;  // the order of one epoch, kept between calls
  mutable std::vector<std::int64_t> order_;
};

}  // namespace normscope
