#pragma once
// Everything that a run's next step depends on, in a checkpoint file.
#include <cstdint>
#include <string>

#include "run/epoch_meter.h"
#include "train/session.h"

NORMSCOPE_BEGIN

/// What a checkpoint holds; the parts that a run owns are referred to.
struct Snapshot {
  const Parameters& parameters;
  Optimizer& optimizer;
  EpochMeter& epoch;
  std::int64_t next = 0;  ///< the step to do next
  double elapsed_s = 0;   ///< of training so far

  /// Raises Error when the file cannot be written; then nothing is left of it.
  void save(const std::string& path, const Config& config, const Corpus& corpus) const;
  /// Raises UsageError when the file is damaged or of another model.
  void restore(const ArrayFileReader& file);
};

NORMSCOPE_END
