#pragma once
// The loss of a model over a split, without training.
#include <normscope/train/data.h>

NORMSCOPE_BEGIN

struct Evaluation {
  double loss = 0;  ///< mean over the targets, in nats
  std::int64_t targets = 0;
  double accuracy = 0;  ///< share of samples whose largest score is the target's; NaN for tokens
};

/// Over every target of the split once. `items`: how many items a batch has at most. `observer` is told of named values
/// and may be null.
Evaluation exact_evaluation(const Model& model, const Split& split, std::int64_t items, Observer* observer = nullptr);
/// Over `count` random items, keyed by (seed, step).
Evaluation sampled_evaluation(const Model& model, const Split& split, std::int64_t items, std::int64_t count,
                              std::uint64_t seed, std::int64_t step);

NORMSCOPE_END
