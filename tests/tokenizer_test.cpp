// Tokenizers: round trips, the vocabulary file, and what they refuse.
#include <gtest/gtest.h>
#include <normscope/core/error.h>
#include "data/sha256.h"
#include <normscope/data/tokenizer.h>

#include <nlohmann/json.hpp>

#include "data/utf8.h"
#include "messages.h"

namespace normscope {
namespace {

using messages::expect_says;
using messages::message_of;

TEST(CharTokenizer, SortsCodePoints) {
  const auto tokenizer = char_tokenizer("b\na\u00e9\u20ac\U0001F600b");
  EXPECT_EQ(tokenizer->kind(), "char");
  EXPECT_EQ(tokenizer->vocab_size(), 6);
  EXPECT_EQ(tokenizer->encode("\nab\u00e9\u20ac\U0001F600"), (std::vector<std::uint16_t>{0, 1, 2, 3, 4, 5}));
  EXPECT_EQ(tokenizer->decode(std::vector<std::uint16_t>{5, 0, 3}), "\U0001F600\n\u00e9");
}

TEST(CharTokenizer, RoundTripThroughJson) {
  const std::string text = "\"quoted\" \\ back\tslash \u00fc\u4e2d\U0001F600\n";
  const auto tokenizer = char_tokenizer(text);
  const auto again = tokenizer_from_json(tokenizer->to_json());
  EXPECT_EQ(again->vocab_size(), tokenizer->vocab_size());
  EXPECT_EQ(again->encode(text), tokenizer->encode(text));
  EXPECT_EQ(again->decode(tokenizer->encode(text)), text);
  EXPECT_EQ(again->to_json(), tokenizer->to_json());
  const auto json = nlohmann::json::parse(tokenizer->to_json());
  EXPECT_EQ(json["format"], "normscope-vocabulary");
  EXPECT_EQ(json["kind"], "char");
  EXPECT_EQ(json["vocab_size"], json["itos"].size());
  EXPECT_EQ(json["itos"][0], "\t");
}

TEST(CharTokenizer, PaddedTokensDecodeToReplacement) {
  EXPECT_EQ(char_tokenizer("ab")->decode(std::vector<std::uint16_t>{0, 2, 65535, 1}), "a\ufffd\ufffdb");
  EXPECT_EQ(byte_tokenizer()->decode(std::vector<std::uint16_t>{'a', 256, 65535}), "a\ufffd\ufffd");
}

TEST(CharTokenizer, NamesTheCharacterItDoesNotKnow) {
  const auto tokenizer = char_tokenizer("ab\n");
  expect_says(message_of<UsageError>([&] { tokenizer->encode("ab\na\u20ac"); }),
              {"'\u20ac'", "U+20AC", "byte 4", "line 2"});
  expect_says(message_of<UsageError>([&] { tokenizer->encode("\x7f"); }), {"byte 0", "line 1"});
}

TEST(CharTokenizer, NamesTheFirstBadByte) {
  expect_says(message_of<UsageError>([] { char_tokenizer("one\ntwo\nth\xffree"); }), {"byte 10", "line 3", "0xff"});
  const std::vector<std::pair<const char*, std::string>> bad = {{"lone continuation", "ab\x80"},
                                                                {"truncated", "ab\xe2\x82"},
                                                                {"overlong", "ab\xc0\xaf"},
                                                                {"surrogate", "ab\xed\xa0\x80"},
                                                                {"above U+10FFFF", "ab\xf4\x90\x80\x80"},
                                                                {"Latin-1", "ab\xe9x"}};
  for (const auto& [what, text] : bad) {
    SCOPED_TRACE(what);
    expect_says(message_of<UsageError>([&] { char_tokenizer(text); }), {"byte 2", "line 1"});
    const auto tokenizer = char_tokenizer("ab");
    expect_says(message_of<UsageError>([&] { tokenizer->encode(text); }), {"byte 2", "line 1"});
  }
}

TEST(CharTokenizer, RefusesTooManySymbolsAndNone) {
  std::string text;
  const auto append = [&](int c) {  // three and four byte forms are enough here
    if (c >= 0x10000) {
      text += static_cast<char>(0xF0 | (c >> 18));
      text += static_cast<char>(0x80 | ((c >> 12) & 63));
    } else {
      text += static_cast<char>(0xE0 | (c >> 12));
    }
    text += static_cast<char>(0x80 | ((c >> 6) & 63));
    text += static_cast<char>(0x80 | (c & 63));
  };
  for (int c = 0x10000; c < 0x10000 + 65535; ++c) append(c);
  const auto largest = char_tokenizer(text);
  EXPECT_EQ(largest->vocab_size(), 65535);
  EXPECT_EQ(largest->decode(largest->encode(text)), text);
  append(0x4e2d);
  expect_says(message_of<UsageError>([&] { char_tokenizer(text); }), {"65536", "65535", "byte"});
  expect_says(message_of<UsageError>([&] { char_tokenizer(""); }), {"empty"});
}

TEST(ByteTokenizer, AnyBytes) {
  std::string all;
  for (int b = 0; b < 256; ++b) all += static_cast<char>(b);
  const auto tokenizer = byte_tokenizer();
  EXPECT_EQ(tokenizer->vocab_size(), 256);
  const auto tokens = tokenizer->encode(all);
  for (int b = 0; b < 256; ++b) EXPECT_EQ(tokens[b], b);
  EXPECT_EQ(tokenizer->decode(tokens), all);
  const auto again = tokenizer_from_json(tokenizer->to_json());
  EXPECT_EQ(again->kind(), "byte");
  EXPECT_EQ(again->encode(all), tokens);
}

TEST(TokenizerFromJson, RefusesWhatIsNoVocabulary) {
  const std::string head = R"({"format":"normscope-vocabulary","kind":"char",)";
  const std::vector<std::pair<std::string, std::string>> bad = {
      {"", "JSON object"},
      {"[1]", "JSON object"},
      {"{\"format\":", "JSON object"},
      {R"({"kind":"char","vocab_size":1,"itos":["a"]})", "format"},
      {R"({"format":"normscope-vocabulary","kind":"bpe","vocab_size":1})", "bpe"},
      {R"({"format":"normscope-vocabulary","kind":"byte","vocab_size":65})", "256"},
      {head + R"("itos":["a"]})", "vocab_size"},
      {head + R"("vocab_size":2})", "itos"},
      {head + R"("vocab_size":2,"itos":["a"]})", "vocab_size is 2"},
      {head + R"("vocab_size":2,"itos":["a","bc"]})", "itos[1]"},
      {head + R"("vocab_size":2,"itos":["a",7]})", "itos[1]"},
      {head + R"("vocab_size":2,"itos":["a",""]})", "itos[1]"},
      {head + R"("vocab_size":2,"itos":["a","a"]})", "twice"},
      {head + R"("vocab_size":0,"itos":[]})", "empty"}};
  for (const auto& [json, part] : bad) {
    SCOPED_TRACE(json);
    expect_says(message_of<UsageError>([&, text = json] { tokenizer_from_json(text); }), {part});
  }
}

TEST(Utf8, NothingStandsBehindTheLastCharacter) {
  const std::string_view text = std::string_view("ab").substr(0, 1);  // "b" lies behind it
  std::size_t at = 0;
  EXPECT_EQ(utf8::next(text, at), U'a');
  EXPECT_EQ(utf8::next(text, at), std::nullopt);
  EXPECT_EQ(at, 1U);
}

TEST(Sha256, KnownAnswers) {
  const auto bytes = [](std::string_view text) { return std::as_bytes(std::span(text.data(), text.size())); };
  EXPECT_EQ(sha256_hex({}), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(sha256_hex(bytes("abc")), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(Sha256().update(bytes("a")).update(bytes("bc")).hex(), sha256_hex(bytes("abc")));
}

}  // namespace
}  // namespace normscope
