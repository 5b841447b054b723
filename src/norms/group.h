#pragma once
// What groupnorm and instancenorm share.
#include "norms/formula.h"

NORMSCOPE_BEGIN

/// x [..., C], `places` consecutive rows a sample: (x - mean) / sqrt(var + eps) over each group of C / groups
/// neighbouring channels and all places of a sample (Wu & He 2018, arXiv 1803.08494). `groups` divides C. Raises Error
/// when the rows are not whole samples.
Variable group_normalized(const Variable& x, std::int64_t places, std::int64_t groups, double eps);

NORMSCOPE_END
