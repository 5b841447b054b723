#pragma once
// Arms and pairs: what the study's files share.
#include "study/study.h"

#include <string>
#include <vector>

namespace normscope {

/// Every coordinate of a grid in order, the first axis changing fastest.
std::vector<Arm> arms_of(const Axes& axes);
/// The runs that stand at one arm, in the order of their seeds.
std::vector<const StudyRun*> runs_of(const std::vector<StudyRun>& runs, const Arm& arm);

/// One pair of arms of a comparison and the axis they differ in.
struct ArmPair {
  std::string axis;
  Arm a, b;
};
std::vector<ArmPair> arm_pairs(const Axes& axes);

/// The comparisons of one pair of arms: val_loss and each epoch's ratio.
std::vector<Comparison> compare_pair(const ArmPair& pair, const std::vector<StudyRun>& runs);

/// The axis that is compared: the first one with two values, in the order in which the user wrote them; empty when none
/// has.
std::string first_axis(const Axes& axes);
const std::vector<std::string>& values_of(const Axes& axes, const std::string& key);
/// Which value of the first axis an arm has: the number of its colour; 0 when no axis varies.
std::size_t first_value(const Arm& arm, const Axes& axes);
/// The axes beside the first one that vary; their combinations are the panels of a figure.
Axes context_axes(const Axes& axes);

/// An arm as a user would type it, for messages: "norm rmsnorm, n_layer 4"; axes that do not vary are left out.
std::string arm_text(const Arm& arm, const Axes& axes);
/// An arm's short name, for everything that a study prints: "RMSNorm, L2 post". Axes that do not vary are left out.
std::string arm_label(const Arm& arm, const Axes& axes);
/// The same of the axes beside the first one, "L2 post"; empty when no other varies.
std::string context_label(const Arm& arm, const Axes& axes);
/// One value of an axis: "RMSNorm", "L2", "lr 0.1", "post".
std::string value_label(const std::string& key, const std::string& value);
/// "LayerNorm (bias=false)" for layernorm:bias=false.
std::string norm_label(const std::string& norm);

/// A JSON object's values as text: strings as they are, lists joined by commas.
std::map<std::string, std::string> config_texts(const std::string& config_json);

/// Raises UsageError when two runs of one seed and the same data that are done have losses over different targets.
void check_val_targets(const std::vector<StudyRun>& runs);

/// Metrics of Comparison.
inline constexpr const char* kValLoss = "val_loss";
inline constexpr const char* kGradRatio = "epoch_mean_grad_norm_ratio";
inline constexpr const char* kTimeRatio = "step_time_ratio";

/// The heading of what is said about time.
inline constexpr const char* kTimeTitle = "Time per step, interleaved on one thread";

}  // namespace normscope
