#pragma once
// What train, eval, sample, dump and bench share: an engine and the model that a configuration describes.
#include <memory>

#include <normscope/models/model.h>
#include <normscope/train/train_step.h>

#include "config/options.h"
#include "train/weights.h"

NORMSCOPE_BEGIN

/// An engine and a model with its initial values.
struct Session {
  Config config;
  Engine engine;
  std::unique_ptr<Model> model;
  /// `dry`: memory is handed out but nothing is computed.
  Session(const Config& config, const DataShape& data, bool dry = false);
};

/// The options of a training step that takes `steps` steps in all.
TrainStepOptions step_options(const Config& config, std::int64_t steps);

NORMSCOPE_END
