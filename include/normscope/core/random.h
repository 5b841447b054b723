#pragma once
// Counter-based random numbers: Philox4x32-10 (Salmon et al. 2011), keyed by (seed, purpose, stream, element).
// Nothing depends on the order of draws, so runs that share a seed share batches and initial values.
#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace normscope {

/// What a number is drawn for; two purposes never share a draw.
enum class Purpose : std::uint32_t {
  init = 1,
  dropout,
  epoch_order,
  epoch_offset,
  window,
  corpus,
  sample,
  gradcheck,
  random_tokens,
  perturb,
  bootstrap,
};

/// 64-bit FNV-1a hash of a parameter path: the stream that its initial values come from.
std::uint64_t stream_of(std::string_view path);

/// One random stream; every member is a pure function of the element's index i.
class Random {
 public:
  Random(std::uint64_t seed, Purpose purpose, std::uint64_t stream);

  /// 32 random bits of element i.
  std::uint32_t bits(std::uint64_t i) const;
  /// Uniform in [0, 1), 53 random bits.
  double uniform(std::uint64_t i) const;
  /// Standard normal (Box-Muller).
  double normal(std::uint64_t i) const;
  /// Uniform in {0, ..., n - 1}; n >= 1 (multiply-shift on 64 bits; bias below n / 2^64).
  std::uint64_t below(std::uint64_t i, std::uint64_t n) const;

  /// Four times 32 bits: block b holds the bits of elements 4b .. 4b + 3.
  void block(std::uint64_t b, std::uint32_t out[4]) const;
  /// Philox's key, and the three words of its counter above the block's index.
  const std::array<std::uint32_t, 2>& key() const { return key_; }
  const std::array<std::uint32_t, 3>& high() const { return high_; }

 private:
  std::array<std::uint32_t, 2> key_;
  std::array<std::uint32_t, 3> high_;
};

}  // namespace normscope
