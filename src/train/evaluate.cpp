#include <normscope/train/evaluate.h>

#include <algorithm>

#include "core/numbers.h"

NORMSCOPE_BEGIN

namespace {

/// Adds up batches, each weighted by its targets.
class Meter {
 public:
  explicit Meter(const Model& model, Observer* observer = nullptr) : model_(model) { pass_.observer = observer; }
  void add(const Batch& batch) {
    const Variable logits = model_.logits(batch, pass_);
    const std::int64_t targets = batch.predictions();
    loss_ += static_cast<double>(model_.loss_of(logits, batch).item()) * static_cast<double>(targets);
    targets_ += targets;
    if (!batch.features.defined()) return;
    samples_ = true;
    const std::int64_t classes = logits.shape().last();
    for (std::int64_t i = 0; i < targets; ++i) {
      const real* row = logits.value().data() + i * classes;
      right_ += std::max_element(row, row + classes) - row == batch.targets.data()[i];
    }
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

Evaluation exact_evaluation(const Model& model, const Split& split, std::int64_t items, Observer* observer) {
  const NoGrad guard;
  Meter meter(model, observer);
  split.exact(model.engine(), part_of_batch(items, split.predictions_an_item()),
              [&](const Batch& batch) { meter.add(batch); });
  return meter.result();
}

Evaluation sampled_evaluation(const Model& model, const Split& split, std::int64_t items, std::int64_t count,
                              std::uint64_t seed, std::int64_t step) {
  const NoGrad guard;
  Meter meter(model);
  split.sampled(model.engine(), part_of_batch(items, split.predictions_an_item()), count, seed, step,
                [&](const Batch& batch) { meter.add(batch); });
  return meter.result();
}

NORMSCOPE_END
