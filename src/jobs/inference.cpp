// What is done with a trained model: exact loss, and text.
#include <normscope/train/evaluate.h>

#include "jobs/entries.h"
#include "train/session.h"

NORMSCOPE_BEGIN

namespace {

/// Another split whose batches are told of: `on_progress` gets the predictions made, of `total`.
class CountedSplit final : public Split {
 public:
  CountedSplit(const Split& split, std::int64_t total, const OnProgress& on_progress)
      : split_(split), total_(total), on_progress_(on_progress) {}
  void exact(Engine& engine, std::int64_t items, const Visit& visit) const override {
    split_.exact(engine, items, counted(visit));
  }
  void sampled(Engine& engine, std::int64_t items, std::int64_t count, std::uint64_t seed, std::int64_t step,
               const Visit& visit) const override {
    split_.sampled(engine, items, count, seed, step, counted(visit));
  }
  std::int64_t predictions_an_item() const override { return split_.predictions_an_item(); }

 private:
  Visit counted(const Visit& visit) const {
    return [this, &visit, done = std::int64_t{0}](const Batch& batch) mutable {
      on_progress_(done, total_);
      visit(batch);
      done += batch.predictions();
    };
  }
  const Split& split_;
  std::int64_t total_;
  const OnProgress& on_progress_;
};

}  // namespace

EvalOutcome evaluate(const Config& config, const std::string& checkpoint, const std::string& split,
                     const Corpus& corpus, const OnProgress& on_progress) {
  Session session(config, corpus.shape());
  load_weights(session.model->parameters(), checkpoint);
  const DataSet data(corpus, *session.model, sampler_options(config));
  const bool train = split == "train";
  const std::int64_t size = train ? corpus.train_size() : corpus.val_size();
  const CountedSplit counted(train ? *data.train : *data.val, size, on_progress);
  const Evaluation result = exact_evaluation(*session.model, counted, {.batch_size = config.batch_size});
  return {.loss = result.loss, .tokens = result.targets, .accuracy = result.accuracy, .split = split};
}

void sample(const Config& config, const std::string& checkpoint, const Tokenizer& tokenizer,
            const SampleOptions& options, const std::function<void(const std::string&)>& emit) {
  Session session(config, {.classes = tokenizer.vocab_size()});
  load_weights(session.model->parameters(), checkpoint);
  generate(*session.model, tokenizer, options, emit);
}

NORMSCOPE_END
