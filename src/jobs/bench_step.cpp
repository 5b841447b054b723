// What one training step costs.
#include <algorithm>
#include <optional>

#include "core/numbers.h"
#include "kernels/kernels.h"
#include "run/clock.h"
#include "jobs/entries.h"
#include "stats/statistic_set.h"
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

/// Tokens, or features and labels, drawn without any structure.
class RandomSource final : public BatchSource {
 public:
  RandomSource(const Config& config, std::int64_t classes) : config_(config), classes_(classes) {}
  void fill(std::int64_t step, std::int64_t micro, const Batch& batch) const override {
    const Random random(static_cast<std::uint64_t>(config_.seed), Purpose::random_tokens,
                        static_cast<std::uint64_t>(step * config_.gradient_accumulation_steps + micro));
    const auto n = static_cast<std::uint64_t>(classes_);
    for (std::int64_t i = 0; i < batch.predictions(); ++i) {
      if (batch.tokens.defined())
        batch.tokens.data()[i] = static_cast<std::int32_t>(random.below(static_cast<std::uint64_t>(2 * i), n));
      batch.targets.data()[i] = static_cast<std::int32_t>(random.below(static_cast<std::uint64_t>(2 * i + 1), n));
    }
    for (std::int64_t i = 0; batch.features.defined() && i < batch.features.numel(); ++i)
      batch.features.data()[i] = static_cast<real>(random.normal(static_cast<std::uint64_t>(i)));
  }

 private:
  const Config& config_;
  std::int64_t classes_;
};

}  // namespace

BenchOutcome bench_step(const Config& config, std::int64_t warmup, std::int64_t steps, const OnProgress& on_progress) {
  std::optional<Corpus> corpus;
  if (!config.data.empty()) corpus = load_corpus(corpus_options(config));
  Session session(config, corpus ? corpus->shape() : assumed_shape(config));
  Model& model = *session.model;
  std::optional<DataSet> data;
  if (corpus) data.emplace(*corpus, model, sampler_options(config));
  const RandomSource random(config, model.options().vocab_size);
  TrainStep step(model, data ? *data->source : static_cast<const BatchSource&>(random),
                 step_options(config, warmup + steps));
  StatisticSet statistics(config, model);
  BenchOutcome outcome;
  double loss = 0;
  const auto step_seconds = [&](std::int64_t s) {
    const double before = now_s();
    loss = step.run(s, &statistics).loss;
    return now_s() - before;
  };
  std::vector<double> times;
  for (std::int64_t s = 0; s < warmup + steps; ++s) {
    on_progress(s, warmup + steps);  // outside the clock
    const double seconds = step_seconds(s);
    if (s >= warmup) times.push_back(seconds);
  }
  outcome.loss = loss;
  const double seconds = median(times);
  outcome.peak_rss_mb = peak_rss_mb();
  const std::int64_t predictions = step.predictions_a_step(), each = step.batch().predictions() / config.batch_size;
  const std::int64_t rows = part_of_batch(config.batch_size, each) * each;
  outcome.tokens_per_s = static_cast<double>(predictions) / seconds;
  outcome.ms_per_step = seconds * 1e3;
  const double useful = model.flops(predictions);
  outcome.gflops = useful / seconds * 1e-9;
  const std::vector<ProductShape> products = model.products();
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
  outcome.parameters = model.parameters().numel();
  return outcome;
}

NORMSCOPE_END
