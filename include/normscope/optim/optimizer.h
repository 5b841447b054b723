#pragma once
// AdamW and SGD over a model's parameters, gradient norms, clipping.
#include <memory>
#include <string>
#include <vector>

#include <normscope/nn/parameters.h>

NORMSCOPE_BEGIN

struct OptimizerOptions {
  std::string name = "adamw";  ///< adamw | sgd (beta1 is its momentum)
  double beta1 = 0.9, beta2 = 0.99, eps = 1e-8, weight_decay = 0.1;
};

/// Per parameter, in the order of Parameters::all(): sums of squares and largest magnitude of the gradient.
struct GradientNorms {
  std::vector<double> sum_squares, max_abs;
  double global = 0;  ///< root of the sum of all squares
  bool finite = true;
};

/// What an update did, per parameter: ||W_before||^2 and ||W_after - W_before||^2.
struct UpdateNorms {
  std::vector<double> weight_squares, change_squares;
};

class Optimizer {
 public:
  Optimizer(const Parameters& parameters, const OptimizerOptions& options);

  /// Reads all gradients once. `norms` is reused between calls.
  void measure(GradientNorms& norms) const;
  /// min(1, limit / (norm + 1e-6)); 1 when limit is 0.
  static double clip_factor(double norm, double limit);
  /// One step: every gradient times `clip`, decay on matrices only.
  void step(double lr, double clip, UpdateNorms& norms);

  std::int64_t steps() const { return steps_; }
  void set_steps(std::int64_t steps) { steps_ = steps; }
  /// Moments in the order of Parameters::all(), for checkpoints: first ("m") and second ("v", AdamW only).
  const std::vector<Tensor>& first() const { return first_; }
  const std::vector<Tensor>& second() const { return second_; }

 private:
  /// A piece of a parameter: work is split over these, sums are combined in their order.
  struct Tile {
    std::size_t parameter;
    std::int64_t offset, count;
  };
  const Parameters& parameters_;
  OptimizerOptions options_;
  std::vector<Tensor> first_, second_;
  std::vector<Tile> tiles_;
  mutable std::vector<double> partial_;
  std::int64_t steps_ = 0;
};

NORMSCOPE_END
