#pragma once
// The program's jobs, one file each. They exist in both precisions; jobs_for() picks one set by dtype.
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <normscope/data/corpus.h>

#include <normscope/train/generate.h>

#include "config/config.h"
#include "train/outcome.h"

namespace normscope {

/// Told how much of a job is done, often; both in the job's own unit.
using OnProgress = std::function<void(std::int64_t done, std::int64_t total)>;

struct EvalOutcome {
  double loss = 0;
  std::int64_t tokens = 0;  ///< targets that were scored
  double accuracy = 0;      ///< of samples; NaN for tokens
  std::string split;
};

struct SampleOptions : GenerateOptions {
  int threads = 0;
};

struct DumpOptions {
  std::string out;
  std::int64_t step = 0;
  std::vector<std::string> only;  ///< empty: everything
  std::string batch;              ///< FILE.h5 with tokens and targets, or empty
  bool overwrite = false;
};

struct GradcheckRow {
  std::string topic, name, input;  ///< op | norm | placement | model; "layernorm"; "scale 1e3, offset 100"
  std::string tensor;              ///< which input or parameter was worst
  double error = 0;                ///< relative error, or absolute against scale where the gradient is zero
  bool passed = false;
};

struct BenchOutcome {
  double tokens_per_s = 0, ms_per_step = 0, peak_rss_mb = 0, gflops = 0, gemm_share = 0, loss = 0;
  std::int64_t parameters = 0;
};

/// One arm whose step is timed. `config` is resolved, for one thread.
struct TimedConfig {
  Config config;
  const Corpus* corpus = nullptr;
};

/// One kernel at one size: named numbers, the units in their names.
struct BenchRow {
  std::string kernel, size;
  std::vector<std::pair<std::string, double>> numbers;
};

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

struct NormCall {
  std::string name;           ///< catalogue name with its options: "layernorm:bias=false"
  std::vector<double> x, dy;  ///< rows, one behind the other; dy empty: no gradients
  double eps = 1e-5;
  std::string dtype = "float64";
  std::int64_t width = 0;                                   ///< of a row; 0: x is one row
  std::map<std::string, std::vector<double>> parameters{};  ///< "gain": its values; the others as they begin
  bool by_formula = false;                                  ///< by the formula also where there is a kernel
};

struct NormResult {
  std::vector<double> y, dx;
  std::vector<std::pair<std::string, std::vector<double>>> gradients;  ///< of the parameters: "dgain", "dbias", "dg"
};

/// Configurations are resolved. What each does stands at its function in commands/commands.h.
struct Jobs {
  TrainOutcome (*train)(const Config& config, const TrainOptions& options, const Corpus& corpus);
  EvalOutcome (*evaluate)(const Config& config, const std::string& checkpoint, const std::string& split,
                          const Corpus& corpus, const OnProgress& on_progress);
  void (*sample)(const Config& config, const std::string& checkpoint, const Tokenizer& tokenizer,
                 const SampleOptions& options, const std::function<void(const std::string&)>& emit);
  double (*dump)(const Config& config, const DumpOptions& options);
  std::vector<GradcheckRow> (*gradcheck)(const std::string& filter, const std::string& norm, std::uint64_t seed,
                                         const OnProgress& on_progress);
  BenchOutcome (*bench_step)(const Config& config, std::int64_t warmup, std::int64_t steps,
                             const OnProgress& on_progress);
  std::vector<std::vector<double>> (*time_arms)(const std::vector<TimedConfig>& configs, int rounds,
                                                const std::function<bool(int round)>& go_on);
  void (*bench_kernels)(const std::string& what, const Config& config,
                        const std::function<void(const BenchRow&)>& emit);
  CostOutcome (*inspect_config)(const Config& config, const DataShape& data_shape, std::int64_t tokens);
  NormResult (*norm_apply)(const NormCall& call);
};

namespace f32 {
extern const Jobs jobs;
}
namespace f64 {
extern const Jobs jobs;
}

inline const Jobs& jobs_for(const std::string& dtype) { return dtype == "float64" ? f64::jobs : f32::jobs; }

}  // namespace normscope
