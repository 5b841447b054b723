#include "core/text.h"

#include <fmt/format.h>

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
  const auto length = static_cast<double>(wanted.size());
  std::string best;
  double best_distance = std::min(std::max(2.0, length / 3), length - 1) + 0.1;
  for (const std::string& candidate : known) {
    const std::string other = folded(candidate);
    double distance = static_cast<double>(edit_distance(wanted, other));
    // A word that is part of the other is nearer than its length says: "warmup" means warmup_iters.
    if (wanted.size() > 2 && other.find(wanted) != std::string::npos) distance = std::min(distance, 1.5);
    if (distance < best_distance) best = candidate, best_distance = distance;
  }
  return best;
}

std::string nearest_text(std::string_view word, const std::vector<std::string>& known) {
  const std::string nearest = nearest_word(word, known);
  return nearest.empty() ? "" : fmt::format("; the nearest is {}", nearest);
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

namespace {

/// End of the value in quotes that begins at `begin`, its text in `value`; npos when it is not closed before a comma or
/// the end, so that the quote is an ordinary character.
std::size_t quoted_value(std::string_view text, std::size_t begin, std::string* value) {
  const char quote = text[begin];
  for (std::size_t i = begin + 1; i < text.size(); ++i) {
    if (text[i] != quote) {
      *value += text[i];
    } else if (i + 1 < text.size() && text[i + 1] == quote) {
      *value += text[++i];
    } else {
      const std::size_t next = std::min(text.find_first_not_of(" \t", i + 1), text.size());
      return next == text.size() || text[next] == ',' ? next : std::string_view::npos;
    }
  }
  return std::string_view::npos;
}

/// End of the plain value that begins at `begin`: the next comma outside parentheses that are closed.
std::size_t plain_end(std::string_view text, std::size_t begin) {
  if (text.substr(begin).rfind("formula:", 0) == 0) return text.size();
  for (std::size_t i = begin; i < text.size(); ++i) {
    if (text[i] == ',') return i;
    if (text[i] != '(') continue;
    int depth = 1;
    std::size_t close = i + 1;
    for (; close < text.size() && depth > 0; ++close) depth += text[close] == '(' ? 1 : text[close] == ')' ? -1 : 0;
    if (depth == 0) i = close - 1;
  }
  return text.size();
}

}  // namespace

std::vector<std::string> split_list(std::string_view text) {
  std::vector<std::string> values;
  if (trimmed(text).empty()) return values;
  for (std::size_t at = 0; at <= text.size();) {
    const std::size_t begin = std::min(text.find_first_not_of(" \t", at), text.size());
    const bool quote = begin < text.size() && (text[begin] == '"' || text[begin] == '\'');
    std::string value;
    std::size_t end = quote ? quoted_value(text, begin, &value) : std::string_view::npos;
    if (end == std::string_view::npos) {
      end = plain_end(text, begin);
      value = trimmed(text.substr(begin, end - begin));
    }
    values.push_back(value);
    at = end + 1;
  }
  return values;
}

std::string join_list(const std::vector<std::string>& values) {
  std::vector<std::string> parts;
  for (std::size_t i = 0; i < values.size(); ++i) {
    const bool whole = split_list(values[i]) == std::vector<std::string>{values[i]};
    const bool swallows = values[i].rfind("formula:", 0) == 0 && i + 1 < values.size();
    std::string part = values[i];
    if (!whole || swallows || part.find_first_of("()") != std::string::npos) {
      part = "\"";
      for (const char c : values[i]) part += c == '"' ? std::string("\"\"") : std::string(1, c);
      part += '"';
    }
    parts.push_back(part);
  }
  return join(parts, ",");
}

std::string counted(std::int64_t count, std::string_view what) {
  return fmt::format("{} {}{}", count, what, count == 1 ? "" : "s");
}

std::string trimmed(std::string_view text) {
  const auto begin = text.find_first_not_of(" \t");
  return begin == std::string_view::npos ? ""
                                         : std::string(text.substr(begin, text.find_last_not_of(" \t") - begin + 1));
}

}  // namespace normscope
