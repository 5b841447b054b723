// What one training step costs.
#include <algorithm>
#include <optional>

#include "kernels/kernels.h"
#include "run/clock.h"
#include "jobs/entries.h"
#include "models/flops.h"
#include "stats/probes.h"
#include "train/session.h"

NORMSCOPE_BEGIN

namespace {

/// Time of one product of a linear map [rows, in] -> [rows, out]: forward, input gradient, weight gradient, added up.
double product_seconds(Engine& engine, std::int64_t rows, std::int64_t in, std::int64_t out) {
  const Tensor x = Tensor::full(engine, {rows, in}, static_cast<real>(0.5)), w = Tensor::full(engine, {out, in}, 1);
  const Tensor y = Tensor::full(engine, {rows, out}, 1), dx = empty_like(x), dw = empty_like(w);
  const auto one = [&] {
    kernels::gemm(engine, false, true, rows, out, in, x.data(), in, w.data(), in, 0, y.data(), out);
    kernels::gemm(engine, false, false, rows, in, out, y.data(), out, w.data(), in, 0, dx.data(), in);
    kernels::gemm(engine, true, false, out, in, rows, y.data(), out, x.data(), in, 0, dw.data(), in);
  };
  one();
  std::vector<double> times;
  for (int i = 0; i < 3; ++i) {
    const double before = now_s();
    one();
    times.push_back(now_s() - before);
  }
  return median(times);
}

}  // namespace

BenchOutcome bench_step(const Config& config, std::int64_t warmup, std::int64_t steps) {
  std::optional<Corpus> corpus;
  if (!config.data.empty()) corpus = load_corpus(corpus_options(config));
  Session session(config, corpus ? corpus->tokenizer->vocab_size() : std::max<std::int64_t>(config.vocab_size, 65));
  std::optional<Sampler> sampler;
  if (corpus) sampler.emplace(corpus->train, sampler_options(config));
  Optimizer optimizer(session.model.parameters(),
                      {config.optimizer, config.beta1, config.beta2, 1e-8, config.weight_decay});
  StepRunner runner(session.model, config);
  const auto& points = session.model.residual_points();
  std::vector<bool> selected;
  for (const std::string& point : points) selected.push_back(matches_any(config.probe, point));
  ResidualProbe probe(points, selected);
  const auto vocab = static_cast<std::uint64_t>(session.model.options().vocab_size);
  const auto fetch = [&](std::int64_t step, std::int64_t micro, const Batch& b) {
    const auto count = static_cast<std::size_t>(b.tokens.numel());
    if (sampler) return sampler->batch(step, micro, {b.tokens.data(), count}, {b.targets.data(), count});
    const Random random(static_cast<std::uint64_t>(config.seed), Purpose::random_tokens,
                        static_cast<std::uint64_t>(step * config.gradient_accumulation_steps + micro));
    for (std::size_t i = 0; i < count; ++i) {
      b.tokens.data()[i] = static_cast<std::int32_t>(random.below(2 * i, vocab));
      b.targets.data()[i] = static_cast<std::int32_t>(random.below(2 * i + 1, vocab));
    }
  };
  const Schedule lr = schedule(config, warmup + steps);
  GradientNorms gradients;
  UpdateNorms updates;
  std::vector<double> times;
  BenchOutcome outcome;
  double loss = 0;
  const auto step_seconds = [&](std::int64_t s) {
    const double before = now_s();
    const bool probed = !config.probe.empty() && s % config.probe_interval == 0;
    probe.start_step();
    loss = runner.run(s, [&](std::int64_t micro, const Batch& b) { fetch(s, micro, b); }, probed ? &probe : nullptr);
    optimizer.measure(gradients);
    probe.finish_step(probed);
    optimizer.step(lr.at(s), Optimizer::clip_factor(gradients.global, config.grad_clip), updates);
    return now_s() - before;
  };
  for (std::int64_t s = 0; s < warmup + steps; ++s) {
    const double seconds = step_seconds(s);
    if (s >= warmup) times.push_back(seconds);
  }
  outcome.loss = loss;
  const double seconds = median(times);
  outcome.peak_rss_mb = peak_rss_mb();
  const std::int64_t tokens = config.batch_size * config.block_size * config.gradient_accumulation_steps;
  const std::int64_t rows = StepRunner::part_of_batch(config.batch_size, config.block_size) * config.block_size;
  outcome.tokens_per_s = static_cast<double>(tokens) / seconds;
  outcome.ms_per_step = seconds * 1e3;
  const ModelOptions& options = session.model.options();
  const double useful = flops_per_step(options, tokens);
  outcome.gflops = useful / seconds * 1e-9;
  const std::vector<ProductShape> products = linear_products(options);
  double product_flops = 0;
  for (const ProductShape& p : products) product_flops += 6.0 * static_cast<double>(p.count * rows * p.in * p.out);
  // A step and its products in turn: where others share the processor its pace changes from one second to the next.
  const std::int64_t turns = std::clamp<std::int64_t>(steps, 1, 5);
  std::vector<double> shares;
  for (std::int64_t turn = 0; turn < turns; ++turn) {
    const double step_s = step_seconds(warmup + steps + turn);
    double product_s = 0;
    for (const ProductShape& p : products)
      product_s += static_cast<double>(p.count) * product_seconds(session.engine, rows, p.in, p.out);
    shares.push_back(product_s * useful / product_flops / step_s);
  }
  outcome.gemm_share = median(shares);
  outcome.parameters = session.model.parameters().numel();
  return outcome;
}

NORMSCOPE_END
