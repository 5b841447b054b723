#pragma once
// What a statistic is. To add one: one file and one line (CONTRIBUTING.md).
#include <memory>
#include <span>
#include <string>
#include <vector>

#include <normscope/models/model.h>
#include <normscope/optim/step_listener.h>

#include "config/config.h"
#include "io/column.h"
#include "stats/residual_meter.h"

NORMSCOPE_BEGIN

/// What statistics may read; outlives them.
struct StatContext {
  const Model& model;
  const std::vector<double>& grad_norms;  ///< [P] L2 norm of each parameter's gradient in this step, before clipping
  const ResidualMeter& residual;
};

/// Listens during a measured step, then gives its row. Every function may be left out but row().
///   value():     named tensors of the forward pass (x.on_grad() adds a hook for the gradient)
///   wants():     true for a value that is computed only where somebody asks (src/stats/attn_entropy.cpp)
///   gradients(): the gradients lie in the model's parameters, unclipped (Parameter::grad())
///   updates():   the parameters have been updated
class Statistic : public StepListener {
 public:
  void value(const std::string& /*name*/, const Variable& /*x*/) override {}
  /// The step's numbers, one for each name of the entry's axis. What `probe` leaves out is replaced by NaN afterwards.
  virtual void row(std::span<float> out) = 0;
};

struct StatisticEntry {
  std::string name;  ///< "grad/norm"
  std::string unit, long_name;
  std::string stage{};    ///< where in the step it is measured
  double norm_order = 0;  ///< 0: not a norm
  std::string formula, reference{};
  Axis axis = Axis::one;
  bool always = false;  ///< measured without being asked for, its dataset at /NAME instead of /stats/NAME
  std::unique_ptr<Statistic> (*make)(const StatContext& context);
};

/// The table of statistics.def.
const std::vector<StatisticEntry>& statistic_table();
/// Those that are always measured and those that a name or glob of config.stats selects, in the order of the table.
/// Raises UsageError for one that selects nothing, with all names.
std::vector<const StatisticEntry*> select_statistics(const Config& config);

/// For entries: makes an S.
template <class S>
std::unique_ptr<Statistic> make_statistic(const StatContext& context) {
  return std::make_unique<S>(context);
}

NORMSCOPE_END
