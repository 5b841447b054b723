#pragma once
// HTML by hand: everything a user wrote is escaped here.
#include <string>
#include <utility>
#include <vector>

namespace normscope {

std::string html_text(const std::string& text);
/// A table; cells are HTML already. The first column is left-aligned text, the others are numbers. Below
/// it the same as CSV and JSON, to download.
std::string html_table(const std::vector<std::string>& head, const std::vector<std::vector<std::string>>& rows);
/// Two columns, key and value, in monospace; texts are escaped.
std::string html_pairs(const std::vector<std::pair<std::string, std::string>>& pairs);
std::string html_details(const std::string& summary, const std::string& body, bool open = false);
/// The whole page: styles for light and dark, the hover script, and before the first <h2> links to all of them.
std::string html_page(const std::string& title, std::string body);

}  // namespace normscope
