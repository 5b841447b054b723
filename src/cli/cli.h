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

struct Command {
  const char *name, *help;
  int (*run)(const Arguments&);
};
/// Every subcommand, in the order of commands.def.
const std::vector<Command>& commands();
/// Raises UsageError for a name that is none, with the nearest.
const Command& command_named(const std::string& name);

/// The flags of one subcommand. Every flag is `--name value` or `--name=value`; a boolean may stand bare.
class Parser {
 public:
  /// `example` is a worked command line with what it shows, for --help.
  Parser(const std::string& command, const std::string& summary, const std::string& example);
  ~Parser();

  /// Where a flag's text goes; a list collects all values, anything else keeps the last.
  using Target =
      std::variant<bool*, std::string*, std::int64_t*, std::uint64_t*, int*, double*, std::vector<std::string>*>;
  /// `choices`: the values that parse() accepts, any when empty.
  void option(const std::string& name, Target target, const std::string& help,
              const std::vector<std::string>& choices = {});
  /// Arguments without a flag: at least `least`, at most `most`; each one of `choices` where there are some.
  void positional(const std::string& name, std::vector<std::string>& target, const std::string& help, std::size_t least,
                  std::size_t most, const std::vector<std::string>& choices = {});
  /// Accepts --config, --preset and every key of config_keys.def; the help points to train for the keys.
  void config_keys();
  /// After config_keys(): the help lists the keys, and the names that are their values.
  void list_config_keys();

  /// Parses, sets up the log. Throws HelpPage when --help is asked for; raises UsageError.
  void parse(const Arguments& arguments);

  /// defaults < preset < config file < flags, not resolved.
  Config config() const;
  /// The same on top of `config`: preset < config file < flags.
  void apply_to(Config& config) const;

  bool json = false, quiet = false;

 private:
  struct Impl;
  Arguments normalize(const Arguments& arguments) const;
  void check_leftovers(const Arguments& leftovers) const;
  void check_choices() const;
  std::unique_ptr<Impl> impl_;
};

/// The name of the flag that `argument` is, as the tables spell it: "--max-iters=3" is max_iters; "" for no flag.
std::string flag_name(const std::string& argument);

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
