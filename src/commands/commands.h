#pragma once
// What the command line and the study call: the program's jobs, free of precision. Each picks float32 or float64 by
// config.dtype and does its work in that namespace.
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "jobs/jobs.h"

namespace normscope {

/// Trains one model into config.out_dir (run.h5, metrics.jsonl, config.toml, checkpoints/). `config` is resolved.
TrainOutcome train(const Config& config, const TrainOptions& options);

/// Exact loss of a run's (or checkpoint's) model over a whole split: "train" or "val". Progress is in targets.
EvalOutcome evaluate(const std::string& run, const std::string& split, const std::optional<std::string>& data,
                     int threads, const OnProgress& on_progress);

/// Generates text from a run's newest checkpoint; `emit` gets each piece as it is made.
void sample(const std::string& run, const SampleOptions& options, const std::function<void(const std::string&)>& emit);

/// One step, everything, into one HDF5 file. Returns the loss.
double dump(const Config& config, const DumpOptions& options);

/// Finite differences in float64. `filter` is a glob over "topic/name". Progress is in functions.
std::vector<GradcheckRow> gradcheck(const std::string& filter, const std::string& norm, std::uint64_t seed,
                                    const OnProgress& on_progress);

/// What a step of training costs; progress is in steps.
BenchOutcome bench_step(const Config& config, std::int64_t warmup, std::int64_t steps, const OnProgress& on_progress);
/// The time of a training step of each configuration (resolved, all of one dtype), measured in turns by one thread
/// bound to one core. In each round every configuration trains a block of at least 5 steps and 20 ms, with the
/// statistics that `train` takes; the one that begins changes from round to round. out[i][r] is the median time of a
/// step of configuration i in round r, in seconds. `go_on` is asked before each round; when it says no, the rounds
/// that are finished are returned. Raises Error when the thread cannot be bound to a core.
std::vector<std::vector<double>> time_arms(const std::vector<Config>& configs, int rounds,
                                           const std::function<bool(int round)>& go_on);
/// `what` is norms, gemm or attention: what this machine gives and what we reach of it, all of a size measured in turn,
/// medians. gemm and attention take their sizes from the config. Each row is given to emit() as soon as it is measured
/// (the products of a large model take minutes). Raises UsageError for another name.
void bench_kernels(const std::string& what, const Config& config, const std::function<void(const BenchRow&)>& emit);

CostOutcome inspect_config(const Config& config);

NormResult norm_apply(const NormCall& call);

/// The visible table of norms.
struct NormInfo {
  std::string name, label, formula, parameters, reference, over;
  bool detached = false;
  struct Option {
    std::string name, range, default_value, documentation;
  };
  std::vector<Option> options;
  std::vector<std::string> variants;
};
std::vector<NormInfo> norm_catalogue();
/// Raises UsageError when no model can be made of the keys: an unknown option of a norm, an impossible combination.
/// Needs no data and computes nothing. `config` is resolved.
void check_model(const Config& config);
/// Raises UsageError for a name or glob of config.stats that is no statistic, with all names.
void check_statistics(const Config& config);
/// The same of placements: name, formula, reference.
struct PlacementInfo {
  std::string name, formula, reference;
};
std::vector<PlacementInfo> placement_catalogue();
/// What a word of the choices column of config_keys.def stands for, each name with what it is.
struct ChoiceTable {
  std::string word, title;
  std::vector<std::pair<std::string, std::string>> rows;
};
std::vector<ChoiceTable> choice_tables();

}  // namespace normscope
