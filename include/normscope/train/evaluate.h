#pragma once
// The loss of a model over a split, without training.
#include <normscope/train/data.h>

NORMSCOPE_BEGIN

struct Evaluation {
  double loss = 0;  ///< mean over the targets, in nats
  std::int64_t targets = 0;
  double accuracy = 0;  ///< share of samples whose largest score is the target's; NaN for tokens
};

struct EvaluateOptions {
  std::int64_t batch_size = 12;  ///< items of a batch at most
  Observer* observer = nullptr;  ///< told of named values; may be null
};

/// Over every target of the split once. Raises UsageError when the split has none.
Evaluation exact_evaluation(const Model& model, const Split& split, const EvaluateOptions& options = {});

struct SampledEvaluateOptions : EvaluateOptions {
  std::int64_t items = 240;  ///< how many are drawn
  std::uint64_t seed = 0;    ///< which are drawn follows from (seed, step)
  std::int64_t step = 0;
};

/// Over randomly drawn items.
Evaluation sampled_evaluation(const Model& model, const Split& split, const SampledEvaluateOptions& options);

NORMSCOPE_END
