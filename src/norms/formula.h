#pragma once
// What the formulas of norms share, beside the ops.
#include <limits>

#include <normscope/norms/norm.h>
#include <normscope/ops/ops.h>

NORMSCOPE_BEGIN

/// x - mean(x) of each row. The second pass takes off what rounding left of a large mean in the first.
inline Variable centred(const Variable& x) {
  const Variable once = subtract(x, mean_last(x));
  return subtract(once, mean_last(once));
}

/// sqrt(v) whose slope at v = 0 is finite, so that a row of zeros has the gradient 0 and not NaN. What is added is the
/// smallest number there is: no other v changes.
inline Variable safe_sqrt(const Variable& v) { return sqrt(add_scalar(v, std::numeric_limits<real>::min())); }

/// sqrt(v + eps), or sqrt(v) + eps where the norm's option eps_outside says so.
inline Variable root(const Variable& v, const NormValues& values) {
  return values.flag("eps_outside") ? add_scalar(safe_sqrt(v), values.eps) : sqrt(add_scalar(v, values.eps));
}

/// The option that root() reads.
inline NormOption eps_outside_option() {
  return {
      .name = "eps_outside", .flag = true, .documentation = "eps is added outside the square root instead of inside"};
}

NORMSCOPE_END
