#pragma once
// Words and values as text: what flags, TOML and JSON share.
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace normscope {

/// The known word with the smallest edit distance to `word` (case and - against _ do not count); "" without any.
std::string nearest_word(std::string_view word, const std::vector<std::string>& known);

/// One sentence for a key that does not exist; `flag` writes the hint as --key.
std::string unknown_key(const std::string& key, const std::string& value, const std::string& where,
                        const std::vector<std::string>& known, bool flag);

/// Names of all keys of config_keys.def.
const std::vector<std::string>& config_key_names();
/// Row of one key, or null.
const struct KeyInfo* find_key(std::string_view name);

std::optional<std::int64_t> parse_integer(std::string_view text);  ///< digits and sign only: no 1e3, no 5_000
/// Why parse_integer() or a limit refused `text`, for "'TEXT' is not ...": "an integer ...", or the largest allowed
/// one.
std::string integer_rule(std::string_view text, std::int64_t most);
std::optional<double> parse_number(std::string_view text);              ///< any finite decimal number
std::optional<bool> parse_boolean(std::string_view text);               ///< true | false
std::vector<std::string> split(std::string_view text, char separator);  ///< "" gives no parts
std::string join(const std::vector<std::string>& parts, std::string_view separator);

}  // namespace normscope
