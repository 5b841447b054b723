#include "train/session.h"

#include <algorithm>
#include <cstring>

#include "core/parallel.h"

#include "ops/check.h"

NORMSCOPE_BEGIN

Session::Session(const Config& c, std::int64_t tokenizer_vocab, bool dry)
    : config(c),
      engine({thread_count(c), gemm_backend(c.gemm), dry}),
      model(engine, model_options(c, tokenizer_vocab), static_cast<std::uint64_t>(c.seed)) {}

Batch::Batch(Engine& engine, std::int64_t batch, std::int64_t time)
    : tokens(Indices::empty(engine, {batch, time})), targets(Indices::empty(engine, {batch, time})) {}

namespace {
/// Loss over the windows that start at `starts`, in batches of at most `batch_size`, or of a part of it.
double loss_over(const Transformer& model, std::span<const std::uint16_t> tokens,
                 const std::vector<std::int64_t>& starts, std::int64_t batch_size) {
  const NoGrad guard;
  const std::int64_t time = model.options().block_size, count = static_cast<std::int64_t>(starts.size());
  batch_size = StepRunner::part_of_batch(batch_size, time);
  const Batch batch(model.engine(), batch_size, time);
  double sum = 0;
  for (std::int64_t first = 0; first < count; first += batch_size) {
    const std::int64_t rows = std::min(batch_size, count - first);
    for (std::int64_t i = 0; i < rows * time; ++i) {
      const auto at = static_cast<std::size_t>(starts[static_cast<std::size_t>(first + i / time)] + i % time);
      batch.tokens.data()[i] = tokens[at];
      batch.targets.data()[i] = tokens[at + 1];
    }
    const Variable loss = model.loss(batch.tokens.narrow(0, rows), batch.targets.narrow(0, rows), {});
    sum += static_cast<double>(loss.item()) * static_cast<double>(rows);
  }
  return sum / static_cast<double>(count);
}
}  // namespace

double exact_loss(const Transformer& model, std::span<const std::uint16_t> tokens, std::int64_t batch_size) {
  const std::int64_t time = model.options().block_size;
  std::vector<std::int64_t> starts;
  for (std::int64_t start = 0; start + time < static_cast<std::int64_t>(tokens.size()); start += time)
    starts.push_back(start);
  if (starts.empty())
    throw UsageError("the split has " + std::to_string(tokens.size()) +
                     " tokens, too few for one window of block_size = " + std::to_string(time) +
                     " and its targets; make block_size smaller or the data longer");
  return loss_over(model, tokens, starts, batch_size);
}

double sampled_loss(const Transformer& model, std::span<const std::uint16_t> tokens, std::int64_t batch_size,
                    std::int64_t batches, std::uint64_t seed, std::int64_t step) {
  const Random random(seed, Purpose::window, stream_of("eval") + static_cast<std::uint64_t>(step));
  const auto room = static_cast<std::uint64_t>(tokens.size()) - static_cast<std::uint64_t>(model.options().block_size);
  std::vector<std::int64_t> starts;
  for (std::int64_t i = 0; i < batches * batch_size; ++i)
    starts.push_back(static_cast<std::int64_t>(random.below(static_cast<std::uint64_t>(i), room)));
  return loss_over(model, tokens, starts, batch_size);
}

StepRunner::StepRunner(const Transformer& model, const Config& config)
    : model_(model),
      accumulation_(config.gradient_accumulation_steps),
      seed_(static_cast<std::uint64_t>(config.seed)),
      part_(part_of_batch(config.batch_size, config.block_size)),
      batch_(model.engine(), config.batch_size, config.block_size) {}

std::int64_t StepRunner::part_of_batch(std::int64_t batch, std::int64_t time) {
  constexpr std::int64_t kTokens = 2048;  // of activations in memory at once
  const std::int64_t fit = std::max<std::int64_t>(1, kTokens / time);
  return parts(batch, parts(batch, fit));
}

double StepRunner::micro_step(std::int64_t micro_step, Observer* observer) {
  const std::int64_t batch = batch_.tokens.shape()[0], count = parts(batch, part_);
  double sum = 0;
  for (std::int64_t i = 0; i < count; ++i) {
    const std::int64_t first = i * part_, rows = std::min(part_, batch - first);
    const double share = static_cast<double>(rows) / static_cast<double>(batch * accumulation_);
    const Tape::Recording recording(tape_);
    tape_.set_observer(observer);
    {
      const Pass pass{true, seed_, static_cast<std::uint64_t>(micro_step * count + i)};
      const Variable loss = model_.loss(batch_.tokens.narrow(first, rows), batch_.targets.narrow(first, rows), pass);
      sum += static_cast<double>(loss.item()) * share;
      tape_.backward(loss, static_cast<real>(share));
    }
    tape_.clear();
  }
  return sum;
}

Array::Type real_type() { return sizeof(real) == 8 ? Array::Type::f64 : Array::Type::f32; }

void copy_reals(const Array& from, real* to) {
  const auto copy = [&](auto zero) {
    using T = decltype(zero);
    for (std::int64_t i = 0; i < from.numel(); ++i) {
      T value;
      std::memcpy(&value, from.bytes.data() + static_cast<std::size_t>(i) * sizeof(T), sizeof(T));
      to[i] = static_cast<real>(value);
    }
  };
  if (from.type == Array::Type::f32)
    copy(float{});
  else if (from.type == Array::Type::f64)
    copy(double{});
  else
    throw UsageError("[checkpoint] an array of weights does not hold floating-point numbers");
}

void load_parameters(const Parameters& parameters, const ArrayFileReader& file) {
  for (const Parameter& p : parameters.all()) {
    const std::string name = "params/" + p.path;
    if (!file.has(name)) throw UsageError("the weights lack " + p.path + "; they were made with other model keys");
    const Array array = file.read(name);
    if (array.shape != p.shape.vector())
      throw UsageError("the weights' " + p.path + " has shape " + Shape(array.shape).str() + ", the model's " +
                       p.shape.str() + "; vocabulary or model keys differ");
    copy_reals(array, p.value());
  }
}

NORMSCOPE_END
