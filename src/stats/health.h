#pragma once
// Are the numbers of a step finite, and where were they first not?
#include <optional>
#include <string>
#include <vector>

#include <normscope/models/model.h>
#include <normscope/optim/step_listener.h>

NORMSCOPE_BEGIN

/// Reads every observed point of every step, whatever `probe` selects: 0.1 % of a step's work. Passes all it is told on
/// to another listener.
class HealthCheck final : public StepListener {
 public:
  /// `model` must outlive it.
  explicit HealthCheck(const Model& model);
  /// Who is told the same from now on; may be null.
  void pass_on_to(StepListener* listener) { next_ = listener; }

  void start_step(std::int64_t step) override;
  void value(const std::string& name, const Variable& x) override;
  bool wants(const std::string& name) const override { return next_ && next_->wants(name); }
  void gradients(const GradientNorms& norms) override;
  void updates(const UpdateNorms& norms) override;

  /// The first block and quantity of this step that was no finite number, in the order in which a step makes them
  /// (points, loss, gradients from the head down, weights); empty when the loss, all gradients and weights and the
  /// input of the final norm are finite.
  std::string nonfinite(double loss) const;
  /// The first point whose squares overflow in this precision, or empty.
  std::string overflow() const { return overflow_ ? place(*overflow_) : ""; }

 private:
  std::string place(std::size_t point) const;
  const Model& model_;
  StepListener* next_ = nullptr;
  std::optional<std::size_t> nonfinite_, overflow_;  // points
  bool last_points_finite_ = true;                   // the final norm's input is one of the last two
  std::string gradient_, weight_;
};

NORMSCOPE_END
