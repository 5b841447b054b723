#pragma once
// Words and values as text: what flags, TOML, JSON and messages share.
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace normscope {

/// The known word with the smallest edit distance to `word` (case and - against _ do not count). "" where none is near:
/// at most 2 edits or a third of the length of `word`, and fewer than its length; a word that holds `word` is near.
std::string nearest_word(std::string_view word, const std::vector<std::string>& known);
/// "; the nearest is WORD", the end of a message about an unknown `word`; "" where none is near.
std::string nearest_text(std::string_view word, const std::vector<std::string>& known);

std::optional<std::int64_t> parse_integer(std::string_view text);  ///< digits and sign only: no 1e3, no 5_000
/// Why parse_integer() or a limit refused `text`, for "'TEXT' is not ...": "an integer ...", or the largest allowed
/// one.
std::string integer_rule(std::string_view text, std::int64_t most);
std::optional<double> parse_number(std::string_view text);              ///< any finite decimal number
std::optional<bool> parse_boolean(std::string_view text);               ///< true | false
std::vector<std::string> split(std::string_view text, char separator);  ///< "" gives no parts
std::string join(const std::vector<std::string>& parts, std::string_view separator);
/// The values of a comma list, the one rule for flags, files and --set: blanks around a value do not matter; commas
/// inside parentheses or inside a value in quotes ("a,b", a doubled quote stands for one) do not split; everything
/// after `formula:` belongs to the formula. "" gives no values, "a," an empty second one.
std::vector<std::string> split_list(std::string_view text);
/// The text that split_list() takes apart into these values, quoted where that is needed.
std::string join_list(const std::vector<std::string>& values);
/// "1 thread", "2 threads".
std::string counted(std::int64_t count, std::string_view what);
/// Without the blanks and tabs at both ends.
std::string trimmed(std::string_view text);

}  // namespace normscope
