// What a configuration will cost, from one step on an engine that hands out memory but computes nothing.
#include <algorithm>
#include <cmath>

#include "run/clock.h"
#include "jobs/entries.h"
#include "stats/statistic_set.h"
#include "train/session.h"

NORMSCOPE_BEGIN

namespace {
constexpr double kMb = 1 << 20, kHugePage = 2;
/// HDF5, OpenSSL and their buffers once a run writes its files: 3 to 6 MB measured, micro least, nanogpt-cpu most.
constexpr double kRunFiles = 4;

class ZeroSource final : public BatchSource {
 public:
  void fill(std::int64_t, std::int64_t, const Batch& batch) const override {
    if (batch.targets.engine().dry()) return;
    std::fill_n(batch.targets.data(), batch.targets.numel(), 0);
    if (batch.tokens.defined()) std::fill_n(batch.tokens.data(), batch.tokens.numel(), 0);
    if (batch.features.defined()) std::fill_n(batch.features.data(), batch.features.numel(), real{1});
  }
};

/// Three steps, after which a run's memory no longer grows. Returns the predictions of one.
std::int64_t three_steps(Session& session) {
  const ZeroSource zeros;
  TrainStep step(*session.model, zeros, step_options(session.config, 3));
  StatisticSet statistics(session.config, *session.model);
  for (std::int64_t s = 0; s < 3; ++s) step.run(s, &statistics);
  return step.predictions_a_step();
}

/// What the program itself takes, its libraries and the code of a step: seen after a small model has run.
double program_mb(Config config) {
  config.n_layer = 1;
  config.n_inner = 0;
  config.batch_size = std::min<std::int64_t>(config.batch_size, 2);  // a norm over the batch takes no single row
  config.block_size = std::min<std::int64_t>(config.block_size, 16);
  config.vocab_size = 0;
  Session session(config, assumed_shape(config));
  three_steps(session);
  const auto pool = static_cast<double>(session.engine.pool().touched());
  return current_rss_mb() - pool / kMb;
}

}  // namespace

CostOutcome inspect_config(const Config& config, const DataShape& data_shape, std::int64_t tokens) {
  const double program = program_mb(config);
  Session session(config, data_shape, true);
  const std::int64_t predictions = three_steps(session);
  const Parameters& parameters = session.model->parameters();
  CostOutcome cost;
  for (const Parameter& p : parameters.all()) cost.rows.push_back({p.path, p.shape.vector()});
  cost.parameters = parameters.numel();
  cost.tokens_per_step = predictions;
  cost.gflop_per_step = session.model->flops(predictions) * 1e-9;
  const double copies = config.optimizer == "adamw" ? 4 : 3;  // weights, gradients, moments
  cost.weights_mb = static_cast<double>(cost.parameters) * sizeof(real) * copies / kMb;
  const double pool = static_cast<double>(session.engine.pool().touched()) / kMb;
  cost.activations_mb = pool - cost.weights_mb;
  // Tokens take two bytes; while they are made, the text (a byte or more each) is there too, but the model is not.
  const double data = 2 * static_cast<double>(tokens) / kMb;
  cost.peak_mb = program + data + std::max(data / 2, kRunFiles + std::ceil(pool / kHugePage) * kHugePage);
  return cost;
}

NORMSCOPE_END
