#pragma once
// The configuration of a run: one flat struct, its defaults in config_keys.def, its values from
// defaults < preset < config file < flags. An unknown key is an error that names the nearest known one.
#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace normscope {

namespace key_type {
using text = std::string;
using integer = std::int64_t;
using number = double;
using boolean = bool;
using list = std::vector<std::string>;
}  // namespace key_type

/// What a key means to a run, and so what a resumed run, an axis and a pair of runs may do with it.
enum class KeyRole {
  model,    ///< what is computed: the same in a resumed run; makes another arm
  batch,    ///< which tokens stand in which step: runs that differ in one share no batches
  length,   ///< how long the run is: a resumed run may change it; makes another arm
  watch,    ///< what is recorded of the run: a resumed run may change it
  start,    ///< what the run starts from: a resumed run may change it; makes no arm of its own
  machine,  ///< where the run works and what it prints, never what it computes: no axis, no arm
  seed,     ///< the axis that comparisons are paired over
};

/// One row of config_keys.def.
struct KeyInfo {
  const char *section, *type, *name, *fallback;
  KeyRole role;
  const char *choices, *help;
};

/// All keys in the order of config_keys.def.
const std::vector<KeyInfo>& config_keys();

/// Keys that `[block.N]` and `--block.N.KEY` take, in their order of precedence among norms.
const std::vector<std::string>& block_keys();

/// Where a key stood that comes from the JSON of a run file or checkpoint.
inline constexpr const char* kSavedConfig = "saved config";

class Config {
 public:
#define KEY(section, type, name, fallback, role, choices, help) key_type::type name = default_##type(fallback);
  static key_type::text default_text(const char* value) { return value; }
  static key_type::integer default_integer(std::int64_t value) { return value; }
  static key_type::number default_number(double value) { return value; }
  static key_type::boolean default_boolean(bool value) { return value; }
  static key_type::list default_list(const char* value) { return *value ? key_type::list{value} : key_type::list{}; }
#include "config/config_keys.def"
#undef KEY

  /// `[block.3] norm = "..."`: overrides by block (counted from 0) and key, one of block_keys().
  std::map<std::int64_t, std::map<std::string, std::string>> block;

  /// Sets one key from text; a comma list for a key that is not free text is set_list(). `where` says where it stood
  /// ("--n_layer", "micro.toml:3") for the error message. Raises UsageError for an unknown key (with the nearest known
  /// one) and for a value of the wrong type.
  void set(const std::string& key, const std::string& value, const std::string& where);
  /// Sets a key that takes one value to several: an axis for ablate, which takes it out of `lists`; resolve() refuses
  /// what is left there. One value is set(). Raises UsageError for a value of the wrong type, an empty one, or one
  /// given twice.
  void set_list(const std::string& key, const std::vector<std::string>& values, const std::string& where);
  /// The lists by key, each value in the spelling of get().
  std::map<std::string, std::vector<std::string>> lists;

  /// Text of a key's value, as it would be written on the command line (lists joined by commas).
  std::string get(const std::string& key) const;

  /// Reads a shipped preset by name, or a TOML file. Raises UsageError with file:line.
  void load_preset(const std::string& name);
  void load_file(const std::string& path);

  /// Fills in every "auto" that follows from other keys (arch, n_layer, learning_rate ...) and checks all values and
  /// combinations that can be checked without data. Raises UsageError in one line: key, value, where, what is allowed.
  void resolve();

  std::string to_json() const;  ///< flat object, every key, plus "block"
  std::string to_toml() const;  ///< the same as config.toml of the run folder: load_file() gives the same Config
  static Config from_json(const std::string& json);

  /// Where a key was last set ("--n_layer", "micro.toml:3", "default").
  std::string where(const std::string& key) const;

 private:
  void set_one(const std::string& key, const std::string& value, const std::string& where);
  std::map<std::string, std::string> where_;
};

/// Names of the shipped presets.
std::vector<std::string> preset_names();
/// The same with what they are: the first line of each file, a comment.
std::vector<std::pair<std::string, std::string>> preset_summaries();

}  // namespace normscope
