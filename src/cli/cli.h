#pragma once
// What the subcommands share: parsing with the keys of config_keys.def as flags, and results on standard output.
#include "config/config.h"
#include "core/text_table.h"
#include <normscope/core/error.h>

#include <map>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace normscope::cli {

using Arguments = std::vector<std::string>;  ///< what stands behind the subcommand's name

#define COMMAND(name, help) int run_##name(const Arguments& arguments);
#include "cli/commands.def"
#undef COMMAND

/// The flags of one subcommand. Every flag is `--name value` or `--name=value`; a boolean may stand bare.
class Parser {
 public:
  /// `example` is a worked command line with what it shows, for --help.
  Parser(const std::string& command, const std::string& summary, const std::string& example);
  ~Parser();

  /// Where a flag's text goes; a list collects all values, anything else keeps the last.
  using Target =
      std::variant<bool*, std::string*, std::int64_t*, std::uint64_t*, int*, double*, std::vector<std::string>*>;
  void option(const std::string& name, Target target, const std::string& help);
  /// Arguments without a flag: at least `least`, at most `most`.
  void positional(const std::string& name, std::vector<std::string>& target, const std::string& help, std::size_t least,
                  std::size_t most);
  /// Adds --config, --preset and every key of config_keys.def.
  void config_keys();

  /// Parses, sets up the log; returns false when --help was asked for and printed. Raises UsageError.
  bool parse(const Arguments& arguments);

  /// defaults < preset < config file < flags, not resolved.
  Config config() const;
  /// The same on top of `config`: preset < config file < flags.
  void apply_to(Config& config) const;

  bool json = false, quiet = false;

 private:
  struct Impl;
  Arguments normalize(const Arguments& arguments) const;
  void check_leftovers(const Arguments& leftovers) const;
  std::unique_ptr<Impl> impl_;
};

/// "normscope train --preset micro": the command line as it can be typed again, quoted for a shell.
std::string command_line(const std::string& command, const Arguments& arguments);
/// Raises UsageError when a config names no data.
void require_data(const Config& config);

/// Writes to standard output; a reader that went away is no error, a full disk is (flush_output).
void print(std::string_view text);
void print_json(const nlohmann::ordered_json& document);
/// Flushes standard output at the end of a command; raises Error when it could not be written.
void flush_output();

std::string grouped(std::int64_t value);  ///< 1,234,567

}  // namespace normscope::cli
