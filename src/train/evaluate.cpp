#include <normscope/train/evaluate.h>

#include <cmath>

#include <normscope/ops/ops.h>

#include "core/numbers.h"

NORMSCOPE_BEGIN

namespace {

/// Adds up batches, each weighted by its targets.
class Meter {
 public:
  Meter(const Model& model, Observer* observer) : model_(model) { pass_.observer = observer; }
  void add(const Batch& batch) {
    const Variable logits = model_.logits(batch, pass_);
    const std::int64_t targets = batch.predictions();
    loss_ += static_cast<double>(model_.loss_of(logits, batch).item()) * static_cast<double>(targets);
    targets_ += targets;
    if (!batch.features.defined()) return;
    samples_ = true;
    const Tensor best = argmax(logits).value();
    for (std::int64_t i = 0; i < targets; ++i) right_ += std::lround(best.data()[i]) == batch.targets.data()[i];
  }
  Evaluation result() const {
    const auto n = static_cast<double>(targets_);
    return {.loss = loss_ / n, .targets = targets_, .accuracy = samples_ ? static_cast<double>(right_) / n : kNaN};
  }

 private:
  const Model& model_;
  Pass pass_;
  double loss_ = 0;
  std::int64_t targets_ = 0, right_ = 0;
  bool samples_ = false;
};

}  // namespace

Evaluation exact_evaluation(const Model& model, const Split& split, const EvaluateOptions& options) {
  const NoGrad guard;
  Meter meter(model, options.observer);
  split.exact(model.engine(), part_of_batch(options.batch_size, split.predictions_an_item()),
              [&](const Batch& batch) { meter.add(batch); });
  return meter.result();
}

Evaluation sampled_evaluation(const Model& model, const Split& split, const SampledEvaluateOptions& options) {
  const NoGrad guard;
  Meter meter(model, options.observer);
  split.sampled(model.engine(), part_of_batch(options.batch_size, split.predictions_an_item()), options.items,
                options.seed, options.step, [&](const Batch& batch) { meter.add(batch); });
  return meter.result();
}

NORMSCOPE_END
