#pragma once
// The runs that a study's figures show, by arm, and arms by the panel that they stand in.
#include "study/arms.h"
#include "study/figures.h"

namespace normscope {

/// The runs of an arm that figures show: the finished ones, or whatever there is when no arm has one.
struct ArmRuns {
  Arm arm;
  std::string label;
  std::size_t value = 0;  ///< of the first axis: its colour
  std::map<std::uint64_t, const RunData*> by_seed;
};

/// Arms without such a run are left out.
std::vector<ArmRuns> arm_runs(const ReportInput& input);

/// One panel of small multiples: the arms of one combination of the axes beside the first.
struct Context {
  std::string label, missing;  ///< missing: which arms have no finished run, and why
  std::vector<ArmRuns> arms;
};

/// In the order of the axes; one context without a label when one axis varies.
std::vector<Context> contexts_of(const Study& study, const std::vector<ArmRuns>& arms);
std::vector<RunGroup> groups_of(const Study& study, const std::vector<ArmRuns>& arms);

}  // namespace normscope
