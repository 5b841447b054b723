#pragma once
// Text from a token model.
#include <functional>
#include <optional>
#include <string>

#include <normscope/data/tokenizer.h>
#include <normscope/models/model.h>

namespace normscope {

struct GenerateOptions {
  std::optional<std::string> prompt{};  ///< unset: a line break, or the first token of a vocabulary without one
  std::int64_t tokens = 500;
  double temperature = 0.8;  ///< 0: always the likeliest token
  std::int64_t top_k = 200;  ///< draw from the k likeliest (0: all)
  std::uint64_t seed = 1337;
};

}  // namespace normscope

NORMSCOPE_BEGIN

/// Continues the prompt; `emit` gets the prompt, then each token's text as it is drawn. Raises UsageError for an empty
/// prompt and for a character that is not in the vocabulary.
void generate(const Model& model, const Tokenizer& tokenizer, const GenerateOptions& options,
              const std::function<void(const std::string&)>& emit);

NORMSCOPE_END
