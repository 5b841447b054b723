#pragma once
// Norms of what lies side by side in packed rows: queries, keys and values.
#include <array>
#include <cstdint>

#include <normscope/norms/norm.h>

NORMSCOPE_BEGIN

/// One part of packed rows: `rows` rows of `width`, through `norm` (null: as they are).
struct PackedPart {
  const Norm* norm = nullptr;
  std::int64_t rows = 0, width = 0;
};
/// x [..., sum of rows times width] -> the same shape with each part normalized, in one pass and one node of the tape.
/// Undefined when one of the norms has no row kernel.
Variable packed_norm(const Variable& x, const std::array<PackedPart, 3>& parts);

NORMSCOPE_END
