#pragma once
// Tokenizers: text <-> tokens below 65,536 (uint16, as nanoGPT's token files).
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace normscope {

class Tokenizer {
 public:
  virtual ~Tokenizer() = default;
  virtual std::string kind() const = 0;  ///< "char", "byte"
  virtual std::int64_t vocab_size() const = 0;
  /// Raises UsageError for text the vocabulary does not hold (names the character and its position).
  virtual std::vector<std::uint16_t> encode(std::string_view text) const = 0;
  virtual std::string decode(std::span<const std::uint16_t> tokens) const = 0;
  virtual std::string to_json() const = 0;  ///< the vocabulary file: kind, vocab_size, itos
};

/// Characters (Unicode code points) of `text`, sorted: nanoGPT's character tokenizer. Raises UsageError on bad UTF-8.
std::unique_ptr<Tokenizer> char_tokenizer(std::string_view text);
/// The 256 bytes.
std::unique_ptr<Tokenizer> byte_tokenizer();
/// Reads what to_json() wrote.
std::unique_ptr<Tokenizer> tokenizer_from_json(const std::string& json);

}  // namespace normscope
