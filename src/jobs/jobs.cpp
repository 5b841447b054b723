#include "jobs/jobs.h"

#include "jobs/entries.h"
#include "train/trainer.h"

NORMSCOPE_BEGIN

const Jobs jobs{.train = [](const Config& config, const TrainOptions& options,
                            const Corpus& corpus) { return Trainer(config, options, corpus).run(); },
                .evaluate = evaluate,
                .sample = sample,
                .dump = dump,
                .gradcheck = gradcheck,
                .bench_step = bench_step,
                .time_arms = time_arms,
                .bench_kernels = bench_kernels,
                .inspect_config = inspect_config,
                .norm_apply = norm_apply};

NORMSCOPE_END
