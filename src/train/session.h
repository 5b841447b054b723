#pragma once
// What train, eval, sample, dump and bench share: engine, data, model, in the order they are made.
#include <memory>
#include <optional>
#include <string>

#include "io/array_file.h"
#include <normscope/data/corpus.h>
#include <normscope/optim/optimizer.h>
#include <normscope/models/transformer.h>

#include "config/options.h"

NORMSCOPE_BEGIN

/// An engine and a model with its initial values.
struct Session {
  Config config;
  Engine engine;
  Transformer model;
  /// `dry`: memory is handed out but nothing is computed.
  Session(const Config& config, std::int64_t tokenizer_vocab, bool dry = false);
};

/// Buffers of one micro-batch.
struct Batch {
  Indices tokens, targets;  ///< [B, T]
  Batch(Engine& engine, std::int64_t batch, std::int64_t time);
};

/// Exact mean loss over windows of block_size tokens side by side from the start of `tokens`; the tail is dropped.
/// Raises UsageError when no window fits.
double exact_loss(const Transformer& model, std::span<const std::uint16_t> tokens, std::int64_t batch_size);
/// Mean loss over `batches` batches of random windows, keyed by (seed, step).
double sampled_loss(const Transformer& model, std::span<const std::uint16_t> tokens, std::int64_t batch_size,
                    std::int64_t batches, std::uint64_t seed, std::int64_t step);

/// One optimizer step's forward and backward passes: all micro-batches, the loss divided among them. A micro-batch of
/// many tokens is done in parts of whole sequences, so that activations take little memory and stay near the caches.
class StepRunner {
 public:
  StepRunner(const Transformer& model, const Config& config);
  /// Returns the mean token loss. `fetch(micro, batch)` fills in a micro-batch; `observer` may be null.
  template <class Fetch>
  double run(std::int64_t step, const Fetch& fetch, Observer* observer) {
    model_.parameters().zero_grad();
    double loss = 0;
    for (std::int64_t micro = 0; micro < accumulation_; ++micro) {
      fetch(micro, batch_);
      loss += micro_step(step * accumulation_ + micro, observer);
    }
    return loss;
  }
  const Batch& batch() const { return batch_; }
  /// Sequences of a micro-batch that are done at once; depends on the shape alone.
  static std::int64_t part_of_batch(std::int64_t batch, std::int64_t time);

 private:
  double micro_step(std::int64_t micro_step, Observer* observer);
  const Transformer& model_;
  std::int64_t accumulation_;
  std::uint64_t seed_;
  std::int64_t part_;
  Batch batch_;
  Tape tape_;
};

/// Sets parameters from a checkpoint or dump ("params/PATH"). Raises UsageError naming the first path that is missing
/// or has another shape.
void load_parameters(const Parameters& parameters, const ArrayFileReader& file);
/// Copies an array of any float type into `to`.
void copy_reals(const Array& from, real* to);
/// The type `real` has in files.
Array::Type real_type();

NORMSCOPE_END
