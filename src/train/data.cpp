#include <normscope/train/data.h>

#include <algorithm>

#include <normscope/core/error.h>
#include <normscope/core/random.h>

NORMSCOPE_BEGIN

namespace {

/// Windows that start at `starts`, each of `time` tokens and their targets.
void copy_windows(std::span<const std::uint16_t> tokens, std::span<const std::int64_t> starts, std::int64_t time,
                  const Batch& batch) {
  std::int32_t *to = batch.tokens.data(), *target = batch.targets.data();
  for (const std::int64_t start : starts) {
    const auto window = tokens.subspan(static_cast<std::size_t>(start), static_cast<std::size_t>(time) + 1);
    to = std::copy_n(window.begin(), time, to);
    target = std::copy_n(window.begin() + 1, time, target);
  }
}

void copy_rows(const Samples& samples, std::span<const std::int64_t> rows, const Batch& batch) {
  real* to = batch.features.data();
  std::int32_t* target = batch.targets.data();
  for (const std::int64_t row : rows) {
    const double* x = &samples.features[static_cast<std::size_t>(row * samples.width)];
    for (std::int64_t i = 0; i < samples.width; ++i) *to++ = static_cast<real>(x[i]);
    *target++ = samples.labels[static_cast<std::size_t>(row)];
  }
}

class TokenSource final : public BatchSource {
 public:
  TokenSource(std::span<const std::uint16_t> tokens, const Sampler& sampler, std::int64_t time)
      : tokens_(tokens), sampler_(sampler), time_(time) {}
  void fill(std::int64_t step, std::int64_t micro, const Batch& batch) const override {
    copy_windows(tokens_, sampler_.starts(step, micro), time_, batch);
  }

 private:
  std::span<const std::uint16_t> tokens_;
  const Sampler& sampler_;
  std::int64_t time_;
};

class SampleSource final : public BatchSource {
 public:
  SampleSource(const Samples& samples, const Sampler& sampler) : samples_(samples), sampler_(sampler) {}
  void fill(std::int64_t step, std::int64_t micro, const Batch& batch) const override {
    copy_rows(samples_, sampler_.starts(step, micro), batch);
  }

 private:
  const Samples& samples_;
  const Sampler& sampler_;
};

/// Calls visit(starts of at most `items`) for all of `starts` in order.
template <class Visit>
void in_batches(const std::vector<std::int64_t>& starts, std::int64_t items, const Visit& visit) {
  const std::span<const std::int64_t> all(starts);
  for (std::size_t first = 0; first < all.size(); first += static_cast<std::size_t>(items))
    visit(all.subspan(first, std::min(static_cast<std::size_t>(items), all.size() - first)));
}

/// `count` numbers below `choices` for an evaluation at `step`.
std::vector<std::int64_t> random_starts(std::uint64_t seed, std::int64_t step, std::int64_t count,
                                        std::int64_t choices) {
  const Random random(seed, Purpose::window, stream_of("eval") + static_cast<std::uint64_t>(step));
  std::vector<std::int64_t> starts;
  for (std::int64_t i = 0; i < count; ++i)
    starts.push_back(
        static_cast<std::int64_t>(random.below(static_cast<std::uint64_t>(i), static_cast<std::uint64_t>(choices))));
  return starts;
}

void visit_windows(std::span<const std::uint16_t> tokens, Engine& engine, const std::vector<std::int64_t>& starts,
                   std::int64_t time, std::int64_t items, const Split::Visit& visit) {
  const Batch buffers{Indices::empty(engine, {items, time}), Indices::empty(engine, {items, time}), {}};
  in_batches(starts, items, [&](std::span<const std::int64_t> part) {
    const Batch batch = buffers.narrow(0, std::ssize(part));
    copy_windows(tokens, part, time, batch);
    visit(batch);
  });
}

void visit_rows(const Samples& samples, Engine& engine, const std::vector<std::int64_t>& rows, std::int64_t items,
                const Split::Visit& visit) {
  const Batch buffers{{}, Indices::empty(engine, {items}), Tensor::empty(engine, {items, samples.width})};
  in_batches(rows, items, [&](std::span<const std::int64_t> part) {
    const Batch batch = buffers.narrow(0, std::ssize(part));
    copy_rows(samples, part, batch);
    visit(batch);
  });
}

}  // namespace

void TokenSplit::exact(Engine& engine, std::int64_t items, const Visit& visit) const {
  const std::int64_t targets = std::ssize(tokens_) - 1;
  if (targets < 1)
    throw UsageError("the split has " + std::to_string(tokens_.size()) +
                     " tokens, too few for a prediction; use more data");
  std::vector<std::int64_t> starts;
  for (std::int64_t start = 0; start + block_size_ <= targets; start += block_size_) starts.push_back(start);
  if (!starts.empty()) visit_windows(tokens_, engine, starts, block_size_, items, visit);
  if (const std::int64_t rest = targets % block_size_; rest > 0)  // the last window, shorter
    visit_windows(tokens_, engine, {targets - rest}, rest, 1, visit);
}

void TokenSplit::sampled(Engine& engine, std::int64_t items, std::int64_t count, std::uint64_t seed, std::int64_t step,
                         const Visit& visit) const {
  const std::int64_t time = std::min(block_size_, std::ssize(tokens_) - 1);
  visit_windows(tokens_, engine, random_starts(seed, step, count, std::ssize(tokens_) - time), time, items, visit);
}

void SampleSplit::exact(Engine& engine, std::int64_t items, const Visit& visit) const {
  std::vector<std::int64_t> rows(static_cast<std::size_t>(samples_.count()));
  for (std::size_t i = 0; i < rows.size(); ++i) rows[i] = static_cast<std::int64_t>(i);
  visit_rows(samples_, engine, rows, items, visit);
}

void SampleSplit::sampled(Engine& engine, std::int64_t items, std::int64_t count, std::uint64_t seed, std::int64_t step,
                          const Visit& visit) const {
  visit_rows(samples_, engine, random_starts(seed, step, count, samples_.count()), items, visit);
}

DataSet::DataSet(const Corpus& corpus, const Model& model, const SamplerOptions& options)
    : sampler(training_sampler(corpus, options)) {
  if ((model.options().features > 0) != corpus.has_samples())
    throw UsageError("the model reads " + std::string(corpus.has_samples() ? "tokens" : "samples") + ", and " +
                     corpus.source + " holds " + (corpus.has_samples() ? "samples" : "tokens"));
  if (corpus.has_samples()) {
    source = std::make_unique<SampleSource>(corpus.train_samples, sampler);
    train = std::make_unique<SampleSplit>(corpus.train_samples);
    val = std::make_unique<SampleSplit>(corpus.val_samples);
  } else {
    source = std::make_unique<TokenSource>(corpus.train, sampler, options.block_size);
    train = std::make_unique<TokenSplit>(corpus.train, options.block_size);
    val = std::make_unique<TokenSplit>(corpus.val, options.block_size);
  }
}

NORMSCOPE_END
