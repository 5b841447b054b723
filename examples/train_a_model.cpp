// Trains a small LLaMA on the text file given as its argument, measures gradient norms, evaluates, saves, generates.
#include <normscope/normscope.h>

#include <cstdio>
#include <exception>
#include <iostream>

using namespace normscope;

int main(int argc, char** argv) try {
  if (argc != 2) return std::fprintf(stderr, "usage: train_a_model TEXT\n"), 2;
  const Corpus corpus = load_corpus({.data = argv[1]});
  Engine engine;
  const ModelOptions options{.arch = "llama",
                             .n_layer = 2,
                             .n_embd = 64,
                             .vocab_size = corpus.shape().classes,
                             .activation = "swiglu",
                             .norm = {.name = "rmsnorm"}};
  const auto model = make_model(engine, options, 1337);
  const DataSet data(corpus, *model, {.block_size = options.block_size, .batch_size = 12});
  TrainStep step(*model, *data.source, {.schedule = {.learning_rate = 1e-3, .decay_lr = false}, .batch_size = 12});
  for (int i = 0; i < 200; ++i) {
    const StepResult result = step.run(i);
    if (i % 20 == 0)
      std::printf("step %3d  loss %.3f  gradient norm %.3f\n", i, result.loss, step.gradient_norms().global);
  }
  std::printf("validation loss %.3f nats\n", exact_evaluation(*model, *data.val).loss);
  save_weights(model->parameters(), "model.h5");
  generate(*model, *corpus.tokenizer, {.tokens = 200}, [](const std::string& piece) { std::cout << piece; });
} catch (const std::exception& error) {
  return std::fprintf(stderr, "%s\n", error.what()), 1;
}
