// TOML: presets, config files and the config.toml of a run folder.
#include <fmt/format.h>
#include "config/config.h"
#include <normscope/core/error.h>
#include <toml++/toml.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <sstream>

#include "config/config_text.h"

namespace normscope {

/// Text of models/presets/*.toml by name (cmake/embed.cmake).
const std::map<std::string, std::string>& embedded_presets();

namespace {

std::string at(const std::string& file, const toml::node& node) {
  return fmt::format("{}:{}", file, node.source().begin.line);
}

std::string type_of(const toml::node& node) {
  std::ostringstream out;
  out << node.type();
  return out.str();
}

/// A TOML value as the text a flag would carry; only types that fit `type` pass.
std::string value_text(const toml::node& node, const std::string& key, const std::string& type,
                       const std::string& where) {
  if (type == "list" && node.is_array()) {
    std::vector<std::string> parts;
    for (const toml::node& item : *node.as_array()) parts.push_back(value_text(item, key, "text", where));
    return join_list(parts);
  }
  if ((type == "text" || type == "list") && node.is_string()) return **node.as_string();
  if ((type == "text" || type == "boolean") && node.is_boolean()) return **node.as_boolean() ? "true" : "false";
  if ((type == "integer" || type == "number") && node.is_integer()) return std::to_string(**node.as_integer());
  if (type == "number" && node.is_floating_point()) return fmt::format("{}", **node.as_floating_point());
  throw UsageError(fmt::format("{}: {} takes a value of type {}, not {} ({})", where, key, type, type_of(node),
                               node.is_table() ? "write keys without a [section]" : "see normscope train --help"));
}

void load_blocks(Config& config, const toml::node& node, const std::string& file) {
  const toml::table* blocks = node.as_table();
  if (!blocks) throw UsageError(at(file, node) + ": block is a table; write [block.N] and below it norm = \"...\"");
  for (const auto& [index, overrides] : *blocks) {
    const std::string prefix = fmt::format("block.{}", std::string_view(index.str()));
    if (!overrides.is_table())
      throw UsageError(fmt::format("{}: {} is a table; write [{}] and below it norm = \"...\"", at(file, overrides),
                                   prefix, prefix));
    for (const auto& [name, value] : *overrides.as_table()) {
      const std::string key = fmt::format("{}.{}", prefix, std::string_view(name.str()));
      const bool is_eps = std::string_view(name.str()) == "norm_eps";
      const bool known = std::find(block_keys().begin(), block_keys().end(), name.str()) != block_keys().end();
      const std::string where = at(file, value);
      config.set(key, known ? value_text(value, key, is_eps ? "number" : "text", where) : "", where);
    }
  }
}

void load_text(Config& config, const std::string& text, const std::string& file) {
  toml::table table;
  try {
    table = toml::parse(std::string_view(text), file);
  } catch (const toml::parse_error& error) {
    const toml::source_position& position = error.source().begin;
    throw UsageError(fmt::format("{}:{}:{}: invalid TOML: {}", file, position.line, position.column,
                                 std::string_view(error.description())));
  }
  for (const auto& [name, node] : table) {
    const std::string key(name.str());
    const std::string where = at(file, node);
    if (key == "block") {
      load_blocks(config, node, file);
      continue;
    }
    const KeyInfo* info = find_key(key);
    if (!info && node.is_table())
      throw UsageError(fmt::format(
          "{}: [{}] is not a section; write keys without a section (the only tables are [block.N])", where, key));
    if (!info) {
      std::ostringstream value;
      node.visit([&](const auto& shown) { value << shown; });
      throw UsageError(unknown_key(key, value.str(), where, config_key_names(), false));
    }
    if (node.is_array() && std::string_view(info->type) != "list") {
      std::vector<std::string> values;
      for (const toml::node& item : *node.as_array()) values.push_back(value_text(item, key, info->type, where));
      if (values.empty()) throw UsageError(fmt::format("{}: the list {} is empty", where, key));
      config.set_list(key, values, where);
    } else {
      config.set(key, value_text(node, key, info->type, where), where);
    }
  }
}

std::string toml_string(const std::string& text) {
  std::ostringstream out;
  out << toml::value<std::string>(text);
  return out.str();
}

std::string toml_value(const Config& config, const KeyInfo& key) {
  const std::string text = config.get(key.name);
  const std::string type = key.type;
  if (type == "text") return toml_string(text);
  if (type != "list") return text;
  std::vector<std::string> parts = split_list(text);
  for (std::string& part : parts) part = toml_string(part);
  return "[" + join(parts, ", ") + "]";
}

}  // namespace

void Config::load_preset(const std::string& preset) {
  const auto found = embedded_presets().find(preset);
  if (found == embedded_presets().end())
    throw UsageError(fmt::format("--preset {}: unknown preset; available: {}{}", preset, join(preset_names(), ", "),
                                 nearest_text(preset, preset_names())));
  load_text(*this, found->second, "preset " + preset);
}

void Config::load_file(const std::string& path) {
  std::error_code ignored;
  if (!std::filesystem::exists(path, ignored))
    throw UsageError(fmt::format("{}: the config file does not exist", path));
  if (std::filesystem::is_directory(path, ignored))
    throw UsageError(fmt::format("{}: this is a directory; give the path of a TOML file", path));
  std::ifstream in(path, std::ios::binary);
  const std::string text{std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
  if (!in) throw UsageError(fmt::format("{}: cannot read the config file ({})", path, std::strerror(errno)));
  load_text(*this, text, path);
}

std::string Config::to_toml() const {
  std::string out =
      "# Every key of this run. To repeat it: normscope train --config THIS_FILE --out_dir ANOTHER_FOLDER\n";
  std::string section;
  const bool transformer = arch == "gpt" || arch == "llama";
  for (const KeyInfo& key : config_keys()) {
    if (!transformer && std::string_view(key.section) == "transformer") continue;  // they would mean nothing
    if (section != key.section) out += fmt::format("\n# {}\n", section = key.section);
    out += fmt::format("{} = {}\n", key.name, toml_value(*this, key));
  }
  for (const auto& [index, overrides] : block) {
    out += fmt::format("\n[block.{}]\n", index);
    for (const auto& [part, value] : overrides)
      out += fmt::format("{} = {}\n", part, part == "norm_eps" ? value : toml_string(value));
  }
  return out;
}

std::vector<std::string> preset_names() {
  std::vector<std::string> names;
  for (const auto& preset : embedded_presets()) names.push_back(preset.first);
  return names;
}

std::vector<std::pair<std::string, std::string>> preset_summaries() {
  std::vector<std::pair<std::string, std::string>> rows;
  for (const auto& [name, text] : embedded_presets())
    rows.emplace_back(name, text.starts_with("# ") ? text.substr(2, text.find('\n') - 2) : "");
  return rows;
}

}  // namespace normscope
