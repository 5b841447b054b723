#pragma once
// One pass over the tensors of the residual stream for all statistics that need token-wise norms of them.
#include <string>
#include <unordered_map>
#include <vector>

#include <normscope/optim/step_listener.h>

NORMSCOPE_BEGIN

/// Sums over the tokens t of a step (all its micro-batches) at one point x, dL/dx the gradient of the mean loss.
struct ResidualSums {
  double tokens = 0, entries = 0;  ///< N and N C; 0: not measured
  double sum_squares = 0;          ///< sum ||x_t||^2
  double share = 0;                ///< sum mu_t^2 / mean(x_t^2)
  double gradient_squares = 0;     ///< sum ||dL/dx_t||^2
  double product_squares = 0;      ///< sum ||x_t||^2 ||dL/dx_t||^2
};

/// Measures the points of the stream that are `selected`, in the order of Model::points().
class ResidualMeter final : public StepListener {
 public:
  ResidualMeter(const std::vector<std::string>& points, const std::vector<bool>& selected);

  void start_step(std::int64_t step) override;
  void value(const std::string& name, const Variable& x) override;
  void updates(const UpdateNorms& norms) override;

  std::size_t size() const { return points_.size(); }
  const ResidualSums& sums(std::size_t point) const { return points_[point].sums; }

 private:
  void gradient(std::size_t point, const Tensor& g);
  struct Point {
    bool selected = false;
    Tensor squares;  ///< per token ||x_t||^2 of this micro-batch
    ResidualSums sums;
  };
  std::unordered_map<std::string, std::size_t> index_;
  std::vector<Point> points_;
};

NORMSCOPE_END
