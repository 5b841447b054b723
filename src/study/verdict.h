#pragma once
// The words a study's numbers are put in, shared by the terminal and the report.
#include "study/arms.h"

#include <string>

namespace normscope {

/// "-0.0031 nats [-0.0102, +0.0040], 5 pairs" / "1.124 [1.093, 1.155], 5 pairs" / "... (one seed, no interval)".
std::string comparison_numbers(const Comparison& row);
/// "no difference shown", "lower", "higher" ("faster", "slower" of times), or "no pair to compare".
std::string comparison_finding(const Comparison& row);
/// "LayerNorm: 2 of 2 runs train; no norm: 2 of 2 runs diverge"; empty when no run of either arm diverged.
std::string divergence_finding(const Study& study, const ArmPair& pair);
/// The epochs a long list of comparisons is shortened to, at most `limit`, first and last always among them.
std::vector<std::int64_t> shown_epochs(std::int64_t epochs, std::int64_t limit);
/// The rows of one pair of arms and metric.
std::vector<const Comparison*> rows_of(const std::vector<Comparison>& rows, const Arm& a, const Arm& b,
                                       const std::string& metric);
/// "1.9312 +- 0.0103 (5 seeds)" of one arm's validation loss.
Interval arm_loss(const std::vector<StudyRun>& runs, const Arm& arm);
/// "3 done, 1 diverged".
std::string arm_status(const std::vector<StudyRun>& runs, const Arm& arm);
/// Fixed-point text of a loss or ratio, "-" for NaN.
std::string number_text(double value, int digits, bool sign = false);

}  // namespace normscope
