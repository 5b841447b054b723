#pragma once
// The statistics of a run: what listens to its steps, and the rows of the last one.
#include <string_view>
#include <utility>

#include "stats/statistic.h"

NORMSCOPE_BEGIN

/// Pass it to every TrainStep::run(); it measures the steps that config.probe_interval selects. A statistic that is not
/// selected is not made.
class StatisticSet final : public StepListener {
 public:
  /// `config` names the statistics (stats) and what to measure (probe, probe_interval); `model` must outlive the set.
  /// Raises UsageError for an unknown statistic.
  StatisticSet(const Config& config, const Model& model);

  void start_step(std::int64_t step) override;
  void value(const std::string& name, const Variable& x) override;
  bool wants(const std::string& name) const override;
  void gradients(const GradientNorms& norms) override;
  void updates(const UpdateNorms& norms) override;

  /// The columns of the run file.
  ColumnSet columns() const;
  /// Name and numbers of each statistic in the last step, NaN where not measured. The numbers stay where they are.
  const std::vector<std::pair<std::string_view, std::span<const float>>>& rows() const { return rows_; }
  /// One of them.
  std::span<const float> row(std::string_view name) const;
  /// Those that have one number a step.
  std::vector<std::pair<std::string_view, double>> numbers() const;
  /// [P] norm of each parameter's gradient in the last step, before clipping: of all parameters and at every step,
  /// whatever `probe` says, for the epochs' means.
  const std::vector<double>& grad_norms() const { return grad_norms_; }

 private:
  struct Member {
    const StatisticEntry* entry;
    std::unique_ptr<Statistic> statistic;
    std::vector<float> row;
  };
  std::vector<std::string> names_of(Axis axis) const;

  const Model& model_;
  std::int64_t interval_;
  std::vector<bool> params_, points_;  // what `probe` selects
  bool measured_ = false;              // this step
  std::vector<double> grad_norms_;
  ResidualMeter residual_;
  StatContext context_;
  std::vector<Member> members_;
  std::vector<std::pair<std::string_view, std::span<const float>>> rows_;
};

NORMSCOPE_END
