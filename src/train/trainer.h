#pragma once
// One training run from its folder's lock to its last checkpoint.
#include <chrono>
#include <limits>
#include <optional>

#include <normscope/train/evaluate.h>

#include "run/epoch_meter.h"
#include "run/progress.h"
#include "run/run_folder.h"
#include "stats/statistic_set.h"
#include "train/outcome.h"
#include "train/session.h"
#include "train/snapshot.h"

NORMSCOPE_BEGIN

class Trainer {
 public:
  /// `config` is resolved; `corpus` outlives the trainer.
  Trainer(const Config& config, const TrainOptions& options, const Corpus& corpus);
  TrainOutcome run();

 private:
  /// Starts the run of the folder, or continues it.
  void begin();
  void resume(const std::string& checkpoint);
  TrainOutcome train_to_end();
  /// Takes steps until the end or a reason to stop; returns the run's status.
  std::string train_steps(Progress& progress);
  /// One optimizer step and its row.
  StepResult step();
  void write_row(const StepResult& result);
  void evaluate(bool exact);
  void save_checkpoint();
  Snapshot snapshot();
  double elapsed_s() const;
  double tokens_per_s() const;

  StopSignals signals_;
  Session session_;
  TrainOptions options_;
  const Corpus& corpus_;
  DataSet data_;
  std::int64_t steps_;  // of the whole run
  TrainStep step_;
  StatisticSet statistics_;
  EpochMeter epoch_;
  std::optional<RunFolder> folder_;
  std::int64_t next_ = 0, first_ = 0;           // the step to do next, and the first of this sitting
  double elapsed_before_ = 0, training_s_ = 0;  // of earlier sittings; of this one, in steps alone
  std::chrono::steady_clock::time_point started_;
  EvalRow last_eval_{-1, std::numeric_limits<double>::quiet_NaN(), std::numeric_limits<double>::quiet_NaN(), false};
  double accuracy_ = std::numeric_limits<double>::quiet_NaN();
};

NORMSCOPE_END
