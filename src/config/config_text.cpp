#include "config/config_text.h"

#include <fmt/format.h>
#include "config/config.h"

#include <algorithm>
#include <cctype>
#include <charconv>
#include <cmath>
#include <numeric>

namespace normscope {
namespace {

std::string folded(std::string_view word) {
  std::string out(word);
  for (char& c : out) c = c == '-' ? '_' : static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return out;
}

/// Levenshtein distance with a swap of neighbours as one edit.
std::size_t edit_distance(const std::string& a, const std::string& b) {
  std::vector<std::size_t> before(b.size() + 1), last(b.size() + 1), row(b.size() + 1);
  std::iota(last.begin(), last.end(), 0u);
  for (std::size_t i = 1; i <= a.size(); ++i) {
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      row[j] = std::min({last[j] + 1, row[j - 1] + 1, last[j - 1] + (a[i - 1] != b[j - 1])});
      const bool swapped = i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1];
      if (swapped) row[j] = std::min(row[j], before[j - 2] + 1);
    }
    before.swap(last);
    last.swap(row);
  }
  return last[b.size()];
}

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

template <typename T>
std::optional<T> parse_all(std::string_view text) {
  T value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || text.empty()) return std::nullopt;
  return value;
}

}  // namespace

std::string nearest_word(std::string_view word, const std::vector<std::string>& known) {
  const std::string wanted = folded(word);
  for (const Synonym& synonym : kSynonyms)
    if (wanted == synonym.word && std::find(known.begin(), known.end(), synonym.key) != known.end()) return synonym.key;
  std::string best;
  double best_distance = 1e9;
  for (const std::string& candidate : known) {
    const std::string other = folded(candidate);
    double distance = static_cast<double>(edit_distance(wanted, other));
    // A word that is part of the other is nearer than its length says: "warmup" means warmup_iters.
    if (wanted.size() > 2 && other.find(wanted) != std::string::npos) distance = std::min(distance, 1.5);
    if (distance < best_distance) best = candidate, best_distance = distance;
  }
  return best;
}

std::string unknown_key(const std::string& key, const std::string& value, const std::string& where,
                        const std::vector<std::string>& known, bool flag) {
  const std::string hint = nearest_word(key, known);
  return fmt::format("{}: there is no key '{}' (value '{}'); the nearest known key is {}{}", where, key, value,
                     flag ? "--" : "", hint);
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

std::optional<std::int64_t> parse_integer(std::string_view text) { return parse_all<std::int64_t>(text); }

std::string integer_rule(std::string_view text, std::int64_t most) {
  const std::string_view digits = text.substr(text.starts_with('-') ? 1 : 0);
  const bool integer = !digits.empty() && digits.find_first_not_of("0123456789") == std::string_view::npos;
  if (!integer) return "an integer (digits only, such as 64)";
  return text.starts_with('-') ? "in the range of 64 bits" : fmt::format("{} or below, the largest allowed", most);
}

std::optional<double> parse_number(std::string_view text) {
  const auto value = parse_all<double>(text);
  return value && std::isfinite(*value) ? value : std::nullopt;
}

std::optional<bool> parse_boolean(std::string_view text) {
  if (text == "true") return true;
  if (text == "false") return false;
  return std::nullopt;
}

std::vector<std::string> split(std::string_view text, char separator) {
  std::vector<std::string> parts;
  if (text.empty()) return parts;
  for (std::size_t begin = 0, end = 0; end != std::string_view::npos; begin = end + 1) {
    end = text.find(separator, begin);
    parts.emplace_back(text.substr(begin, end == std::string_view::npos ? end : end - begin));
  }
  return parts;
}

std::string join(const std::vector<std::string>& parts, std::string_view separator) {
  return fmt::format("{}", fmt::join(parts, separator));
}

}  // namespace normscope
