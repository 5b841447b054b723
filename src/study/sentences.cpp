#include "study/sentences.h"

#include <normscope/core/error.h>

#include <fmt/format.h>

namespace normscope {
namespace {

constexpr const char* kTexts[] = {
#define SENTENCE(name, text) text,
#include "study/sentences.def"
#undef SENTENCE
};

}  // namespace

std::string say(Sentence sentence, const Words& words) {
  const std::string text = kTexts[static_cast<std::size_t>(sentence)];
  std::string out;
  for (std::size_t i = 0; i < text.size();) {
    if (text[i] != '{') {
      out += text[i++];
      continue;
    }
    const std::size_t end = text.find('}', i);
    const auto word = words.find(text.substr(i + 1, end - i - 1));
    if (word == words.end()) throw Error(fmt::format("[study] a word is missing in the sentence '{}'", text));
    out += word->second;
    i = end + 1;
  }
  return out;
}

}  // namespace normscope
