#include "data/utf8.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/locale/utf.hpp>
#include <iterator>

namespace normscope::utf8 {
namespace {
using Traits = boost::locale::utf::utf_traits<char>;
}

std::optional<char32_t> next_long(std::string_view text, std::size_t& at) {
  const char* p = text.data() + at;
  const auto c = Traits::decode(p, text.data() + text.size());
  if (c == boost::locale::utf::illegal || c == boost::locale::utf::incomplete) return std::nullopt;
  at = static_cast<std::size_t>(p - text.data());
  return static_cast<char32_t>(c);
}

void append(std::string& text, char32_t c) { Traits::encode(c, std::back_inserter(text)); }

std::optional<std::size_t> first_bad(std::string_view text) {
  for (std::size_t at = 0; at < text.size();) {
    if (!next(text, at)) return at;
  }
  return std::nullopt;
}

std::string position(std::string_view text, std::size_t offset) {
  const auto line = 1 + std::count(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(offset), '\n');
  return fmt::format("byte {} (line {})", offset, line);
}

std::string describe_bad(std::string_view text, std::size_t offset) {
  return fmt::format("{} is 0x{:02x}, not UTF-8", position(text, offset), static_cast<unsigned char>(text[offset]));
}

}  // namespace normscope::utf8
