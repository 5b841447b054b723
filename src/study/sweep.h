#pragma once
// Studies with learning_rate as an axis: loss against rate, and where runs diverge.
#include "study/arms.h"

#include <string>
#include <vector>

namespace normscope {

/// One learning rate of a line.
struct SweepPoint {
  std::string text;  ///< as the user's axis has it
  double rate = 0;
  Interval loss;                   ///< validation loss over the seeds that are done
  double low = kNaN, high = kNaN;  ///< smallest and largest of them
  std::int64_t runs = 0, diverged = 0;
};

/// The rates, from low to high, at one combination of the other axes.
struct SweepLine {
  std::string label;  ///< of the other axes; empty when there is none
  std::vector<SweepPoint> points;
};

/// Empty when learning_rate does not vary.
std::vector<SweepLine> sweep_lines(const Study& study);

}  // namespace normscope
