#pragma once
// A norm that treats each row on its own: gain, bias, tape and residual addition around one row kernel.
#include <normscope/norms/norm.h>
#include <normscope/ops/ops.h>

#include "kernels/row_norm.h"

NORMSCOPE_BEGIN

using RowNormOptions = kernels::RowNormOptions;

/// What a row norm's file supplies.
struct RowNormDefinition {
  kernels::RowNormKernel kernel;
  /// n(x) composed of plain operations; `scalar` is the norm's trained number, when it has one.
  Variable (*reference)(const Variable& x, const RowNormOptions& options, const Variable& scalar);
  /// Name and initial value of the trained number; no name: none.
  std::string scalar;
  double scalar_init = 0;
};

/// The `make` of a NormEntry: reads affine and bias from the spec (`bias` when it is unset); `read` reads the rest,
/// and may change the trained number's initial value, options.scalar.
using ReadOptions = std::function<void(const NormSpec& spec, std::int64_t width, RowNormOptions& options)>;
std::function<std::unique_ptr<Norm>(const Scope&, const NormSpec&, std::int64_t)> row_norm_maker(
    const RowNormDefinition& definition, bool bias, const ReadOptions& read = {});

NORMSCOPE_END
