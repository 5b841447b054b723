#pragma once
// What the command line and the study call: the program's jobs, free of precision. Each picks float32 or float64 by
// config.dtype and does its work in that namespace.
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <normscope/config.h>

namespace normscope {

struct TrainOptions {
  bool overwrite = false;
  bool quiet = false;   ///< no progress bar, no log lines
  std::string command;  ///< the command line, stored in the run file
};

struct TrainOutcome {
  std::string status;  ///< done | diverged | interrupted
  std::string run_dir;
  std::int64_t steps = 0, parameters = 0;
  double train_loss = 0, val_loss = 0;  ///< nats a token, NaN without an evaluation
  bool exact = false;                   ///< val_loss is over the whole split
  double elapsed_s = 0, tokens_per_s = 0;
};

/// Trains one model into config.out_dir (run.h5, metrics.jsonl, config.toml, checkpoints/). `config` is resolved.
TrainOutcome train(const Config& config, const TrainOptions& options);

struct EvalOutcome {
  double loss = 0;
  std::int64_t tokens = 0;
  std::string split;
};
/// Exact loss of a run's (or checkpoint's) model over a whole split: "train" or "val".
EvalOutcome evaluate(const std::string& run, const std::string& split, const std::optional<std::string>& data,
                     int threads);

struct SampleOptions {
  std::optional<std::string> prompt;  ///< unset: a line break, or the first token of a vocabulary without one
  std::int64_t tokens = 500;
  double temperature = 0.8;
  std::int64_t top_k = 200;
  std::uint64_t seed = 1337;
  int threads = 0;
};
/// Generates text from a run's newest checkpoint; `emit` gets each piece as it is made.
void sample(const std::string& run, const SampleOptions& options, const std::function<void(const std::string&)>& emit);

struct DumpOptions {
  std::string out;
  std::int64_t step = 0;
  std::vector<std::string> only;  ///< empty: everything
  std::string batch;              ///< FILE.h5 with tokens and targets, or empty
  bool overwrite = false;
};
/// One step, everything, into one HDF5 file. Returns the loss.
double dump(const Config& config, const DumpOptions& options);

struct GradcheckRow {
  std::string topic, name, input;  ///< op | norm | placement | model; "layernorm"; "scale 1e3, offset 100"
  std::string tensor;              ///< which input or parameter was worst
  double error = 0;                ///< relative error, or absolute against scale where the gradient is zero
  bool passed = false;
};
/// Finite differences in float64. `filter` is a glob over "topic/name".
std::vector<GradcheckRow> gradcheck(const std::string& filter, std::uint64_t seed);

struct BenchOutcome {
  double tokens_per_s = 0, ms_per_step = 0, peak_rss_mb = 0, gflops = 0, gemm_share = 0, loss = 0;
  std::int64_t parameters = 0;
};
BenchOutcome bench_step(const Config& config, std::int64_t warmup, std::int64_t steps);
/// One kernel at one size: named numbers, the units in their names.
struct BenchRow {
  std::string kernel, size;
  std::vector<std::pair<std::string, double>> numbers;
};
/// `what` is norms, gemm or attention: what this machine gives and what we reach of it, all of a size measured in turn,
/// medians. gemm and attention take their sizes from the config. Each row is given to emit() as soon as it is measured
/// (the products of a large model take minutes). Raises UsageError for another name.
void bench_kernels(const std::string& what, const Config& config, const std::function<void(const BenchRow&)>& emit);

/// What a config costs before running it.
struct CostOutcome {
  std::int64_t parameters = 0, tokens_per_step = 0;
  std::int64_t steps = 0;  ///< 0: epochs, of data that is not known
  double gflop_per_step = 0, weights_mb = 0, activations_mb = 0, peak_mb = 0;
  struct Row {
    std::string path;
    std::vector<std::int64_t> shape;
  };
  std::vector<Row> rows;
};
CostOutcome inspect_config(const Config& config);

struct NormCall {
  std::string name;           ///< catalogue name with its options: "layernorm:bias=false"
  std::vector<double> x, dy;  ///< one row; dy empty: no gradients
  double eps = 1e-5;
  std::string dtype = "float64";
};
struct NormResult {
  std::vector<double> y, dx, dgain, dbias;
};
NormResult norm_apply(const NormCall& call);

/// The visible table of norms: name, formula, parameters, reference.
struct NormInfo {
  std::string name, formula, parameters, reference;
};
std::vector<NormInfo> norm_catalogue();
std::vector<std::string> placement_names();

/// Facts of this build and machine for --version and run files.
struct BuildInfo {
  std::string version, git_commit, compiler, onednn, openblas_core, hdf5, isa;
};
BuildInfo build_info();

}  // namespace normscope
