// Random numbers for dropout: Philox4x32-10 (Salmon et al. 2011), a block in each 64-bit lane.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/random_blocks.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "kernels/kernels.h"

HWY_BEFORE_NAMESPACE();
NORMSCOPE_BEGIN
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

/// Whole vectors of blocks only; returns how many blocks they are.
#if HWY_TARGET == HWY_SCALAR  // vectors of one lane, whatever its width
std::size_t philox_vectors(const Random&, std::uint64_t, std::uint64_t, std::size_t, std::uint32_t*) { return 0; }
#else
std::size_t philox_vectors(const Random& random, std::uint64_t first, std::uint64_t step, std::size_t count,
                           std::uint32_t* out) {
  std::size_t done = 0;
  const hn::ScalableTag<std::uint64_t> d;
  const hn::Repartition<std::uint32_t, decltype(d)> words;
  const auto product = [&](auto x, std::uint32_t factor)
                           HWY_ATTR { return hn::MulEven(hn::BitCast(words, x), hn::Set(words, factor)); };
  const auto word = [&](std::uint32_t x) HWY_ATTR { return hn::Set(d, std::uint64_t{x}); };
  HWY_ALIGN std::uint64_t numbers[HWY_MAX_BYTES / sizeof(std::uint64_t)];
  for (std::size_t i = 0; i < hn::Lanes(d); ++i) numbers[i] = first + i * step;
  auto b = hn::Load(d, numbers);
  for (; done + hn::Lanes(d) <= count; done += hn::Lanes(d)) {
    // A counter's word is a lane's lower half; the upper one is anything, since products read the lower alone.
    auto c0 = b, c1 = hn::Or(word(random.high()[0]), hn::ShiftRight<32>(b)), c2 = word(random.high()[1]),
         c3 = word(random.high()[2]);
    std::uint32_t k0 = random.key()[0], k1 = random.key()[1];
    for (int round = 0; round < 10; ++round) {
      const auto p0 = product(c0, 0xD2511F53), p2 = product(c2, 0xCD9E8D57);
      c0 = hn::Xor(hn::Xor(hn::ShiftRight<32>(p2), c1), word(k0));
      c2 = hn::Xor(hn::Xor(hn::ShiftRight<32>(p0), c3), word(k1));
      c1 = p2, c3 = p0;
      k0 += 0x9E3779B9, k1 += 0xBB67AE85;
    }
    const auto lower = word(0xFFFFFFFF);
    hn::StoreInterleaved2(hn::Or(hn::And(c0, lower), hn::ShiftLeft<32>(c1)),
                          hn::Or(hn::And(c2, lower), hn::ShiftLeft<32>(c3)), d,
                          reinterpret_cast<std::uint64_t*>(out + 4 * done));
    b = hn::Add(b, hn::Set(d, hn::Lanes(d) * step));
  }
  return done;
}
#endif

}  // namespace HWY_NAMESPACE
NORMSCOPE_END
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
NORMSCOPE_BEGIN
HWY_EXPORT(philox_vectors);

namespace kernels {
void random_blocks(const Random& random, std::uint64_t first, std::uint64_t step, std::size_t count,
                   std::uint32_t* out) {
  for (std::size_t b = HWY_DYNAMIC_DISPATCH(philox_vectors)(random, first, step, count, out); b < count; ++b)
    random.block(first + b * step, out + 4 * b);
}
}  // namespace kernels
NORMSCOPE_END
#endif
