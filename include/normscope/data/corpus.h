#pragma once
// Corpora: a text file, a folder of text, a prepared folder (train.bin, val.bin, meta.json) or a generated source.
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <normscope/data/tokenizer.h>

namespace normscope {

struct Corpus {
  std::vector<std::uint16_t> train, val;  ///< 90 % and 10 % by position; train already cut to train_tokens
  std::shared_ptr<const Tokenizer> tokenizer;
  std::string source;                  ///< what `data` named
  std::string sha256;                  ///< of the train and val tokens (little-endian uint16) as trained on
  std::optional<double> entropy_rate;  ///< nats a token, where known exactly: the loss floor
};

struct CorpusOptions {
  std::string data;  ///< path or synthetic:NAME
  std::string tokenizer = "char";
  std::int64_t train_tokens = 0;  ///< keep the first N training tokens (0: all)
  std::uint64_t seed = 0;         ///< of generated sources
};

/// Raises UsageError when the data is missing, empty, binary, not UTF-8 (char) or shorter than train_tokens.
Corpus load_corpus(const CorpusOptions& options);

/// Writes train.bin, val.bin (uint16, little-endian, readable by nanoGPT) and meta.json into `folder`, each to a
/// temporary file first and renamed. Raises UsageError when `folder` has them already and overwrite is false.
void write_prepared(const Corpus& corpus, const std::string& folder, bool overwrite);

}  // namespace normscope
