#include <fmt/format.h>
#include <normscope/core/error.h>
#include <normscope/data/tokenizer.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>

#include "data/utf8.h"
#include "io/output_folder.h"

namespace normscope {
namespace {

using nlohmann::ordered_json;

constexpr std::size_t kMaxSymbols = 65535;  // 65535 itself marks "no such symbol"
constexpr std::uint16_t kNone = 65535;
constexpr char32_t kReplacement = 0xFFFD;  // what a padded token decodes to

class CharTokenizer : public Tokenizer {
 public:
  explicit CharTokenizer(std::vector<char32_t> symbols) : symbols_(std::move(symbols)) {
    if (symbols_.empty()) throw UsageError("[tokenizer] char: the text is empty");
    if (symbols_.size() > kMaxSymbols) {
      throw UsageError(
          fmt::format("[tokenizer] char: {} different characters exceed the limit of {} for uint16 "
                      "tokens; use --tokenizer byte",
                      symbols_.size(), kMaxSymbols));
    }
    token_.assign(*std::max_element(symbols_.begin(), symbols_.end()) + 1, kNone);
    for (std::size_t i = 0; i < symbols_.size(); ++i) token_[symbols_[i]] = static_cast<std::uint16_t>(i);
  }

  std::string kind() const override { return "char"; }
  std::int64_t vocab_size() const override { return static_cast<std::int64_t>(symbols_.size()); }

  std::vector<std::uint16_t> encode(std::string_view text) const override {
    std::vector<std::uint16_t> tokens;
    tokens.reserve(text.size());
    for (std::size_t at = 0; at < text.size();) {
      const std::size_t start = at;
      const auto c = utf8::next(text, at);
      if (!c)
        throw UsageError(fmt::format("[tokenizer] char: {}; convert the text to UTF-8 or use --tokenizer byte",
                                     utf8::describe_bad(text, start)));
      const std::uint16_t token = *c < token_.size() ? token_[*c] : kNone;
      if (token == kNone) {
        throw UsageError(
            fmt::format("[tokenizer] char: '{}' (U+{:04X}) at {} is not in the {} characters of the "
                        "vocabulary; remove it",
                        text.substr(start, at - start), static_cast<std::uint32_t>(*c), utf8::position(text, start),
                        symbols_.size()));
      }
      tokens.push_back(token);
    }
    return tokens;
  }

  std::string decode(std::span<const std::uint16_t> tokens) const override {
    std::string text;
    for (const auto token : tokens) utf8::append(text, token < symbols_.size() ? symbols_[token] : kReplacement);
    return text;
  }

  std::string to_json() const override {
    ordered_json itos = ordered_json::array();
    for (const char32_t c : symbols_) {
      std::string symbol;
      utf8::append(symbol, c);
      itos.push_back(symbol);
    }
    return ordered_json{{"format", kVocabularyFormat}, {"kind", kind()}, {"vocab_size", vocab_size()}, {"itos", itos}}
        .dump();
  }

 private:
  std::vector<char32_t> symbols_;
  std::vector<std::uint16_t> token_;  // by code point
};

class ByteTokenizer : public Tokenizer {
 public:
  std::string kind() const override { return "byte"; }
  std::int64_t vocab_size() const override { return 256; }

  std::vector<std::uint16_t> encode(std::string_view text) const override {
    std::vector<std::uint16_t> tokens(text.size());
    std::transform(text.begin(), text.end(), tokens.begin(), [](char c) { return static_cast<unsigned char>(c); });
    return tokens;
  }

  std::string decode(std::span<const std::uint16_t> tokens) const override {
    std::string text;
    for (const auto token : tokens) {
      if (token < 256)
        text += static_cast<char>(token);
      else
        utf8::append(text, kReplacement);
    }
    return text;
  }

  // No itos: a token is its byte, and most bytes above 127 are no JSON text.
  std::string to_json() const override {
    return ordered_json{{"format", kVocabularyFormat}, {"kind", kind()}, {"vocab_size", vocab_size()}}.dump();
  }
};

[[noreturn]] void bad_vocabulary(const std::string& what) {
  throw UsageError(fmt::format("[tokenizer] vocabulary: {}; recreate the file with `normscope prepare`", what));
}

char32_t one_character(const ordered_json& symbol, std::size_t index) {
  if (symbol.is_string()) {
    const auto& text = symbol.get_ref<const std::string&>();
    std::size_t at = 0;
    if (const auto c = text.empty() ? std::nullopt : utf8::next(text, at); c && at == text.size()) return *c;
  }
  bad_vocabulary(fmt::format("itos[{}] is {}, not a string of one character", index, symbol.dump()));
}

}  // namespace

std::unique_ptr<Tokenizer> char_tokenizer(std::string_view text) {
  std::vector<bool> seen(0x110000);
  for (std::size_t at = 0; at < text.size();) {
    const auto c = utf8::next(text, at);
    if (!c)
      throw UsageError(fmt::format("[tokenizer] char: {}; convert the text to UTF-8 or use --tokenizer byte",
                                   utf8::describe_bad(text, at)));
    seen[*c] = true;
  }
  std::vector<char32_t> symbols;
  for (char32_t c = 0; c < seen.size(); ++c) {
    if (seen[c]) symbols.push_back(c);
  }
  return std::make_unique<CharTokenizer>(std::move(symbols));
}

std::unique_ptr<Tokenizer> byte_tokenizer() { return std::make_unique<ByteTokenizer>(); }

std::unique_ptr<Tokenizer> tokenizer_from_json(const std::string& json) {
  const auto file = ordered_json::parse(json, nullptr, /*allow_exceptions=*/false);
  if (!file.is_object()) bad_vocabulary("not a JSON object");
  const auto text = [&](const char* key) {
    return file.contains(key) && file[key].is_string() ? file[key].get<std::string>() : std::string();
  };
  if (text("format") != kVocabularyFormat)
    bad_vocabulary(fmt::format("\"format\" is '{}', not '{}'", text("format"), kVocabularyFormat));
  if (!file.contains("vocab_size") || !file["vocab_size"].is_number_integer()) bad_vocabulary("no \"vocab_size\"");
  const auto vocab_size = file["vocab_size"].get<std::int64_t>();

  if (text("kind") == "byte") {
    if (vocab_size != 256) bad_vocabulary(fmt::format("vocab_size is {}; kind byte needs 256", vocab_size));
    return byte_tokenizer();
  }
  if (text("kind") != "char") bad_vocabulary(fmt::format("\"kind\" is '{}'; allowed: char, byte", text("kind")));
  if (!file.contains("itos") || !file["itos"].is_array()) bad_vocabulary("the list \"itos\" is missing");
  const auto& itos = file["itos"];
  if (vocab_size != static_cast<std::int64_t>(itos.size())) {
    bad_vocabulary(fmt::format("vocab_size is {}, but itos has {} symbols", vocab_size, itos.size()));
  }
  std::vector<char32_t> symbols;
  std::set<char32_t> seen;
  for (std::size_t i = 0; i < itos.size(); ++i) {
    symbols.push_back(one_character(itos[i], i));
    if (!seen.insert(symbols.back()).second) bad_vocabulary(fmt::format("itos[{}] {} occurs twice", i, itos[i].dump()));
  }
  return std::make_unique<CharTokenizer>(std::move(symbols));
}

}  // namespace normscope
