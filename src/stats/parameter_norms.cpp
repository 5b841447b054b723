// The four statistics of parameters that every run file has. Their sums come from passes that clipping and the update
// need anyway.
#include <cmath>
#include <limits>

#include "stats/statistic.h"

NORMSCOPE_BEGIN

namespace {

class GradNorm final : public Statistic {
 public:
  explicit GradNorm(const StatContext& context) : norms_(context.grad_norms) {}
  void row(std::span<float> out) override {
    for (std::size_t p = 0; p < out.size(); ++p) out[p] = static_cast<float>(norms_[p]);
  }

 private:
  const std::vector<double>& norms_;
};

class GradMaxAbs final : public Statistic {
 public:
  explicit GradMaxAbs(const StatContext&) {}
  void gradients(const GradientNorms& norms) override { norms_ = &norms; }
  void row(std::span<float> out) override {
    for (std::size_t p = 0; p < out.size(); ++p) out[p] = static_cast<float>(norms_->max_abs[p]);
  }

 private:
  const GradientNorms* norms_ = nullptr;
};

class WeightNorm final : public Statistic {
 public:
  explicit WeightNorm(const StatContext&) {}
  void updates(const UpdateNorms& norms) override { norms_ = &norms; }
  void row(std::span<float> out) override {
    for (std::size_t p = 0; p < out.size(); ++p) out[p] = static_cast<float>(std::sqrt(norms_->weight_squares[p]));
  }

 private:
  const UpdateNorms* norms_ = nullptr;
};

class UpdateRatio final : public Statistic {
 public:
  explicit UpdateRatio(const StatContext&) {}
  void updates(const UpdateNorms& norms) override { norms_ = &norms; }
  void row(std::span<float> out) override {
    for (std::size_t p = 0; p < out.size(); ++p)
      out[p] = static_cast<float>(std::sqrt(norms_->change_squares[p]) / std::sqrt(norms_->weight_squares[p]));
  }

 private:
  const UpdateNorms* norms_ = nullptr;
};

}  // namespace

StatisticEntry statistic_grad_norm() {
  return {.name = "grad/norm",
          .unit = "nat/token",
          .long_name = "L2 norm of the gradient of each parameter",
          .stage = "before clipping",
          .norm_order = 2,
          .formula = "||dL/dW||_F",
          .axis = Axis::params,
          .always = true,
          .make = make_statistic<GradNorm>};
}

StatisticEntry statistic_grad_max_abs() {
  return {.name = "grad/max_abs",
          .unit = "nat/token",
          .long_name = "largest absolute gradient element",
          .stage = "before clipping",
          .norm_order = std::numeric_limits<double>::infinity(),
          .formula = "max |dL/dW|",
          .axis = Axis::params,
          .always = true,
          .make = make_statistic<GradMaxAbs>};
}

StatisticEntry statistic_weight_norm() {
  return {.name = "weight/norm",
          .unit = "1",
          .long_name = "L2 norm of each parameter",
          .stage = "before the update",
          .norm_order = 2,
          .formula = "||W||_F",
          .axis = Axis::params,
          .always = true,
          .make = make_statistic<WeightNorm>};
}

StatisticEntry statistic_update_ratio() {
  return {.name = "update/ratio",
          .unit = "1",
          .long_name = "norm of the update over norm of the parameter",
          .stage = "after the update",
          .norm_order = 2,
          .formula = "||W_after - W_before||_F / ||W_before||_F, weight decay included",
          .axis = Axis::params,
          .always = true,
          .make = make_statistic<UpdateRatio>};
}

NORMSCOPE_END
