#include "config/config_text.h"

#include <fmt/format.h>

#include <algorithm>

#include "config/config.h"

namespace normscope {
namespace {

/// Spellings of other programs that no edit distance leads home.
struct Synonym {
  const char *word, *key;
};
constexpr Synonym kSynonyms[] = {
    {"lr", "learning_rate"}, {"steps", "max_iters"},          {"iters", "max_iters"}, {"layers", "n_layer"},
    {"heads", "n_head"},     {"d_model", "n_embd"},           {"dim", "n_embd"},      {"width", "n_embd"},
    {"ctx", "block_size"},   {"context", "block_size"},       {"eps", "norm_eps"},    {"precision", "dtype"},
    {"model", "arch"},       {"placement", "norm_placement"}, {"wd", "weight_decay"}, {"output", "out_dir"},
};

/// The names that a word of the choices column stands for.
std::vector<std::string> names_of(const std::string& word) {
#define NORM(name) #name,
#define PLACEMENT(name) #name,
#define FORMULA(name, ...) #name,
#define INIT(name, ...) #name,
#define MODEL(name) #name,
  if (word == "MODELS")
    return {
#include "models/models.def"
    };
  if (word == "NORMS")
    return {
#include "norms/norms.def"
    };
  if (word == "HEAD_NORMS")
    return {
#include "norms/norms.def"
        "l2", "false"};
  if (word == "PLACEMENTS")
    return {
#include "nn/placements.def"
    };
  if (word == "INITS")
    return {
#include "nn/inits.def"
    };
#undef NORM
#undef PLACEMENT
#undef FORMULA
#undef INIT
#undef MODEL
  return {word};
}

}  // namespace

std::vector<std::string> key_choices(const KeyInfo& key) {
  std::vector<std::string> all;
  for (const std::string& part : split(key.choices, '|')) {
    const auto names = names_of(trimmed(part));
    all.insert(all.end(), names.begin(), names.end());
  }
  return all;
}

std::string unknown_key(const std::string& key, const std::string& value, const std::string& where,
                        const std::vector<std::string>& known, bool flag) {
  std::string hint = nearest_word(key, known);
  for (const Synonym& synonym : kSynonyms)
    if (key == synonym.word && std::find(known.begin(), known.end(), synonym.key) != known.end()) hint = synonym.key;
  const std::string advice = hint.empty() ? std::string(flag ? "--help lists all" : "normscope help train lists all")
                                          : fmt::format("the nearest key is {}{}", flag ? "--" : "", hint);
  return fmt::format("{}: unknown key '{}' (value '{}'); {}", where, key, value, advice);
}

bool role_is(std::string_view name, std::initializer_list<KeyRole> roles) {
  const KeyInfo* key = find_key(name);
  return key && std::find(roles.begin(), roles.end(), key->role) != roles.end();
}

const std::vector<std::string>& config_key_names() {
  static const std::vector<std::string> names = [] {
    std::vector<std::string> all;
    for (const KeyInfo& key : config_keys()) all.emplace_back(key.name);
    return all;
  }();
  return names;
}

const KeyInfo* find_key(std::string_view name) {
  for (const KeyInfo& key : config_keys())
    if (name == key.name) return &key;
  return nullptr;
}

}  // namespace normscope
