#pragma once
// One training step: what train, bench, inspect and anyone who writes a loop of their own run.
#include <cstdint>
#include <functional>

#include <normscope/optim/optimizer.h>
#include <normscope/optim/schedule.h>
#include <normscope/optim/step_listener.h>
#include <normscope/train/data.h>

NORMSCOPE_BEGIN

struct TrainStepOptions {
  OptimizerOptions optimizer{};
  Schedule schedule{};
  std::int64_t steps = 0;               ///< of the whole run, for what changes over it (0: unknown)
  double grad_clip = 1;                 ///< 0: off
  std::int64_t batch_size = 12;         ///< items B of a micro-batch
  std::int64_t accumulation_steps = 1;  ///< micro-batches of a step
  std::uint64_t seed = 0;               ///< of dropout
};

struct StepResult {
  double loss = 0, lr = 0, clip = 1;  ///< mean loss of the step's targets in nats; the clip factor that was applied
  bool finite = true;                 ///< loss and gradients are numbers; otherwise there was no update
};

class TrainStep {
 public:
  /// `model` and `source` must outlive it.
  TrainStep(Model& model, const BatchSource& source, const TrainStepOptions& options);

  /// Step number `step` (from 0): gradients of all micro-batches, their norms, clipping, the update. `listener` may be
  /// null.
  StepResult run(std::int64_t step, StepListener* listener = nullptr);
  /// The same without the update: gradients lie in the parameters, norms in gradient_norms(). Returns the loss.
  double gradients(std::int64_t step, StepListener* listener = nullptr);

  /// Called when the gradient of part `part` (from 0) of the step has been added, before the next part and the update.
  std::function<void(std::int64_t part)> on_part;

  const GradientNorms& gradient_norms() const { return gradients_; }
  const UpdateNorms& update_norms() const { return updates_; }
  Optimizer& optimizer() { return optimizer_; }
  const Optimizer& optimizer() const { return optimizer_; }
  /// The micro-batch that was filled in last.
  const Batch& batch() const { return batch_; }
  std::int64_t predictions_a_step() const { return options_.accumulation_steps * batch_.predictions(); }

 private:
  double micro_step(std::int64_t micro_step, Observer* observer);

  Model& model_;
  const BatchSource& source_;
  TrainStepOptions options_;
  Optimizer optimizer_;
  Batch batch_;
  std::int64_t part_;  // items that are done at once
  std::int64_t part_of_step_ = 0;
  Tape tape_;
  GradientNorms gradients_;
  UpdateNorms updates_;
};

NORMSCOPE_END
