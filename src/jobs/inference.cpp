// What is done with a trained model: exact loss, and text.
#include <normscope/train/evaluate.h>

#include "jobs/entries.h"
#include "train/session.h"

NORMSCOPE_BEGIN

EvalOutcome evaluate(const Config& config, const std::string& checkpoint, const std::string& split,
                     const Corpus& corpus) {
  Session session(config, corpus.shape());
  load_weights(session.model->parameters(), checkpoint);
  const DataSet data(corpus, *session.model, sampler_options(config));
  const Evaluation result =
      exact_evaluation(*session.model, split == "train" ? *data.train : *data.val, {.batch_size = config.batch_size});
  return {.loss = result.loss, .tokens = result.targets, .accuracy = result.accuracy, .split = split};
}

void sample(const Config& config, const std::string& checkpoint, const Tokenizer& tokenizer,
            const SampleOptions& options, const std::function<void(const std::string&)>& emit) {
  Session session(config, {.classes = tokenizer.vocab_size()});
  load_weights(session.model->parameters(), checkpoint);
  generate(*session.model, tokenizer, options, emit);
}

NORMSCOPE_END
