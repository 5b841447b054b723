#pragma once
// Names to choose from: looking one up in a table, and the error about one that is not there.
#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include <normscope/core/error.h>

namespace normscope {

/// "is unknown; allowed: a, b; the nearest is a" (where one is near): the rest of a message that begins with the key
/// and `name`.
std::string unknown_text(std::string_view name, const std::vector<std::string>& allowed);

/// The names of a table's entries, in its order.
template <class Entry>
std::vector<std::string> entry_names(const std::vector<Entry>& table) {
  std::vector<std::string> names;
  for (const Entry& entry : table) names.push_back(entry.name);
  return names;
}

/// The entry called `name`, or null.
template <class Entry>
const Entry* find_entry(const std::vector<Entry>& table, std::string_view name) {
  const auto found = std::find_if(table.begin(), table.end(), [&](const Entry& entry) { return entry.name == name; });
  return found == table.end() ? nullptr : &*found;
}

/// The same; raises UsageError where there is none: key = "name" is unknown; allowed: ...
template <class Entry>
const Entry& entry_named(const std::vector<Entry>& table, const std::string& key, const std::string& name) {
  if (const Entry* entry = find_entry(table, name)) return *entry;
  throw UsageError(key + " = \"" + name + "\" " + unknown_text(name, entry_names(table)));
}

}  // namespace normscope
