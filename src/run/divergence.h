#pragma once
// When a run counts as diverged (interface.md, "Diverged").
#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <string>

namespace normscope {

/// What one step showed.
struct StepSigns {
  std::int64_t step = 0;
  double loss = 0, grad_norm = 0;  ///< grad_norm: global, before clipping
  /// The first block and quantity that was NaN or infinite, of the loss, gradients, weights and the final norm's input;
  /// empty when all were finite numbers.
  std::string nonfinite{};
  /// The first block and quantity whose squares overflow: what stops a gradient without a NaN. Usually empty.
  std::string overflow{};
};

struct Divergence {
  std::string reason;     ///< a clause: "the gradient was exactly 0 for 3 steps ..."
  std::int64_t step = 0;  ///< where it showed first
  std::string where;      ///< the first block and quantity: "block 0, stream after the MLP (residual.2)"
  /// The root attributes of the run file.
  std::map<std::string, std::string> attributes() const;
  /// "at step 2, block 0, ...: reason".
  std::string text() const;
  /// A sentence on what to try.
  std::string advice() const;
};

/// Told every step of a run, also those before it was resumed. A run has diverged when
/// (a) a loss, gradient, weight or input of the final norm is no finite number;
/// (b) the global gradient norm is exactly 0 for 3 steps in a row while the loss is not 0;
/// (c) in the end the mean training loss of the last min(20, N) steps, or the exact validation loss, is above 3 ln V.
/// (a) and (b) end the run.
class DivergenceJudge {
 public:
  /// `classes`: V, the real vocabulary without padding, or the number of classes. (c) needs at least 2.
  explicit DivergenceJudge(std::int64_t classes);
  /// True when the run has diverged and must end.
  bool step(const StepSigns& signs);
  /// After the last step and the exact evaluation.
  void end(double val_loss);
  const std::optional<Divergence>& found() const { return found_; }

 private:
  void judge_training_loss();
  double limit_;  // 3 ln V
  std::deque<StepSigns> last_;
  std::int64_t zero_steps_ = 0;
  std::int64_t above_since_ = -1;  // first step of the present stretch of losses above the limit; -1: none
  std::optional<Divergence> found_;
};

/// What observation point `point` of `points` is called: for figures and tables ("0 attention"), and in a sentence
/// ("block 0, stream after attention").
struct PointName {
  std::string label, place;
};
PointName point_name(std::size_t point, std::size_t points, std::int64_t n_layer);
/// Which place in the model observation point `point` of `points` is: "block 0, stream after attention (residual.1)".
/// A Transformer has two points a block, other architectures one.
std::string point_place(std::size_t point, std::size_t points, std::int64_t n_layer);

}  // namespace normscope
