#include "core/text_table.h"

#include <algorithm>
#include <string_view>

namespace normscope {
namespace {

std::size_t columns_of(std::string_view text) {
  return static_cast<std::size_t>(std::count_if(text.begin(), text.end(), [](char c) { return (c & 0xC0) != 0x80; }));
}

std::string padded(const std::string& cell, std::size_t width, bool right) {
  const std::string fill(width - std::min(width, columns_of(cell)), ' ');
  return right ? fill + cell : cell + fill;
}

}  // namespace

std::string table(const std::vector<std::string>& header, const std::vector<std::vector<std::string>>& rows,
                  const std::vector<bool>& right) {
  std::vector<std::size_t> widths;
  for (const std::string& cell : header) widths.push_back(columns_of(cell));
  for (const auto& row : rows)
    for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], columns_of(row[i]));
  std::string out;
  const auto line = [&](const std::vector<std::string>& cells) {
    std::string text;
    for (std::size_t i = 0; i < cells.size(); ++i)
      text += (i ? "  " : "") + padded(cells[i], widths[i], i < right.size() && right[i]);
    out += text.substr(0, text.find_last_not_of(' ') + 1) + "\n";
  };
  line(header);
  for (const auto& row : rows) line(row);
  return out;
}

std::string hanging(const std::string& left, std::string_view text, std::size_t indent) {
  constexpr std::size_t kWidth = 80;
  const bool beside = columns_of(left) + (indent > 0 ? 2 : 0) <= indent;
  std::string out = beside ? padded(left, indent, false) : left + "\n" + std::string(indent, ' ');
  std::size_t column = indent;
  for (std::size_t at = text.find_first_not_of(" \n"); at < text.size();) {
    const std::size_t end = std::min(text.find_first_of(" \n", at), text.size());
    const std::string word(text.substr(at, end - at));
    if (column > indent && column + 1 + columns_of(word) > kWidth) {
      out += "\n" + std::string(indent, ' ');
      column = indent;
    }
    const bool first = column == indent;
    out += (first ? "" : " ") + word;
    column += columns_of(word) + (first ? 0 : 1);
    at = text.find_first_not_of(" \n", end);
  }
  return out.substr(0, out.find_last_not_of(" \n") + 1) + "\n";
}

std::string facts(const std::vector<std::pair<std::string, std::string>>& rows) {
  std::size_t width = 0;
  for (const auto& row : rows) width = std::max(width, columns_of(row.first));
  std::string out;
  for (const auto& [name, value] : rows) out += padded(name, width, false) + "  " + value + "\n";
  return out;
}

}  // namespace normscope
