// What a configuration will cost, from one step on an engine that hands out memory but computes nothing.
#include <algorithm>
#include <cmath>

#include "run/clock.h"
#include "jobs/entries.h"
#include "models/flops.h"
#include "stats/probes.h"
#include "train/session.h"

NORMSCOPE_BEGIN

namespace {
constexpr double kMb = 1 << 20, kHugePage = 2;
/// HDF5, OpenSSL and their buffers once a run writes its files: 3 to 6 MB measured, micro least, nanogpt-cpu most.
constexpr double kRunFiles = 4;

/// Three steps, after which a run's memory no longer grows.
void three_steps(Session& session) {
  const Config& c = session.config;
  Optimizer optimizer(session.model.parameters(), {c.optimizer, c.beta1, c.beta2, 1e-8, c.weight_decay});
  StepRunner runner(session.model, c);
  const auto& points = session.model.residual_points();
  ResidualProbe probe(points, std::vector<bool>(points.size(), !c.probe.empty()));
  const auto zeros = [](auto, const Batch& b) {
    if (b.tokens.engine().threads() == 0) return;
    std::fill_n(b.tokens.data(), b.tokens.numel(), 0);
    std::fill_n(b.targets.data(), b.targets.numel(), 0);
  };
  GradientNorms norms;
  UpdateNorms updates;
  for (std::int64_t step = 0; step < 3; ++step) {
    runner.run(step, zeros, &probe);
    optimizer.measure(norms);
    optimizer.step(0, 1, updates);
  }
}

/// What the program itself takes, its libraries and the code of a step: seen after a small model has run.
double program_mb(Config config) {
  config.n_layer = 1;
  config.n_inner = 0;
  config.batch_size = 1;
  config.block_size = std::min<std::int64_t>(config.block_size, 16);
  config.vocab_size = 65;
  Session session(config, config.vocab_size);
  three_steps(session);
  const auto pool = static_cast<double>(session.engine.pool().touched());
  return current_rss_mb() - pool / kMb;
}

}  // namespace

CostOutcome inspect_config(const Config& config, std::int64_t tokenizer_vocab, std::int64_t tokens) {
  const double program = program_mb(config);
  Session session(config, tokenizer_vocab, true);
  three_steps(session);
  const Parameters& parameters = session.model.parameters();
  CostOutcome cost;
  for (const Parameter& p : parameters.all()) cost.rows.push_back({p.path, p.shape.vector()});
  cost.parameters = parameters.numel();
  cost.tokens_per_step = config.batch_size * config.block_size * config.gradient_accumulation_steps;
  cost.gflop_per_step = flops_per_step(session.model.options(), cost.tokens_per_step) * 1e-9;
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
