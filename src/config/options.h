#pragma once
// From the flat configuration to the plain structs the lower rooms take.
#include "config/config.h"
#include <normscope/data/corpus.h>
#include <normscope/core/model_options.h>
#include <normscope/data/sampler.h>
#include <normscope/optim/schedule.h>

namespace normscope {

/// `config` is resolved. Raises UsageError when vocab_size is smaller than the tokenizer's.
ModelOptions model_options(const Config& config, const DataShape& data);
/// What bench and inspect assume where no data is named.
DataShape assumed_shape(const Config& config);
CorpusOptions corpus_options(const Config& config);
SamplerOptions sampler_options(const Config& config);
/// Steps of the run: max_iters, or epochs times the sampler's epoch.
std::int64_t total_steps(const Config& config, const Sampler& sampler);
Schedule schedule(const Config& config, std::int64_t steps);
/// Does `name` match one of the globs (config.probe)?
bool matches_any(const std::vector<std::string>& globs, const std::string& name);
/// config.threads, or the number of cores.
int thread_count(const Config& config);

}  // namespace normscope
