#pragma once
// Words and values as text: what flags, TOML, JSON and messages share.
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace normscope {

/// The known word with the smallest edit distance to `word` (case and - against _ do not count); "" without any.
std::string nearest_word(std::string_view word, const std::vector<std::string>& known);

std::optional<std::int64_t> parse_integer(std::string_view text);       ///< digits and sign only: no 1e3, no 5_000
std::optional<double> parse_number(std::string_view text);              ///< any finite decimal number
std::optional<bool> parse_boolean(std::string_view text);               ///< true | false
std::vector<std::string> split(std::string_view text, char separator);  ///< "" gives no parts
std::string join(const std::vector<std::string>& parts, std::string_view separator);
/// Without the blanks and tabs at both ends.
std::string trimmed(std::string_view text);

}  // namespace normscope
