#include <fmt/format.h>
#include <normscope/core/error.h>
#include <normscope/core/random.h>
#include <normscope/data/sampler.h>

#include <algorithm>
#include <utility>

namespace normscope {
namespace {

std::int64_t step_windows(const SamplerOptions& o) { return o.batch_size * o.accumulation_steps; }

// Steps of one pass over the data, whatever epochs are counted in.
std::int64_t pass_steps(const SamplerOptions& o, std::int64_t windows) { return windows / step_windows(o); }

void require_positive(const char* key, std::int64_t value) {
  if (value < 1) throw UsageError(fmt::format("[sampler] {} = {} must be at least 1", key, value));
}

// Epoch `epoch` (from 1): windows of T + 1 tokens at offset + k T, so neighbours share one token. The last target lies
// at offset + W T <= (T - 1) + (N - T) = N - 1, inside the data for every offset.
std::vector<std::int64_t> epoch_order(const SamplerOptions& o, std::int64_t windows, std::int64_t epoch) {
  const auto stream = static_cast<std::uint64_t>(epoch);
  const Random offsets(o.seed, Purpose::epoch_offset, stream), swaps(o.seed, Purpose::epoch_order, stream);
  const auto offset = static_cast<std::int64_t>(offsets.below(0, static_cast<std::uint64_t>(o.block_size)));
  std::vector<std::int64_t> starts(static_cast<std::size_t>(windows));
  for (std::int64_t k = 0; k < windows; ++k) starts[static_cast<std::size_t>(k)] = offset + k * o.block_size;
  for (std::size_t i = starts.size() - 1; i > 0; --i)
    std::swap(starts[i], starts[swaps.below(i, i + 1)]);  // Fisher-Yates
  return starts;
}

}  // namespace

Sampler::Sampler(std::span<const std::uint16_t> train, const SamplerOptions& options)
    : Sampler(std::ssize(train), options) {
  train_ = train;
}

Sampler::Sampler(std::int64_t length, const SamplerOptions& options) : length_(length), options_(options) {
  require_positive("block_size", options.block_size);
  require_positive("batch_size", options.batch_size);
  require_positive("gradient_accumulation_steps", options.accumulation_steps);
  if (options.epoch_iters < 0) {
    throw UsageError(
        fmt::format("[sampler] epoch_iters = {} must be at least 0 (0: real epochs)", options.epoch_iters));
  }
  const double step_tokens = static_cast<double>(options.batch_size) * static_cast<double>(options.accumulation_steps) *
                             static_cast<double>(options.block_size);
  if (step_tokens > 1e15) {  // keeps every product below inside 64 bits
    throw UsageError(
        fmt::format("[sampler] batch_size x gradient_accumulation_steps x block_size = {:.3g} tokens per step; "
                    "use at most 1e15",
                    step_tokens));
  }
  const bool shuffle = options.kind == "shuffle";
  if (!shuffle && options.kind != "random") {
    throw UsageError(fmt::format("[sampler] sampler = '{}' is unknown; allowed: shuffle, random", options.kind));
  }

  const std::int64_t N = length, T = options.block_size;
  const std::int64_t needed = shuffle ? 2 * T : T + 1;
  if (N < needed) {
    throw UsageError(
        fmt::format("[sampler] block_size = {} needs at least {} tokens with sampler {}; the data has {}; "
                    "use a smaller block_size or more data",
                    T, needed, options.kind, N));
  }
  const std::int64_t a_step = step_windows(options);
  if (shuffle) {
    windows_ = (N - T) / T;
    if (windows_ < a_step) {
      throw UsageError(
          fmt::format("[sampler] batch_size {} x gradient_accumulation_steps {} needs {} windows per step; the "
                      "{} tokens hold {} of block_size {}; use a smaller batch_size or sampler random",
                      options.batch_size, options.accumulation_steps, a_step, N, windows_, T));
    }
  } else {
    windows_ = (N + a_step * T - 1) / (a_step * T) * a_step;
  }
}

std::int64_t Sampler::steps_per_epoch() const {
  return options_.epoch_iters > 0 ? options_.epoch_iters : pass_steps(options_, windows_);
}

std::int64_t Sampler::windows_per_epoch() const { return windows_; }

std::int64_t Sampler::dropped_windows() const { return windows_ % step_windows(options_); }

std::int64_t Sampler::epoch_of(std::int64_t step) const { return step / steps_per_epoch() + 1; }

bool Sampler::ends_epoch(std::int64_t step) const { return (step + 1) % steps_per_epoch() == 0; }

std::string Sampler::epoch_label() const {
  return options_.epoch_iters > 0 ? fmt::format("pseudo-epoch ({} steps)", options_.epoch_iters) : "epoch";
}

std::vector<std::int64_t> Sampler::starts(std::int64_t step, std::int64_t micro) const {
  if (step < 0 || micro < 0 || micro >= options_.accumulation_steps) {
    throw Error(
        fmt::format("[sampler] micro-batch {} of step {} does not exist; steps start at 0, micro-batches are 0 to {}",
                    micro, step, options_.accumulation_steps - 1));
  }
  std::vector<std::int64_t> starts(static_cast<std::size_t>(options_.batch_size));
  if (options_.kind == "random") {
    const Random random(options_.seed, Purpose::window,
                        static_cast<std::uint64_t>(step * options_.accumulation_steps + micro));
    const auto choices = static_cast<std::uint64_t>(length_ - options_.block_size);
    for (std::size_t row = 0; row < starts.size(); ++row) {
      starts[row] = static_cast<std::int64_t>(random.below(row, choices));
    }
    return starts;
  }
  // Pseudo-epochs change what is counted, not the passes over the data.
  const std::int64_t steps = pass_steps(options_, windows_), epoch = step / steps + 1;
  if (cached_epoch_ != epoch) {
    order_ = epoch_order(options_, windows_, epoch);
    cached_epoch_ = epoch;
  }
  const std::int64_t first = (step % steps) * step_windows(options_) + micro * options_.batch_size;
  std::copy_n(order_.begin() + first, options_.batch_size, starts.begin());
  return starts;
}

void Sampler::batch(std::int64_t step, std::int64_t micro, std::span<std::int32_t> tokens,
                    std::span<std::int32_t> targets) const {
  const auto T = static_cast<std::size_t>(options_.block_size), BT = T * static_cast<std::size_t>(options_.batch_size);
  if (tokens.size() != BT || targets.size() != BT) {
    throw Error(fmt::format("[sampler] tokens [{}] and targets [{}] must both hold batch_size x block_size = {} values",
                            tokens.size(), targets.size(), BT));
  }
  const auto rows = starts(step, micro);
  for (std::size_t b = 0; b < rows.size(); ++b) {
    const auto window = train_.subspan(static_cast<std::size_t>(rows[b]), T + 1);
    std::copy_n(window.begin(), T, tokens.begin() + static_cast<std::ptrdiff_t>(b * T));
    std::copy_n(window.begin() + 1, T, targets.begin() + static_cast<std::ptrdiff_t>(b * T));
  }
}

}  // namespace normscope
