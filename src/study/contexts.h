#pragma once
// The runs that a study's figures show, by arm, and arms by the panel that they stand in.
#include "study/arms.h"
#include "study/figures.h"

namespace normscope {

/// The runs of an arm that figures show: the finished ones, or whatever there is.
struct ArmRuns {
  Arm arm;
  std::string label;
  std::size_t value = 0;  ///< of the first axis: its colour
  bool finished = false;
  std::map<std::uint64_t, const RunData*> by_seed;
};
/// Every arm that has a run with steps. One without a finished run says in its label why.
std::vector<ArmRuns> all_arm_runs(const ReportInput& input);
/// What curves show: the arms with a finished run, or all when none has one.
std::vector<ArmRuns> arm_runs(const ReportInput& input);

/// One panel of small multiples: the arms of one combination of the axes beside the first.
struct Context {
  std::string label, missing;  ///< missing: which arms have no finished run, and why
  std::vector<ArmRuns> arms;
};

/// In the order of the axes; one context without a label when one axis varies.
std::vector<Context> contexts_of(const Study& study, const std::vector<ArmRuns>& arms);
/// Groups for maps. An arm is paired with the first value of the first axis when both are finished, or when none is.
std::vector<RunGroup> groups_of(const Study& study, const std::vector<ArmRuns>& arms);

}  // namespace normscope
