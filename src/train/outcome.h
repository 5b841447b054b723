#pragma once
// What a training run is told beside its configuration, and what it says in the end.
#include <cstdint>
#include <optional>
#include <string>

#include "run/divergence.h"

namespace normscope {

struct TrainOptions {
  bool overwrite = false;
  bool quiet = false;   ///< no progress bar, no log lines
  std::string command;  ///< the command line, stored in the run file
};

struct TrainOutcome {
  std::string status;  ///< done | diverged | interrupted
  std::string run_dir;
  std::int64_t first_step = 0;  ///< the step this sitting began with; 0: not resumed
  std::int64_t steps = 0, parameters = 0;
  double train_loss = 0, val_loss = 0;     ///< nats/token, NaN without an evaluation
  bool exact = false;                      ///< val_loss is over the whole split
  double accuracy = 0;                     ///< of samples, NaN for tokens
  double elapsed_s = 0, tokens_per_s = 0;  ///< tokens_per_s of this sitting, NaN when no step was left to do
  std::optional<Divergence> divergence{};  ///< of a run that diverged
};

}  // namespace normscope
