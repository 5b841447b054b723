#pragma once
// The seam between models and everything that trains, measures or evaluates them.
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include <normscope/autograd/variable.h>
#include <normscope/core/model_options.h>
#include <normscope/autograd/pass.h>
#include <normscope/nn/parameters.h>

NORMSCOPE_BEGIN

/// B items. A token model reads tokens [B, T] and predicts targets [B, T]; a model of samples reads features [B, D] and
/// predicts targets [B].
struct Batch {
  Indices tokens, targets;
  Tensor features;

  std::int64_t items() const { return targets.shape()[0]; }
  std::int64_t predictions() const { return targets.numel(); }  ///< B T, or B
  /// `count` items from `first` on, sharing memory.
  Batch narrow(std::int64_t first, std::int64_t count) const;
};

/// `count` linear maps of one shape.
struct ProductShape {
  std::int64_t in, out, count;
};

class Model {
 public:
  virtual ~Model() = default;
  Model(const Model&) = delete;
  Model& operator=(const Model&) = delete;

  /// Scores of each class, [..., V]. Named values on the way ("residual.3") are told to the observer.
  virtual Variable logits(const Batch& batch, const Pass& pass) const = 0;
  /// Mean loss in nats a prediction from logits(): cross entropy unless a model says otherwise.
  virtual Variable loss_of(const Variable& logits, const Batch& batch) const;
  Variable loss(const Batch& batch, const Pass& pass) const { return loss_of(logits(batch, pass), batch); }

  /// Uninitialized buffers for `items` items.
  virtual Batch make_batch(std::int64_t items) const = 0;
  /// All linear maps, the head included: what each multiplies for one prediction.
  virtual std::vector<ProductShape> products() const = 0;
  /// Useful FLOPs of a training step: three times the forward's matrix products (interface.md, "FLOP counting").
  virtual double flops(std::int64_t predictions) const;
  /// Runs after each optimizer step, for what is kept in shape outside the gradient.
  virtual void after_update(std::int64_t /*step*/) {}

  const ModelOptions& options() const { return options_; }
  const Parameters& parameters() const { return parameters_; }
  /// Names of the points where the stream is observed, in order.
  const std::vector<std::string>& points() const { return points_; }
  Engine& engine() const { return parameters_.engine(); }
  /// May a training batch be cut into parts whose gradients are added? No model decides this: a layer that takes
  /// statistics over the batch says so where it registers its parameters (Parameters::need_whole_batch).
  bool splits_batch() const { return !parameters_.needs_whole_batch(); }

 protected:
  Model(Engine& engine, const ModelOptions& options, std::uint64_t seed)
      : options_(options), parameters_(engine, seed) {}

  ModelOptions options_;
  Parameters parameters_;
  std::vector<std::string> points_;
};

/// How many of `items` items are done at once, so that activations take little memory and stay near the caches: parts
/// of at most 2,048 predictions, whole items. Depends on the shape alone.
std::int64_t part_of_batch(std::int64_t items, std::int64_t predictions_an_item);

/// One row of models.def.
struct ModelEntry {
  std::string name, summary;
  std::unique_ptr<Model> (*make)(Engine& engine, const ModelOptions& options, std::uint64_t seed);
};
const std::vector<ModelEntry>& model_table();
/// The model that options.arch names, its initial values drawn from `seed`. Raises UsageError for an unknown name or
/// impossible options.
std::unique_ptr<Model> make_model(Engine& engine, const ModelOptions& options, std::uint64_t seed);

NORMSCOPE_END
