// Embedding rows, dropout masks, rotary embedding: index work without vectors of its own.
#include <algorithm>

#include "core/parallel.h"

#include "kernels/kernels.h"

NORMSCOPE_BEGIN
namespace kernels {

void gather_rows(Engine& engine, const real* table, const std::int32_t* tokens, real* out, std::int64_t rows,
                 std::int64_t width) {
  parallel_ranges(engine, rows, 64, [&](auto r, auto end) {
    for (; r < end; ++r) std::copy_n(table + tokens[r] * width, width, out + r * width);
  });
}

void scatter_rows(Engine& engine, const real* dy, const std::int32_t* tokens, real* dtable, bool add, std::int64_t rows,
                  std::int64_t width, std::int64_t entries) {
  // Each tile owns a strip of columns and walks the rows in order: no two threads write one element.
  const std::int64_t strip = std::max<std::int64_t>(16, (width + 7) / 8);
  parallel_ranges(engine, width, strip, [&](auto begin, auto end) {
    const std::int64_t count = end - begin;
    if (!add)
      for (std::int64_t e = 0; e < entries; ++e) std::fill_n(dtable + e * width + begin, count, real{0});
    for (std::int64_t r = 0; r < rows; ++r) {
      const real* from = dy + r * width + begin;
      real* to = dtable + tokens[r] * width + begin;
      for (std::int64_t i = 0; i < count; ++i) to[i] += from[i];
    }
  });
}

void dropout(Engine& engine, const real* x, real* y, std::int64_t n, double p, const Random& random) {
  const DropoutRule rule(p);
  constexpr std::int64_t kTile = 4096;
  parallel_ranges(engine, n, kTile, [&](auto begin, auto end) {
    alignas(64) std::uint32_t bits[kTile];
    random_blocks(random, static_cast<std::uint64_t>(begin) / 4, 1, static_cast<std::size_t>(parts(end - begin, 4)),
                  bits);
    for (std::int64_t i = begin; i < end; ++i) y[i] = rule(x[i], bits[i - begin]);
  });
}

void rope(Engine& engine, const real* x, real* y, std::int64_t rows, std::int64_t time, std::int64_t heads,
          std::int64_t head_width, const real* cos, const real* sin, int direction) {
  const std::int64_t half = head_width / 2;
  parallel_ranges(engine, rows, 32, [&](auto begin, auto end) {
    for (std::int64_t r = begin; r < end; ++r) {
      const real* c = cos + r % time * half;
      const real* s = sin + r % time * half;
      for (std::int64_t h = 0; h < heads; ++h) {
        const real* from = x + (r * heads + h) * head_width;
        real* to = y + (r * heads + h) * head_width;
        for (std::int64_t i = 0; i < half; ++i) {
          const real a = from[i], b = from[i + half], turn = static_cast<real>(direction) * s[i];
          to[i] = a * c[i] - b * turn;
          to[i + half] = b * c[i] + a * turn;
        }
      }
    }
  });
}

}  // namespace kernels
NORMSCOPE_END
