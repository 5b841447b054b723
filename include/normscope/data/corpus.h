#pragma once
// Corpora: a text file, a folder of text, a prepared folder (train.bin, val.bin, meta.json) or a generated source.
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <normscope/core/model_options.h>
#include <normscope/data/sampler.h>
#include <normscope/data/tokenizer.h>

namespace normscope {

/// Labelled feature vectors: N rows of `width` features.
struct Samples {
  std::int64_t width = 0;
  std::vector<double> features;      ///< [N, width]
  std::vector<std::int32_t> labels;  ///< [N], from 0
  std::int64_t count() const { return static_cast<std::int64_t>(labels.size()); }
  void keep_first(std::int64_t n);
};

/// What a run trains on: tokens, or samples (then there is no tokenizer, and a "token" is a sample).
struct Corpus {
  std::vector<std::uint16_t> train, val;  ///< 90 % and 10 % by position; train already cut to train_tokens
  std::shared_ptr<const Tokenizer> tokenizer;
  Samples train_samples, val_samples;
  std::int64_t label_count = 0;        ///< of samples
  std::string source;                  ///< what `data` named
  std::string sha256;                  ///< of the train and val tokens (little-endian uint16) as trained on
  std::string note;                    ///< what was changed in the text before it was read, or empty
  std::optional<double> entropy_rate;  ///< nats/token, where known exactly: the loss floor

  bool has_samples() const { return train_samples.count() > 0; }
  DataShape shape() const { return {tokenizer ? tokenizer->vocab_size() : label_count, train_samples.width}; }
  std::int64_t train_size() const { return has_samples() ? train_samples.count() : std::ssize(train); }
  std::int64_t val_size() const { return has_samples() ? val_samples.count() : std::ssize(val); }
  std::string tokenizer_json() const { return tokenizer ? tokenizer->to_json() : ""; }
};

struct CorpusOptions {
  std::string data{};  ///< path or synthetic:NAME
  std::string tokenizer = "char";
  std::int64_t train_tokens = 0;  ///< keep the first N training tokens (0: all)
  std::uint64_t seed = 0;         ///< of generated sources
};

/// Raises UsageError when the data is missing, empty, binary, not UTF-8 (char) or shorter than train_tokens.
Corpus load_corpus(const CorpusOptions& options);

/// The order in which a run takes its training windows or samples.
Sampler training_sampler(const Corpus& corpus, const SamplerOptions& options);

/// Writes train.bin, val.bin (uint16, little-endian, readable by nanoGPT) and meta.json into `folder`, each to a
/// temporary file first and renamed. Raises UsageError when `folder` has them already and overwrite is false.
void write_prepared(const Corpus& corpus, const std::string& folder, bool overwrite);

}  // namespace normscope
