#include "run/divergence.h"

#include <fmt/format.h>

#include <cmath>
#include <limits>

#include "core/decimal_text.h"

namespace normscope {
namespace {
constexpr std::int64_t kZeroSteps = 3;
constexpr std::size_t kLastSteps = 20;
constexpr double kGuessingTimes = 3;
}  // namespace

std::map<std::string, std::string> Divergence::attributes() const {
  return {{"diverged_reason", reason}, {"diverged_step", std::to_string(step)}, {"diverged_where", where}};
}

std::string Divergence::text() const { return fmt::format("at step {}, {}: {}", step, where, reason); }

std::string Divergence::advice() const {
  if (step == 0) return "The initial weights cause this: try a smaller init_gain or init_shift, or another norm.";
  return "Try a smaller learning_rate, a longer warmup_iters or grad_clip 1.";
}

DivergenceJudge::DivergenceJudge(std::int64_t classes)
    : limit_(classes > 1 ? kGuessingTimes * std::log(static_cast<double>(classes))
                         : std::numeric_limits<double>::infinity()) {}

bool DivergenceJudge::step(const StepSigns& signs) {
  if (found_) return true;
  last_.push_back(signs);
  if (last_.size() > kLastSteps) last_.pop_front();
  if (!(signs.loss > limit_))
    above_since_ = -1;
  else if (above_since_ < 0)
    above_since_ = signs.step;
  zero_steps_ = signs.grad_norm == 0 && signs.loss != 0 ? zero_steps_ + 1 : 0;

  if (!signs.nonfinite.empty() || !std::isfinite(signs.loss) || !std::isfinite(signs.grad_norm)) {
    const char* rest = !std::isfinite(signs.loss) ? "loss" : "gradient";
    found_ = {"a value is infinite or not a number", signs.step, signs.nonfinite.empty() ? rest : signs.nonfinite};
  } else if (zero_steps_ == kZeroSteps) {
    const StepSigns& first = last_[last_.size() - kZeroSteps];
    found_ = {fmt::format("the gradient was exactly 0 for {} steps in a row while the loss was {}; no step can "
                          "change that",
                          kZeroSteps, decimal_text(signs.loss, 4)),
              first.step,
              first.overflow.empty() ? "gradient of all parameters" : first.overflow + ", its squares overflow"};
  }
  return found_.has_value();
}

void DivergenceJudge::judge_training_loss() {
  double sum = 0;
  for (const StepSigns& signs : last_) sum += signs.loss;
  const double mean = sum / static_cast<double>(last_.size());
  if (!(mean > limit_)) return;
  std::int64_t first = above_since_;
  for (const StepSigns& signs : last_)
    if (first < 0 && signs.loss > limit_) first = signs.step;
  found_ = {
      fmt::format("the mean training loss of the last {} steps is {:.4g}, above {:.4g}, {} times that of guessing",
                  last_.size(), mean, limit_, kGuessingTimes),
      first, "training loss"};
}

void DivergenceJudge::end(double val_loss) {
  if (found_ || last_.empty()) return;
  judge_training_loss();
  if (found_ || val_loss <= limit_) return;
  const std::string reason =
      std::isfinite(val_loss)
          ? fmt::format("it is {:.4g}, above {:.4g}, {} times that of guessing", val_loss, limit_, kGuessingTimes)
          : "it is infinite or not a number";
  found_ = {reason, last_.back().step, "exact validation loss"};
}

PointName point_name(std::size_t point, std::size_t points, std::int64_t n_layer) {
  const auto layers = static_cast<std::size_t>(n_layer);
  const bool halves = points > layers + 1;  // attention and MLP
  if (point == 0) return halves ? PointName{"embedding", "embedding"} : PointName{"input", "input"};
  if (!halves) return {std::to_string(point - 1), fmt::format("block {}, output", point - 1)};
  if (point > 2 * layers) return {"final norm", "output of the final norm"};
  const std::size_t block = (point - 1) / 2;
  if (point % 2 == 1)
    return {fmt::format("{} attention", block), fmt::format("block {}, stream after attention", block)};
  return {fmt::format("{} mlp", block), fmt::format("block {}, stream after the MLP", block)};
}

std::string point_place(std::size_t point, std::size_t points, std::int64_t n_layer) {
  return fmt::format("{} (residual.{})", point_name(point, points, n_layer).place, point);
}

}  // namespace normscope
