#pragma once
// Probes of the residual stream: norms of values and gradients at every sub-layer border, token by token.
#include <string>
#include <unordered_map>
#include <vector>

#include <normscope/optim/step_listener.h>

NORMSCOPE_BEGIN

/// Hangs on the tape for one step (all its micro-batches); the numbers are those of the interface's "Gradient numbers".
class ResidualProbe final : public StepListener {
 public:
  /// `points` in the order of the run file; `selected` says which are measured.
  ResidualProbe(const std::vector<std::string>& points, std::vector<bool> selected);

  void start_step(std::int64_t step) override;
  void value(const std::string& name, const Variable& x) override;
  /// Results of the step, NaN where not measured. `measured`: did this step probe at all.
  void finish_step(bool measured);

  std::vector<float> grad_norm, grad_times_x, rms, mean_share;  ///< [R]

 private:
  void gradient(std::size_t point, const Tensor& g);
  struct Point {
    bool selected = false;
    Tensor squares;                  ///< per token ||x_t||^2 of this micro-batch
    double tokens = 0, entries = 0;  ///< N and N C of the step so far
    double sum_squares = 0, share = 0, gradient_squares = 0, product_squares = 0;
  };
  std::unordered_map<std::string, std::size_t> index_;
  std::vector<Point> points_;
};

NORMSCOPE_END
