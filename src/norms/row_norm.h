#pragma once
// A norm with a row kernel: the formula beside it serves as the reference, and for what the kernel does not do.
#include "kernels/row_norm.h"
#include "norms/composed.h"

NORMSCOPE_BEGIN

/// The maker of a norm with `kernel`, which computes what `formula` says where covers(options) holds (null: always);
/// elsewhere the norm is its formula. Own parameters: at most two, single numbers; the kernel finds them in
/// RowNormOptions::scalars.
NormMaker fused(const kernels::RowNormKernel& kernel, NormFormula formula,
                bool (*covers)(const NormValues& options) = nullptr);

NORMSCOPE_END
