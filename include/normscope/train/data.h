#pragma once
// Where batches come from: training batches by step, and the two ways an evaluation goes through a split.
#include <cstdint>
#include <functional>
#include <memory>
#include <span>

#include <normscope/data/corpus.h>
#include <normscope/data/sampler.h>
#include <normscope/models/model.h>

NORMSCOPE_BEGIN

/// Training batches. A pure function of (seed, step, micro-batch), so that a run can be continued at any step.
class BatchSource {
 public:
  virtual ~BatchSource() = default;
  /// Fills in micro-batch `micro` of optimizer step `step`; `batch` is of the model's make_batch().
  virtual void fill(std::int64_t step, std::int64_t micro, const Batch& batch) const = 0;
};

/// One part of the data (training or validation), cut into batches for an evaluation.
class Split {
 public:
  virtual ~Split() = default;
  using Visit = std::function<void(const Batch& batch)>;
  /// Every target of the split once, at most `items` items at a time. Raises UsageError when there is no target.
  virtual void exact(Engine& engine, std::int64_t items, const Visit& visit) const = 0;
  /// `count` random items keyed by (seed, step), at most `items` at a time.
  virtual void sampled(Engine& engine, std::int64_t items, std::int64_t count, std::uint64_t seed, std::int64_t step,
                       const Visit& visit) const = 0;
  /// Predictions that one item asks for.
  virtual std::int64_t predictions_an_item() const = 0;
};

/// Windows of block_size tokens. `tokens` must outlive it.
class TokenSplit final : public Split {
 public:
  TokenSplit(std::span<const std::uint16_t> tokens, std::int64_t block_size)
      : tokens_(tokens), block_size_(block_size) {}
  void exact(Engine& engine, std::int64_t items, const Visit& visit) const override;
  void sampled(Engine& engine, std::int64_t items, std::int64_t count, std::uint64_t seed, std::int64_t step,
               const Visit& visit) const override;
  std::int64_t predictions_an_item() const override { return block_size_; }

 private:
  std::span<const std::uint16_t> tokens_;
  std::int64_t block_size_;
};

/// Rows of samples. `samples` must outlive it.
class SampleSplit final : public Split {
 public:
  explicit SampleSplit(const Samples& samples) : samples_(samples) {}
  void exact(Engine& engine, std::int64_t items, const Visit& visit) const override;
  void sampled(Engine& engine, std::int64_t items, std::int64_t count, std::uint64_t seed, std::int64_t step,
               const Visit& visit) const override;
  std::int64_t predictions_an_item() const override { return 1; }

 private:
  const Samples& samples_;
};

/// What a run trains and is evaluated on. `corpus` must outlive it.
struct DataSet {
  /// Raises UsageError when the data holds no full step, or is of another kind (tokens, samples) than the model reads.
  DataSet(const Corpus& corpus, const Model& model, const SamplerOptions& options);

  Sampler sampler;
  std::unique_ptr<BatchSource> source;
  std::unique_ptr<Split> train, val;
};

NORMSCOPE_END
