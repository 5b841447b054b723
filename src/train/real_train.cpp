#include "train/entries.h"
#include "train/real_trainer.h"

namespace normscope::NORMSCOPE_REAL_NAMESPACE {

TrainOutcome train(const Config& config, const TrainOptions& options, const Corpus& corpus) {
  return Trainer(config, options, corpus).run();
}

}  // namespace normscope::NORMSCOPE_REAL_NAMESPACE
