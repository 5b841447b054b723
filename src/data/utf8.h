#pragma once
// UTF-8 <-> code points, strict (no overlong forms, no surrogates): a thin layer over Boost.Locale's header.
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace normscope::utf8 {

/// next() for what may be longer than a byte.
std::optional<char32_t> next_long(std::string_view text, std::size_t& at);
/// Code point at `at`, which moves behind it; nothing (and `at` unchanged) when the bytes there are not UTF-8.
inline std::optional<char32_t> next(std::string_view text, std::size_t& at) {
  if (at < text.size() && static_cast<unsigned char>(text[at]) < 0x80) return text[at++];
  return next_long(text, at);
}
/// Appends the UTF-8 bytes of `c`.
void append(std::string& text, char32_t c);
/// Byte offset of the first character that is not UTF-8.
std::optional<std::size_t> first_bad(std::string_view text);
/// "byte 17 (line 2)": offset counts from 0, lines from 1.
std::string position(std::string_view text, std::size_t offset);
/// "byte 17 (line 2) is 0xff, not UTF-8".
std::string describe_bad(std::string_view text, std::size_t offset);

}  // namespace normscope::utf8
