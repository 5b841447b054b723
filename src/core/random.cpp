#include <normscope/core/random.h>

#include <Random123/philox.h>

#include <cmath>
#include <numbers>

namespace normscope {

std::uint64_t stream_of(std::string_view path) {
  std::uint64_t hash = 14695981039346656037ULL;
  for (const char c : path) hash = (hash ^ static_cast<unsigned char>(c)) * 1099511628211ULL;
  return hash;
}

Random::Random(std::uint64_t seed, Purpose purpose, std::uint64_t stream)
    : key_{static_cast<std::uint32_t>(seed), static_cast<std::uint32_t>(seed >> 32)},
      // The block index gets 32 + 24 bits of the counter, the purpose the 8 above, the stream the other 64.
      high_{static_cast<std::uint32_t>(purpose) << 24, static_cast<std::uint32_t>(stream),
            static_cast<std::uint32_t>(stream >> 32)} {}

void Random::block(std::uint64_t b, std::uint32_t out[4]) const {
  const r123::Philox4x32::ctr_type counter{
      {static_cast<std::uint32_t>(b), high_[0] | static_cast<std::uint32_t>(b >> 32), high_[1], high_[2]}};
  const r123::Philox4x32::key_type key{{key_[0], key_[1]}};
  const auto bits = r123::Philox4x32{}(counter, key);
  for (int k = 0; k < 4; ++k) out[k] = bits[k];
}

std::uint32_t Random::bits(std::uint64_t i) const {
  std::uint32_t out[4];
  block(i / 4, out);
  return out[i % 4];
}

namespace {
std::uint64_t pair_bits(const Random& random, std::uint64_t i) {
  std::uint32_t out[4];
  random.block(i / 2, out);
  const auto k = 2 * (i % 2);
  return (static_cast<std::uint64_t>(out[k]) << 32) | out[k + 1];
}
}  // namespace

double Random::uniform(std::uint64_t i) const { return static_cast<double>(pair_bits(*this, i) >> 11) * 0x1p-53; }

double Random::normal(std::uint64_t i) const {
  const std::uint64_t first = i & ~1ULL;
  const double radius = std::sqrt(-2.0 * std::log1p(-uniform(first)));  // 1 - u is in (0, 1]
  const double angle = 2.0 * std::numbers::pi * uniform(first + 1);
  return i % 2 == 0 ? radius * std::cos(angle) : radius * std::sin(angle);
}

std::uint64_t Random::below(std::uint64_t i, std::uint64_t n) const {
  return static_cast<std::uint64_t>((static_cast<unsigned __int128>(pair_bits(*this, i)) * n) >> 64);
}

}  // namespace normscope
