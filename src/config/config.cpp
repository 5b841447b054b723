#include <fmt/format.h>

#include <limits>
#include "config/config.h"
#include <normscope/core/error.h>

#include <algorithm>
#include <type_traits>

#include "config/config_text.h"

namespace normscope {

#define FALLBACK_text(value) value
#define FALLBACK_list(value) value
#define FALLBACK_integer(value) #value
#define FALLBACK_number(value) #value
#define FALLBACK_boolean(value) #value

const std::vector<KeyInfo>& config_keys() {
  static const std::vector<KeyInfo> keys{
#define KEY(section, type, name, fallback, role, choices, help) \
  {#section, #type, #name, FALLBACK_##type(fallback), KeyRole::role, choices, help},
#include "config/config_keys.def"
#undef KEY
  };
  return keys;
}

const std::vector<std::string>& block_keys() {
  static const std::vector<std::string> keys{"attn_norm", "mlp_norm", "norm", "norm_eps", "norm_placement"};
  return keys;
}

namespace {

[[noreturn]] void wrong_type(const std::string& where, const std::string& key, const std::string& value,
                             const std::string& wanted) {
  throw UsageError(fmt::format("{}: {} = '{}' is not {}", where, key, value, wanted));
}

template <typename T>
T parse_as(const std::string& key, const std::string& value, const std::string& where) {
  if constexpr (std::is_same_v<T, key_type::text>) {
    return value;
  } else if constexpr (std::is_same_v<T, key_type::list>) {
    return split_list(value);
  } else if constexpr (std::is_same_v<T, key_type::boolean>) {
    if (const auto parsed = parse_boolean(value)) return *parsed;
    wrong_type(where, key, value, "true or false");
  } else if constexpr (std::is_same_v<T, key_type::integer>) {
    if (const auto parsed = parse_integer(value)) return *parsed;
    wrong_type(where, key, value, integer_rule(value, std::numeric_limits<key_type::integer>::max()));
  } else {
    if (const auto parsed = parse_number(value)) return *parsed;
    wrong_type(where, key, value, "a finite number (such as 0.1 or 1e-3)");
  }
}

std::string text_of(const key_type::text& value) { return value; }
std::string text_of(const key_type::list& value) { return join_list(value); }
std::string text_of(key_type::boolean value) { return value ? "true" : "false"; }
std::string text_of(key_type::integer value) { return std::to_string(value); }
std::string text_of(key_type::number value) { return fmt::format("{}", value); }

/// "block.3.norm" -> 3 and "norm"; raises UsageError for anything else that begins with "block".
std::pair<std::int64_t, std::string> block_key(const std::string& key, const std::string& value,
                                               const std::string& where) {
  const std::vector<std::string> parts = split(key, '.');
  const auto index = parts.size() == 3 ? parse_integer(parts[1]) : std::nullopt;
  if (!index || *index < 0)
    throw UsageError(fmt::format("{}: '{}' is not a block; write [block.N], N counted from 0", where, key));
  if (std::find(block_keys().begin(), block_keys().end(), parts[2]) == block_keys().end())
    throw UsageError(fmt::format("{}: '{}' (value '{}') cannot be set for one block; allowed in [block.{}] are {}{}",
                                 where, parts[2], value, *index, join(block_keys(), ", "),
                                 nearest_text(parts[2], block_keys())));
  return {*index, parts[2]};
}

}  // namespace

void Config::set(const std::string& key, const std::string& value, const std::string& where) {
  const KeyInfo* info = find_key(key);
  const bool free_text =
      info && std::string_view(info->type) == "text" && key_choices(*info).empty();  // a path may hold a comma
  const std::vector<std::string> values = split_list(value);
  const bool quoted = values.size() == 1 && (value.front() == '"' || value.front() == '\'');
  if (!info || (free_text && !quoted) || std::string_view(info->type) == "list" || values.empty())
    set_one(key, value, where);
  else
    set_list(key, values, where);
}

void Config::set_list(const std::string& key, const std::vector<std::string>& values, const std::string& where) {
  lists.erase(key);
  if (values.size() == 1) return set_one(key, values.front(), where);
  std::vector<std::string> given;
  for (const std::string& value : values) {
    if (value.empty())
      throw UsageError(
          fmt::format("{}: the list {} = {} has an empty value; write A,B", where, key, join_list(values)));
    Config typed;
    typed.set_one(key, value, where);
    given.push_back(typed.get(key));  // 1e-3 and 0.001 are one value
    if (std::count(given.begin(), given.end(), given.back()) > 1)
      throw UsageError(fmt::format("{}: the value {} is given twice in the list {}", where, value, join_list(values)));
  }
  lists[key] = given;
  where_[key] = where;
}

void Config::set_one(const std::string& key, const std::string& value, const std::string& where) {
  lists.erase(key);
  if (key.rfind("block.", 0) == 0) {
    const auto [index, part] = block_key(key, value, where);
    block[index][part] = part == "norm_eps" ? text_of(parse_as<double>(key, value, where)) : value;
#define KEY(section, type, key_name, fallback, role, choices, help) \
  }                                                                 \
  else if (key == #key_name) {                                      \
    key_name = parse_as<key_type::type>(key, value, where);
#include "config/config_keys.def"
#undef KEY
  } else {
    throw UsageError(unknown_key(key, value, where, config_key_names(), false));
  }
  where_[key] = where;
}

std::string Config::get(const std::string& key) const {
  if (key.rfind("block.", 0) == 0) {
    const auto [index, part] = block_key(key, "", "get");
    const auto overrides = block.find(index);
    const bool one_norm = part == "attn_norm" || part == "mlp_norm";
    const bool found = overrides != block.end() && overrides->second.count(part) > 0;
    if (found) return overrides->second.at(part);
    return get(one_norm ? fmt::format("block.{}.norm", index) : part);
  }
#define KEY(section, type, key_name, fallback, role, choices, help) \
  if (key == #key_name) return text_of(key_name);
#include "config/config_keys.def"
#undef KEY
  throw UsageError(unknown_key(key, "", "get", config_key_names(), false));
}

std::string Config::where(const std::string& key) const {
  const auto found = where_.find(key);
  return found == where_.end() ? "default" : found->second;
}

}  // namespace normscope
