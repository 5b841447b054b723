#include <normscope/train/generate.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include <normscope/core/error.h>
#include <normscope/core/random.h>

NORMSCOPE_BEGIN

namespace {
/// Draws from softmax(logits / temperature) over the top_k largest; temperature 0 takes the largest.
std::uint16_t draw(const real* logits, std::int64_t vocab, const GenerateOptions& options, double u) {
  std::vector<std::uint16_t> order(static_cast<std::size_t>(vocab));
  std::iota(order.begin(), order.end(), std::uint16_t{0});
  std::stable_sort(order.begin(), order.end(), [&](auto a, auto b) { return logits[a] > logits[b]; });
  if (options.temperature <= 0) return order[0];
  if (options.top_k > 0) order.resize(static_cast<std::size_t>(std::min(options.top_k, vocab)));
  std::vector<double> weight;
  for (const auto token : order)
    weight.push_back(
        std::exp((static_cast<double>(logits[token]) - static_cast<double>(logits[order[0]])) / options.temperature));
  double left = u * std::accumulate(weight.begin(), weight.end(), 0.0);
  for (std::size_t i = 0; i < order.size(); ++i)
    if ((left -= weight[i]) < 0) return order[i];
  return order.back();
}

/// A line break, as before the first line of a text; the first token where the vocabulary has none.
std::string default_prompt(const Tokenizer& tokenizer) {
  try {
    tokenizer.encode("\n");
    return "\n";
  } catch (const UsageError&) {
    const std::uint16_t first = 0;
    return tokenizer.decode({&first, 1});
  }
}
}  // namespace

void generate(const Model& model, const Tokenizer& tokenizer, const GenerateOptions& options,
              const std::function<void(const std::string&)>& emit) {
  const NoGrad guard;
  const std::string prompt = options.prompt ? *options.prompt : default_prompt(tokenizer);
  std::vector<std::uint16_t> tokens = tokenizer.encode(prompt);
  if (tokens.empty()) throw UsageError("the prompt is empty; give at least one character with --prompt");
  emit(prompt);
  const Random random(options.seed, Purpose::sample, 0);
  const std::int64_t time = model.options().block_size;
  for (std::int64_t made = 0; made < options.tokens; ++made) {
    const auto context = std::min(time, static_cast<std::int64_t>(tokens.size()));
    const Indices input = Indices::empty(model.engine(), {1, context});
    std::copy(tokens.end() - context, tokens.end(), input.data());
    const Variable logits = model.logits(Batch{input, {}, {}}, {});
    // Padding beyond the tokenizer's vocabulary is never drawn.
    const auto token = draw(logits.value().data() + (context - 1) * logits.shape().last(), tokenizer.vocab_size(),
                            options, random.uniform(static_cast<std::uint64_t>(made)));
    tokens.push_back(token);
    emit(tokenizer.decode({&tokens.back(), 1}));
  }
}

NORMSCOPE_END
