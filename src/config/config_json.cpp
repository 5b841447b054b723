// JSON: the config_json attribute of a run file and the configs of study.json.
#include <fmt/format.h>
#include "config/config.h"
#include <normscope/core/error.h>

#include <nlohmann/json.hpp>

#include "config/config_text.h"

namespace normscope {
namespace {

using Json = nlohmann::ordered_json;
constexpr const char* kWhere = kSavedConfig;

std::string value_text(const std::string& key, const Json& value) {
  if (value.is_string()) return value.get<std::string>();
  if (value.is_boolean()) return value.get<bool>() ? "true" : "false";
  if (value.is_number_integer()) return std::to_string(value.get<std::int64_t>());
  if (value.is_number_float()) return fmt::format("{}", value.get<double>());
  if (value.is_array()) {
    std::vector<std::string> parts;
    for (const Json& item : value) parts.push_back(value_text(key, item));
    return join_list(parts);
  }
  throw UsageError(fmt::format("{}: {} has an unsupported value: {}", kWhere, key, value.dump()));
}

}  // namespace

std::string Config::to_json() const {
  Json out = Json::object();
#define KEY(section, type, name, fallback, role, choices, help) out[#name] = name;
#include "config/config_keys.def"
#undef KEY
  out["block"] = Json::object();
  for (const auto& [index, overrides] : block)
    for (const auto& [part, value] : overrides) {
      Json& slot = out["block"][std::to_string(index)][part];
      if (part == "norm_eps")
        slot = parse_number(value).value();  // set() let only numbers in
      else
        slot = value;
    }
  return out.dump();
}

Config Config::from_json(const std::string& json) {
  const Json in = Json::parse(json, nullptr, false);
  if (!in.is_object())
    throw UsageError(fmt::format("{}: not a JSON object; was the run file written by normscope?", kWhere));
  Config config;
  for (const auto& [key, value] : in.items()) {
    if (key != "block") {
      const KeyInfo* info = find_key(key);
      const bool one =
          value.is_string() && info && std::string_view(info->type) != "list";  // a value, whatever it holds
      one ? config.set_list(key, {value.get<std::string>()}, kWhere) : config.set(key, value_text(key, value), kWhere);
      continue;
    }
    for (const auto& [index, overrides] : value.items())
      for (const auto& [name, override_value] : overrides.items())
        config.set("block." + index + "." + name, value_text(name, override_value), kWhere);
  }
  return config;
}

}  // namespace normscope
