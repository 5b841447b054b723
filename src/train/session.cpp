#include "train/session.h"

NORMSCOPE_BEGIN

Session::Session(const Config& c, const DataShape& data, bool dry)
    : config(c),
      engine({.threads = thread_count(c), .gemm = gemm_backend(c.gemm), .dry = dry}),
      model(make_model(engine, model_options(c, data), static_cast<std::uint64_t>(c.seed))) {}

TrainStepOptions step_options(const Config& c, std::int64_t steps) {
  return {.optimizer =
              {.name = c.optimizer, .beta1 = c.beta1, .beta2 = c.beta2, .eps = 1e-8, .weight_decay = c.weight_decay},
          .schedule = schedule(c, steps),
          .steps = steps,
          .grad_clip = c.grad_clip,
          .batch_size = c.batch_size,
          .accumulation_steps = c.gradient_accumulation_steps,
          .seed = static_cast<std::uint64_t>(c.seed)};
}

NORMSCOPE_END
