#include "norms/composed.h"
#include "norms/formula.h"

NORMSCOPE_BEGIN

namespace {

/// Running mean and variance, which evaluation uses; momentum as in PyTorch: r <- (1 - m) r + m batch.
class BatchNorm final : public ComposedNorm {
 public:
  BatchNorm(const NormRequest& request, const Tensor& mean, const Tensor& variance)
      : ComposedNorm(request, evaluation(mean, variance)), running_mean_(mean), running_variance_(variance) {
    const auto width = static_cast<std::size_t>(width_);
    mean_sum_.resize(width);
    variance_sum_.resize(width);
  }

  Variable forward(const Variable& x, const Pass& pass) const override {
    if (!pass.training) return reference(x);
    check_width(x);
    const std::int64_t rows = x.shape().numel() / width_;
    if (rows < 2)
      throw UsageError(
          "norm \"batchnorm\" cannot train on 1 row: its variance is 0, so the result is the bias; "
          "give batches of 2 or more");
    const Variable columns = transpose(reshape(x, {rows, width_}), 0, 1);  // [C, R]
    const Variable mean = mean_last(columns), once = subtract(columns, mean);
    const Variable rest = mean_last(once), c = subtract(once, rest);  // what rounding left of a large mean
    const Variable variance = mean_last(square(c));
    collect(pass, mean.value(), rest.value(), variance.value(), rows);
    const Variable n = divide(c, sqrt(add_scalar(variance, values_.eps)));
    return affine(reshape(transpose(n, 0, 1), x.shape()));
  }

  void after_update(std::int64_t step) override {
    if (step_ == step && micro_batches_ > 0) {
      const double m = values_.number("momentum");
      for (std::size_t i = 0; i < mean_sum_.size(); ++i) {
        move(running_mean_.data()[i], mean_sum_[i] / static_cast<double>(micro_batches_), m);
        move(running_variance_.data()[i], variance_sum_[i] / static_cast<double>(micro_batches_), m);
      }
    }
    step_ = -1;
  }

 private:
  static NormFormula evaluation(const Tensor& mean, const Tensor& variance) {
    return [mean, variance](const Variable& x, const NormValues& v) {
      return divide(subtract(x, Variable(mean)), sqrt(add_scalar(Variable(variance), v.eps)));
    };
  }

  static void move(real& running, double batch, double m) {
    running = static_cast<real>((1 - m) * static_cast<double>(running) + m * batch);
  }

  /// Adds a micro-batch's statistics to those of its step, once, however often the micro-batch is replayed.
  void collect(const Pass& pass, const Tensor& mean, const Tensor& rest, const Tensor& variance,
               std::int64_t rows) const {
    if (mean.engine().dry()) return;
    const bool same_step = step_ == pass.step;
    if (same_step && pass.micro_step <= last_micro_step_) return;
    const double keep = same_step ? 1 : 0, unbiased = static_cast<double>(rows) / static_cast<double>(rows - 1);
    for (std::size_t i = 0; i < mean_sum_.size(); ++i) {
      const double whole_mean = static_cast<double>(mean.data()[i]) + static_cast<double>(rest.data()[i]);
      mean_sum_[i] = keep * mean_sum_[i] + whole_mean;
      variance_sum_[i] = keep * variance_sum_[i] + unbiased * static_cast<double>(variance.data()[i]);
    }
    micro_batches_ = same_step ? micro_batches_ + 1 : 1;
    step_ = pass.step;
    last_micro_step_ = pass.micro_step;
  }

  Tensor running_mean_, running_variance_;
  /// Of the micro-batches of step `step_` (-1: none), until after_update() takes their mean.
  mutable std::vector<double> mean_sum_, variance_sum_;
  mutable std::int64_t step_ = -1, micro_batches_ = 0;
  mutable std::uint64_t last_micro_step_ = 0;
};

}  // namespace

NormEntry norm_batchnorm() {
  return {.name = "batchnorm",
          .label = "BatchNorm",
          .formula = "(x - mean) / sqrt(var + eps) of each channel over the batch; in evaluation of running mean, var",
          .reference = "Ioffe & Szegedy 2015, arXiv 1502.03167; the running variance is the unbiased one",
          .options = {{.name = "momentum",
                       .default_value = 0.1,
                       .low = 0,
                       .high = 1,
                       .above_low = true,
                       .documentation = "share of a training step in the running mean and variance"}},
          .over = Over::batch,
          .bias = true,
          .make =
              [](const NormRequest& r) {
                const Tensor mean = r.scope.add_buffer("running_mean", {r.width}, 0);
                return std::make_unique<BatchNorm>(r, mean, r.scope.add_buffer("running_var", {r.width}, 1));
              },
          .refuse = [](const NormValues&, const NormSite& site) -> std::string {
            return site.causal ? "its statistics over the positions of a text would use future tokens" : "";
          }};
}

NORMSCOPE_END
