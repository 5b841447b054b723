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

/// "rmsnorm" when one axis varies, "rmsnorm, n_layer 4" with more.
std::string arm_text(const Arm& arm, const Axes& axes);
/// The same for figures and HTML: "RMSNorm".
std::string arm_label(const Arm& arm, const Axes& axes);
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
inline constexpr const char* kTimeTitle = "Time of a step, measured in turns on one thread";

}  // namespace normscope
