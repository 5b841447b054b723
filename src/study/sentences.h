#pragma once
// The sentences of sentences.def.
#include <cstdint>
#include <map>
#include <string>

namespace normscope {

enum class Sentence {
#define SENTENCE(name, text) name,
#include "study/sentences.def"
#undef SENTENCE
};

using Words = std::map<std::string, std::string>;

/// The sentence with each {word} replaced. Raises Error when a word is missing.
std::string say(Sentence sentence, const Words& words);

}  // namespace normscope
