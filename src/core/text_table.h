#pragma once
// Text in columns for a terminal; a character counts as one column wide.
#include <string>
#include <utility>
#include <vector>

namespace normscope {

/// Columns of text, padded to their widest cell; numbers (right[i] true) to the right.
std::string table(const std::vector<std::string>& header, const std::vector<std::vector<std::string>>& rows,
                  const std::vector<bool>& right = {});
/// "name   value" lines with the names in one column.
std::string facts(const std::vector<std::pair<std::string, std::string>>& rows);

}  // namespace normscope
