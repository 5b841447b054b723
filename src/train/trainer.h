#pragma once
// One training run from its folder's lock to its last checkpoint.
#include <chrono>
#include <filesystem>
#include <limits>
#include <optional>

#include "train/outcome.h"
#include "io/file_util.h"
#include "io/metrics_log.h"
#include "io/run_file.h"

#include "run/epoch_meter.h"
#include "run/progress.h"
#include <normscope/train/evaluate.h>

#include "stats/probes.h"
#include "train/session.h"

NORMSCOPE_BEGIN

class Trainer {
 public:
  /// `config` is resolved; `corpus` outlives the trainer.
  Trainer(const Config& config, const TrainOptions& options, const Corpus& corpus);
  TrainOutcome run();

 private:
  /// Takes the folder's lock, then continues the run in it or makes a new one.
  void open_run();
  void start_run();
  void resume_run(const std::string& checkpoint);
  void restore(const ArrayFileReader& checkpoint);
  void check_same_run(const std::filesystem::path& file) const;
  void discard_run();  // leaves nothing of a run that has no step
  TrainOutcome train_to_end();
  void save_checkpoint();
  RunHeader header() const;
  /// One optimizer step and its row; false when loss or gradient is no number any more.
  StepResult step();
  void write_row(const StepResult& result, bool probed);
  void evaluate(bool exact);
  double elapsed_s() const;

  StopSignals signals_;
  Session session_;
  TrainOptions options_;
  const Corpus& corpus_;
  DataSet data_;
  std::int64_t steps_;  // of the whole run
  TrainStep step_;
  std::vector<ParamInfo> params_;
  std::vector<bool> param_selected_;
  ResidualProbe probe_;
  EpochMeter epoch_;
  std::vector<double> grad_norms_;                                   // [P], every step
  std::vector<float> norm_row_, max_row_, weight_row_, update_row_;  // [P], NaN where not probed
  std::optional<FolderLock> lock_;
  std::optional<RunFile> file_;
  std::optional<MetricsLog> metrics_;
  std::string run_dir_;
  std::int64_t next_ = 0;      // the step to do next
  double elapsed_before_ = 0;  // of earlier sittings of this run
  std::chrono::steady_clock::time_point started_;
  EvalRow last_eval_{-1, std::numeric_limits<double>::quiet_NaN(), std::numeric_limits<double>::quiet_NaN(), false};
  double accuracy_ = std::numeric_limits<double>::quiet_NaN();
  std::vector<std::filesystem::path> made_;  // folders, innermost first; empty when the run's folder was there
  bool fresh_ = false;                       // the files are this run's from its first step on
};

NORMSCOPE_END
