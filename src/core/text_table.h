#pragma once
// Text in columns for a terminal; a character counts as one column wide.
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace normscope {

/// Columns of text, padded to their widest cell; numbers (right[i] true) to the right.
std::string table(const std::vector<std::string>& header, const std::vector<std::vector<std::string>>& rows,
                  const std::vector<bool>& right = {});
/// `left`, and the words of `text` from column `indent` on (on the next line where `left` is too long), in lines of at
/// most 80 columns. A word that is longer stands on a line of its own.
std::string hanging(const std::string& left, std::string_view text, std::size_t indent);
/// "name   value" lines with the names in one column.
std::string facts(const std::vector<std::pair<std::string, std::string>>& rows);

}  // namespace normscope
