#pragma once
// A norm's inputs and its results by name, in float64.
#include <map>
#include <string>
#include <vector>

#include <normscope/core/norm_spec.h>

#include "jobs/jobs.h"

namespace normscope::foreign {

/// "y", "dx", "dgain", ... in float64, row-major.
using Results = std::map<std::string, std::vector<double>>;

/// What parse_norm() reads, without eps: "layernorm:unbiased=true+bias=false".
std::string norm_text(const NormSpec& spec);

/// What our norm gives; computed in call.dtype.
Results evaluate(const NormCall& call);

/// What judges and mistakes know: the call, the right results, and the parts the gradient is made of.
struct Problem {
  NormCall call;
  std::int64_t rows = 0, width = 0;
  Results right;
  bool row_norm = true;    ///< its statistics are those of each row
  double gain_offset = 0;  ///< y = (offset + gain) n + bias
  bool has_gain = false;
  std::vector<double> gain;   ///< offset + gain, [C]; ones without gain
  std::vector<double> n, dn;  ///< [rows, C]; dn = gain dy, empty without dy

  /// Where the norm is n = r (x - m), m the row's mean (`centred`) or 0, and
  /// dx = r (dn - [centred] mean(dn) - k n mean(dn n)): LayerNorm, RMSNorm and their like. r, k: [rows].
  bool linear = false, centred = false;
  std::vector<double> r, k;

  std::size_t at(std::int64_t row, std::int64_t column) const { return static_cast<std::size_t>(row * width + column); }
};

/// `call.eps` counts, not one in call.name. Raises UsageError for an unknown norm or option.
Problem make_problem(const NormCall& call);

}  // namespace normscope::foreign
