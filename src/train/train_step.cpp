#include <normscope/train/train_step.h>

#include <algorithm>
#include <cmath>

#include "core/numbers.h"
#include "core/parallel.h"

NORMSCOPE_BEGIN

TrainStep::TrainStep(Model& model, const BatchSource& source, const TrainStepOptions& options)
    : model_(model),
      source_(source),
      options_(options),
      optimizer_(model.parameters(), options.optimizer),
      batch_(model.make_batch(options.batch_size)),
      part_(model.splits_batch() ? part_of_batch(batch_.items(), batch_.predictions() / batch_.items())
                                 : batch_.items()) {}

double TrainStep::micro_step(std::int64_t micro_step, Observer* observer) {
  const std::int64_t items = batch_.items(), count = parts(items, part_);
  double sum = 0;
  for (std::int64_t i = 0; i < count; ++i) {
    const std::int64_t first = i * part_, part_items = std::min(part_, items - first);
    const double share = static_cast<double>(part_items) / static_cast<double>(items * options_.accumulation_steps);
    const Tape::Recording recording(tape_);
    {
      const Pass pass{.training = true,
                      .seed = options_.seed,
                      .micro_step = static_cast<std::uint64_t>(micro_step * count + i),
                      .observer = observer,
                      .step = micro_step / options_.accumulation_steps,
                      .steps = options_.steps};
      const Variable loss = model_.loss(batch_.narrow(first, part_items), pass);
      sum += static_cast<double>(loss.item()) * share;
      tape_.backward(loss, static_cast<real>(share));
    }
    tape_.clear();
    if (on_part) on_part(part_of_step_++);
  }
  return sum;
}

double TrainStep::gradients(std::int64_t step, StepListener* listener) {
  if (listener) listener->start_step(step);
  model_.parameters().zero_grad();
  part_of_step_ = 0;
  double loss = 0;
  for (std::int64_t micro = 0; micro < options_.accumulation_steps; ++micro) {
    source_.fill(step, micro, batch_);
    loss += micro_step(step * options_.accumulation_steps + micro, listener);
  }
  optimizer_.measure(gradients_);
  if (listener) listener->gradients(gradients_);
  return loss;
}

StepResult TrainStep::run(std::int64_t step, StepListener* listener) {
  StepResult result{.loss = gradients(step, listener), .lr = options_.schedule.at(step)};
  result.finite = std::isfinite(result.loss) && gradients_.finite;
  if (result.finite) {
    result.clip = Optimizer::clip_factor(gradients_.global, options_.grad_clip);
    optimizer_.step(result.lr, result.clip, updates_);
    model_.after_update(step);
  } else {
    updates_.weight_squares.assign(model_.parameters().all().size(), kNaN);
    updates_.change_squares = updates_.weight_squares;
  }
  if (listener) listener->updates(updates_);
  return result;
}

NORMSCOPE_END
