#pragma once
// The jobs of this precision, each in its own file; jobs.cpp makes the table of them.
#include <normscope/core/precision.h>

#include "jobs/jobs.h"

NORMSCOPE_BEGIN

EvalOutcome evaluate(const Config& config, const std::string& checkpoint, const std::string& split,
                     const Corpus& corpus, const OnProgress& on_progress);
void sample(const Config& config, const std::string& checkpoint, const Tokenizer& tokenizer,
            const SampleOptions& options, const std::function<void(const std::string&)>& emit);
double dump(const Config& config, const DumpOptions& options);
std::vector<GradcheckRow> gradcheck(const std::string& filter, const std::string& norm, std::uint64_t seed,
                                    const OnProgress& on_progress);
BenchOutcome bench_step(const Config& config, std::int64_t warmup, std::int64_t steps, const OnProgress& on_progress);
std::vector<std::vector<double>> time_arms(const std::vector<TimedConfig>& configs, int rounds,
                                           const std::function<bool(int round)>& go_on);
void bench_kernels(const std::string& what, const Config& config, const std::function<void(const BenchRow&)>& emit);
CostOutcome inspect_config(const Config& config, const DataShape& data_shape, std::int64_t tokens);
NormResult norm_apply(const NormCall& call);

NORMSCOPE_END
