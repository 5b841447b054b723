#pragma once
// A norm with a row kernel: the formula beside it serves as the reference, and for what the kernel does not do.
#include <array>

#include "kernels/row_norm.h"
#include "norms/composed.h"

NORMSCOPE_BEGIN

/// The maker of a norm with `kernel`, which computes what `formula` says where covers(options) holds (null: always);
/// elsewhere the norm is its formula. Own parameters: at most two, single numbers; the kernel finds them in
/// RowNormOptions::scalars.
NormMaker fused(const kernels::RowNormKernel& kernel, NormFormula formula,
                bool (*covers)(const NormValues& options) = nullptr);

/// One part of packed rows: `rows` rows of `width`, through `norm` (null: as they are).
struct PackedPart {
  const Norm* norm = nullptr;
  std::int64_t rows = 0, width = 0;
};
/// x [..., sum of rows times width] -> the same shape with each part normalized, in one pass and one node of the tape.
/// Undefined when one of the norms has no row kernel.
Variable packed_norm(const Variable& x, const std::array<PackedPart, 3>& parts);

NORMSCOPE_END
