#pragma once
// Is the norm of another program right? Its inputs and results come in an .npz file; ours, in float64, is the
// yardstick.
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "io/npz_file.h"

namespace normscope::foreign {

/// What one result of the file (y, dx, dgain, dbias, ...) is worth.
struct ResultVerdict {
  std::string name;
  bool right = false;
  std::string precision{};         ///< it was judged by: "float32"
  std::string problem{};           ///< what else than a number is wrong: its shape, or NaN; empty: nothing
  double error = 0;                ///< |foreign - right| at the worst place, over `scale`
  double tolerance = 0;            ///< there, over `scale`
  double scale = 0;                ///< the right result's root mean square
  std::vector<std::int64_t> at{};  ///< the worst place: where error / tolerance is largest
  double foreign = 0, expected = 0;
};

/// A known mistake that gives the file's numbers.
struct Explanation {
  std::vector<std::string> results;  ///< that it explains
  std::string what, correct;         ///< what was done; the term that is right
};

struct Judgement {
  std::string norm;
  std::int64_t rows = 0, width = 0;
  double eps = 0;
  std::vector<ResultVerdict> results{};
  std::vector<Explanation> explanations{};  ///< of the same results: any one of them may be it
  std::vector<std::string> unexplained{};   ///< wrong results that no known mistake gives
  std::vector<std::string> absent{};        ///< results that the norm has and the file does not: not judged
  std::vector<std::string> assumed{};       ///< inputs that are not in the file: "bias = 0"
  std::vector<std::string> unused{};        ///< arrays of other names

  bool right() const;
};

/// Judges `file` as the norm `norm` names ("rmsnorm:unit_offset=true"). x [..., C]; dy as x; gain, bias [C]; eps one
/// number; y, dx as x; dgain, dbias [C]; parameters of the norm's own by name (alpha and dalpha of dyt). A result is
/// right when each of its elements is within the rounding error of a right program (tolerance.h). Raises UsageError
/// when an input is missing, has another shape or is not finite, when no result is there, or for an unknown norm.
Judgement judge(const std::map<std::string, NpzArray>& file, const std::string& norm);

}  // namespace normscope::foreign
