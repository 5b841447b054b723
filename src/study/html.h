#pragma once
// HTML by hand: everything a user wrote is escaped here.
#include <string>
#include <utility>
#include <vector>

namespace normscope {

std::string html_text(const std::string& text);
/// A table; cells are HTML already. The first column is left-aligned text, the others are numbers.
std::string html_table(const std::vector<std::string>& head, const std::vector<std::vector<std::string>>& rows);
/// Two columns, key and value, in monospace; texts are escaped.
std::string html_pairs(const std::vector<std::pair<std::string, std::string>>& pairs);
std::string html_details(const std::string& summary, const std::string& body, bool open = false);
/// The whole page, styles inside.
std::string html_page(const std::string& title, const std::string& body);

}  // namespace normscope
