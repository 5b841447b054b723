#include "commands/commands.h"
#include "machine/machine.h"

#include <algorithm>
#include <cctype>
#include <cmath>
#include <filesystem>
#include <map>

#include <spdlog/spdlog.h>

#include "io/array_file.h"
#include <normscope/core/error.h>

#include "run/checkpoint.h"
#include "run/saved_run.h"
#include "jobs/jobs.h"
#include "study/plan.h"
#include "config/options.h"

namespace normscope {

namespace {

/// A model's checkpoint with the configuration and tokenizer it was made with.
struct Saved {
  std::string path;
  Config config;
  std::shared_ptr<const Tokenizer> tokenizer;
};

Saved open_saved(const std::string& run, int threads) {
  if (!std::filesystem::exists(run))
    throw UsageError("\"" + run + "\" does not exist; give a run folder or a checkpoint");
  const auto path = newest_checkpoint(run);
  if (!path) throw UsageError("\"" + run + "\" contains no checkpoint; give a run folder or a checkpoint file");
  const auto attributes = ArrayFileReader(*path).attributes();
  const auto format = attributes.find("format");
  if (format == attributes.end() || format->second != "normscope-checkpoint")
    throw UsageError("\"" + *path + "\" is not a checkpoint; give a run folder or a file in its checkpoints/");
  Saved saved{*path, Config::from_json(attributes.at("config_json")),
              attributes.at("tokenizer_json").empty() ? nullptr : tokenizer_from_json(attributes.at("tokenizer_json"))};
  saved.config.threads = threads;
  return saved;
}

/// OpenBLAS 0.3.21 does not know newer processors and then runs kernels of 2004, at a fifth of the speed; its pthread
/// build spins beside our threads and slows them many times over.
void warn_of_slow_blas(const Config& config) {
  if (machine::openblas_spins())
    spdlog::warn(
        "this OpenBLAS is the slower pthread build; install libopenblas0-openmp and select "
        "it with update-alternatives");
  const std::string core = machine::openblas_core();
  if ((core == "Prescott" || core == "Core2" || core == "Generic") &&
      (config.gemm == "openblas" || (config.dtype == "float64" && config.gemm == "onednn")))
    spdlog::warn(
        "OpenBLAS uses its slow {} kernels; set OPENBLAS_CORETYPE="
        "SkylakeX before starting, or use gemm = highway",
        core);
}

Corpus load_corpus_of(const Config& config) {
  Corpus corpus = load_corpus(corpus_options(config));
  if (!corpus.note.empty()) spdlog::info("{}: {}", config.data, corpus.note);
  return corpus;
}

/// Are all zero, or is one not finite?
bool is_lost(const std::vector<double>& values) {
  return std::all_of(values.begin(), values.end(), [](double v) { return v == 0; }) ||
         std::any_of(values.begin(), values.end(), [](double v) { return !std::isfinite(v); });
}

/// ||a - b|| / ||b||; infinite where a contains no numbers.
double relative_error(const std::vector<double>& a, const std::vector<double>& b) {
  double difference = 0, size = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    difference += (a[i] - b[i]) * (a[i] - b[i]);
    size += b[i] * b[i];
  }
  return std::isfinite(difference) ? std::sqrt(difference / std::max(size, 1e-300)) : HUGE_VAL;
}

/// Squares of large numbers overflow, so that a norm gives zeros or NaN without a word.
void warn_of_overflow(const NormCall& call, const NormResult& result) {
  double largest = 0;
  for (const double v : call.x) largest = std::max(largest, std::abs(v));
  if (call.dtype == "float64") {
    if (largest > 1e150 && is_lost(result.y))
      spdlog::warn("the statistics of this row overflow in float64 (largest |x| {:.3g}): y is wrong; scale x down",
                   largest);
    return;
  }
  NormCall exact = call;
  exact.dtype = "float64";
  const double error = relative_error(result.y, jobs_for(exact.dtype).norm_apply(exact).y);
  if (error > 1e-3)
    spdlog::warn("in float32 the statistics of this row {} (largest |x| {:.3g}): y is off by {}; use --dtype float64",
                 largest > 1e18 ? "overflow" : "lose precision", largest,
                 std::isinf(error) ? "more than any number" : fmt::format("{:.3g} %", 100 * error));
}

}  // namespace

TrainOutcome train(const Config& config, const TrainOptions& options) {
  check_run_folder(config, options.overwrite);
  check_model(config);
  check_statistics(config);
  warn_of_slow_blas(config);
  const Corpus corpus = load_corpus_of(config);
  return jobs_for(config.dtype).train(config, options, corpus);
}

EvalOutcome evaluate(const std::string& run, const std::string& split, const std::optional<std::string>& data,
                     int threads, const OnProgress& on_progress) {
  if (split != "train" && split != "val") throw UsageError("split = \"" + split + "\" is unknown; allowed: train, val");
  Saved saved = open_saved(run, threads);
  if (data) saved.config.data = *data;
  const Corpus corpus = load_corpus_of(saved.config);
  if (corpus.tokenizer_json() != (saved.tokenizer ? saved.tokenizer->to_json() : ""))
    throw UsageError("the vocabulary of \"" + saved.config.data +
                     "\" differs from that of the model; use the "
                     "data of the run, or data prepared with its vocabulary");
  return jobs_for(saved.config.dtype).evaluate(saved.config, saved.path, split, corpus, on_progress);
}

void sample(const std::string& run, const SampleOptions& options, const std::function<void(const std::string&)>& emit) {
  const Saved saved = open_saved(run, options.threads);
  if (!saved.tokenizer)
    throw UsageError("\"" + run + "\" is a model of arch " + saved.config.arch + ", which does not generate text");
  jobs_for(saved.config.dtype).sample(saved.config, saved.path, *saved.tokenizer, options, emit);
}

double dump(const Config& config, const DumpOptions& options) { return jobs_for(config.dtype).dump(config, options); }

BenchOutcome bench_step(const Config& config, std::int64_t warmup, std::int64_t steps, const OnProgress& on_progress) {
  warn_of_slow_blas(config);
  return jobs_for(config.dtype).bench_step(config, warmup, steps, on_progress);
}

std::vector<std::vector<double>> time_arms(const std::vector<Config>& configs, int rounds,
                                           const std::function<bool(int round)>& go_on) {
  if (configs.empty()) return {};
  std::map<std::string, Corpus> corpora;
  std::vector<TimedConfig> timed;
  for (const Config& config : configs) {
    const auto [corpus, fresh] = corpora.try_emplace(data_key(config));
    if (fresh) corpus->second = load_corpus(corpus_options(config));
    timed.push_back({config, &corpus->second});
    timed.back().config.threads = 1;
  }
  return jobs_for(configs.front().dtype).time_arms(timed, rounds, go_on);
}

void bench_kernels(const std::string& what, const Config& config, const std::function<void(const BenchRow&)>& emit) {
  jobs_for(config.dtype).bench_kernels(what, config, emit);
}

CostOutcome inspect_config(const Config& config) {
  DataShape shape = assumed_shape(config);
  std::int64_t tokens = 0, steps = config.epochs > 0 ? 0 : config.max_iters;
  if (!config.data.empty()) {
    const Corpus corpus = load_corpus_of(config);
    shape = corpus.shape();
    tokens = corpus.train_size() + corpus.val_size();
    steps = total_steps(config, training_sampler(corpus, sampler_options(config)));
  }
  CostOutcome cost = jobs_for(config.dtype).inspect_config(config, shape, tokens);
  cost.steps = steps;
  return cost;
}

std::vector<GradcheckRow> gradcheck(const std::string& filter, const std::string& norm, std::uint64_t seed,
                                    const OnProgress& on_progress) {
  return f64::jobs.gradcheck(filter, norm, seed, on_progress);
}

NormResult norm_apply(const NormCall& call) {
  if (call.dtype != "float32" && call.dtype != "float64")
    throw UsageError("dtype = \"" + call.dtype + "\" is unknown; allowed: float32, float64");
  const NormResult result = jobs_for(call.dtype).norm_apply(call);
  warn_of_overflow(call, result);
  return result;
}

}  // namespace normscope
