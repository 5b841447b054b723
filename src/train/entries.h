#pragma once
// The jobs that exist in both precisions; commands.cpp picks one by config.dtype.
#include <functional>

#include <normscope/commands.h>
#include <normscope/corpus.h>

#define NORMSCOPE_ENTRIES(space)                                                                                       \
  namespace space {                                                                                                    \
  TrainOutcome train(const Config& config, const TrainOptions& options, const Corpus& corpus);                         \
  EvalOutcome evaluate(const Config& config, const std::string& checkpoint, const std::string& split,                  \
                       const Corpus& corpus);                                                                          \
  void sample(const Config& config, const std::string& checkpoint, const Tokenizer& tokenizer,                         \
              const SampleOptions& options, const std::function<void(const std::string&)>& emit);                      \
  double dump(const Config& config, const DumpOptions& options);                                                       \
  BenchOutcome bench_step(const Config& config, std::int64_t warmup, std::int64_t steps);                              \
  void bench_kernels(const std::string& what, const Config& config, const std::function<void(const BenchRow&)>& emit); \
  CostOutcome inspect_config(const Config& config, std::int64_t tokenizer_vocab, std::int64_t tokens);                 \
  NormResult norm_apply(const NormCall& call);                                                                         \
  }

namespace normscope {
NORMSCOPE_ENTRIES(f32)
NORMSCOPE_ENTRIES(f64)
}  // namespace normscope
