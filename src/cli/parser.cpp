// Flags: CLI11 splits the command line; names, values and messages are ours.
#include <fmt/format.h>
#include <spdlog/sinks/stdout_color_sinks.h>
#include <spdlog/spdlog.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdlib>
#include <limits>

#include "cli/cli.h"
#include "cli/help_page.h"
#include "commands/commands.h"
#include "config/config_text.h"
#include "core/choices.h"

namespace normscope::cli {
namespace {

[[noreturn]] void wrong_value(const std::string& flag, const std::string& value, const std::string& wanted) {
  throw UsageError(fmt::format("--{}: '{}' is not {}", flag, value, wanted));
}

template <typename Integer>
Integer integer_value(const std::string& flag, const std::string& text) {
  const auto value = parse_integer(text);
  constexpr auto most = static_cast<std::int64_t>(
      std::min<std::uint64_t>(std::numeric_limits<Integer>::max(), std::numeric_limits<std::int64_t>::max()));
  if (!value || *value > most) wrong_value(flag, text, integer_rule(text, most));
  if (*value < 0) wrong_value(flag, text, "0 or above");
  return static_cast<Integer>(*value);
}

/// A flag that is given several times and one comma list mean the same.
std::vector<std::string> list_of(const std::vector<std::string>& texts) {
  std::vector<std::string> values;
  for (const std::string& text : texts) {
    const auto more = split_list(text);
    values.insert(values.end(), more.begin(), more.end());
  }
  return values;
}

/// Writes the last text into the target, in the target's own type.
struct Assign {
  const std::string& flag;
  const std::vector<std::string>& values;

  void operator()(bool* target) const {
    const auto value = parse_boolean(values.back());
    if (!value) wrong_value(flag, values.back(), "true or false");
    *target = *value;
  }
  void operator()(std::string* target) const { *target = values.back(); }
  void operator()(std::vector<std::string>* target) const { *target = list_of(values); }
  void operator()(double* target) const {
    const auto value = parse_number(values.back());
    if (!value) wrong_value(flag, values.back(), "a finite number (such as 0.1 or 1e-3)");
    *target = *value;
  }
  template <typename Integer>
  void operator()(Integer* target) const {
    *target = integer_value<Integer>(flag, values.back());
  }
};

void set_up_log(bool quiet, const std::string& level) {
  const char* no_color = std::getenv("NO_COLOR");
  const bool plain = no_color != nullptr && *no_color != '\0';
  spdlog::drop("normscope");
  const auto colors = plain ? spdlog::color_mode::never : spdlog::color_mode::automatic;
  spdlog::set_default_logger(spdlog::stderr_color_mt("normscope", colors));
  spdlog::set_pattern("%^%l%$: %v");
  spdlog::set_level(quiet ? spdlog::level::err : spdlog::level::from_str(level));
}

/// What a key's value is called in --help.
const char* value_name(const std::string& type) {
  if (type == "boolean") return "true|false";
  if (type == "integer") return "INT";
  if (type == "number") return "NUM";
  return type == "list" ? "TEXT,..." : "TEXT";
}

const char* value_name(const Parser::Target& target) {
  static constexpr const char* names[] = {"", "TEXT", "INT", "INT", "INT", "NUM", "TEXT"};
  return names[target.index()];
}

}  // namespace

std::string flag_name(const std::string& argument) {
  if (argument.rfind("--", 0) != 0) return "";
  std::string name =
      argument.substr(2, argument.find('=') == std::string::npos ? std::string::npos : argument.find('=') - 2);
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
}

struct Parser::Impl {
  struct Positional {
    std::vector<std::string>* target;
    std::size_t least, most;
  };

  /// One flag: CLI11 hands over all its texts.
  void add(HelpPage::Flag flag) {
    accept(flag.name);
    page.flags.push_back(std::move(flag));
  }
  void accept(const std::string& name) {
    const auto keep = [this, name](const CLI::results_t& texts) {
      given[name] = texts;
      return true;
    };
    app.add_option("--" + name, CLI::callback_t(keep))->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
    names.push_back(name);
  }
  /// --block.3.norm: one of as many flags as there are blocks, so it is accepted where it stands.
  void accept_block_key(const std::string& name) {
    const bool known = std::find(names.begin(), names.end(), name) != names.end();
    if (takes_blocks && !known && name.rfind("block.", 0) == 0) accept(name);
  }

  CLI::App app;
  HelpPage page;
  std::string log_level = "info";
  std::vector<std::string> names, booleans;               // every flag; those that may stand bare
  std::map<std::string, Target> targets;                  // flags of the subcommand's own
  std::map<std::string, std::vector<std::string>> given;  // texts from the command line
  std::vector<Positional> positionals;
  bool help = false, takes_blocks = false;
};

Parser::Parser(const std::string& command, const std::string& summary, const std::string& example)
    : impl_(std::make_unique<Impl>()) {
  impl_->page.command = command;
  impl_->page.summary = summary;
  impl_->page.example = example;
  impl_->app.set_help_flag();
  impl_->app.allow_extras();
  option("help", &impl_->help, "this text");
  option("json", &json, "print one JSON document");
  option("quiet", &quiet, "no log and no progress bar on standard error");
  option("log_level", &impl_->log_level, "what the log holds [info]",
         {"trace", "debug", "info", "warning", "error", "off"});
}

Parser::~Parser() = default;

void Parser::option(const std::string& name, Target target, const std::string& help,
                    const std::vector<std::string>& choices) {
  const std::string allowed = choices.empty() ? "" : join(choices, " | ") + ": ";
  impl_->add({name, "Flags", value_name(target), allowed + help, choices});
  if (std::holds_alternative<bool*>(target)) impl_->booleans.push_back(name);
  impl_->targets.emplace(name, target);
}

void Parser::positional(const std::string& name, std::vector<std::string>& target, const std::string& help,
                        std::size_t least, std::size_t most, const std::vector<std::string>& choices) {
  impl_->app.add_option("arguments", target);
  impl_->positionals.push_back({&target, least, most});
  impl_->page.arguments.push_back({name, help, least > 0, most > 2, choices});
}

void Parser::config_keys() {
  impl_->add({"preset", "Configuration", "NAME", "a configuration that comes with the program", preset_names()});
  impl_->add({"config", "Configuration", "FILE.toml", "read keys from a file; flags override them", {}});
  impl_->takes_blocks = true;
  impl_->page.flags.push_back({"block.N.KEY",
                               "Configuration",
                               "TEXT",
                               "KEY of block N only (N from 0), as [block.N] in a file: " + join(block_keys(), ", "),
                               {},
                               false});
  for (const KeyInfo& key : normscope::config_keys()) {
    const std::string allowed = *key.choices ? fmt::format(": {}", key.choices) : "";
    const std::string fallback = *key.fallback ? fmt::format(" [{}]", key.fallback) : "";
    impl_->add({key.name, fmt::format("Keys: {} [default]", key.section), value_name(std::string(key.type)),
                key.help + allowed + fallback, key_choices(key), false});
    if (std::string_view(key.type) == "boolean") impl_->booleans.push_back(key.name);
  }
}

void Parser::list_config_keys() {
  for (HelpPage::Flag& flag : impl_->page.flags) flag.shown = true;
  impl_->page.names = {{"Presets (--preset)", preset_summaries()}};
  for (const ChoiceTable& table : choice_tables())
    impl_->page.names.push_back({fmt::format("{} ({})", table.title, table.word), table.rows});
}

/// "--key=value" becomes two arguments and a bare boolean gets its "true", so CLI11 sees one form only.
Arguments Parser::normalize(const Arguments& arguments) const {
  const auto has = [](const std::vector<std::string>& list, const std::string& name) {
    return std::find(list.begin(), list.end(), name) != list.end();
  };
  Arguments out;
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    const std::string& argument = arguments[i] == "-h" ? "--help" : arguments[i];
    if (argument.rfind("--", 0) != 0) {
      out.push_back(argument);
      continue;
    }
    const std::size_t equals = argument.find('=');
    const std::string name = flag_name(argument);
    const bool more = i + 1 < arguments.size();
    impl_->accept_block_key(name);
    if (!has(impl_->names, name)) {
      out.push_back(argument);
    } else if (equals != std::string::npos) {
      out.insert(out.end(), {"--" + name, argument.substr(equals + 1)});
    } else if (has(impl_->booleans, name)) {
      // Where no other argument can stand, a word behind a boolean is its value, right or wrong.
      const bool alone = impl_->positionals.empty() && more && arguments[i + 1].rfind("-", 0) != 0;
      const bool valued = more && (alone || parse_boolean(arguments[i + 1]));
      out.insert(out.end(), {"--" + name, valued ? arguments[++i] : "true"});
    } else if (more) {
      out.insert(out.end(), {"--" + name, arguments[++i]});
    } else {
      throw UsageError(fmt::format("--{}: missing value; write --{} VALUE", name, name));
    }
  }
  return out;
}

/// Raises UsageError for what CLI11 could not place.
void Parser::check_leftovers(const Arguments& leftovers) const {
  for (std::size_t i = 0; i < leftovers.size(); ++i) {
    const std::string& argument = leftovers[i];
    if (argument.rfind("-", 0) != 0) continue;
    const std::size_t equals = argument.find('=');
    std::string value = equals == std::string::npos ? "" : argument.substr(equals + 1);
    if (equals == std::string::npos && i + 1 < leftovers.size()) value = leftovers[i + 1];
    const std::string flag = argument.substr(0, equals);
    const std::size_t dashes = std::min(flag.find_first_not_of('-'), flag.size());
    throw UsageError(unknown_key(flag.substr(dashes), value, flag, entry_names(impl_->page.flags), true));
  }
  if (!leftovers.empty())
    throw UsageError(fmt::format("unexpected argument '{}'; write keys as --key value (see normscope {} --help)",
                                 leftovers.front(), impl_->page.command));
}

void Parser::parse(const Arguments& arguments) {
  Impl& impl = *impl_;
  Arguments normal = normalize(arguments);
  // CLI11 gives the value of an unknown flag to a positional; the flag is the error, so it is found first.
  for (std::size_t i = 0; i < normal.size(); ++i) {
    if (normal[i].rfind("--", 0) != 0) continue;
    const bool known = std::find(impl.names.begin(), impl.names.end(), normal[i].substr(2)) != impl.names.end();
    if (!known) check_leftovers({normal.begin() + static_cast<std::ptrdiff_t>(i), normal.end()});
    ++i;  // its value may look like a flag
  }
  std::reverse(normal.begin(), normal.end());  // as CLI11 wants them
  try {
    impl.app.parse(normal);
  } catch (const CLI::ParseError&) {
    check_leftovers(impl.app.remaining());
    throw UsageError(fmt::format("invalid command line; see normscope {} --help", impl.page.command));
  }
  check_leftovers(impl.app.remaining());
  for (const auto& [name, target] : impl.targets)
    if (impl.given.count(name)) std::visit(Assign{name, impl.given.at(name)}, target);
  if (impl.help) throw impl.page;
  check_choices();
  set_up_log(quiet, impl.log_level);
}

/// Raises UsageError for a value that is none of the choices, and for too few or too many arguments.
void Parser::check_choices() const {
  const auto check = [](const std::string& name, const std::string& value, const std::vector<std::string>& choices) {
    if (!choices.empty() && std::find(choices.begin(), choices.end(), value) == choices.end())
      throw UsageError(fmt::format("{}: '{}' {}", name, value, unknown_text(value, choices)));
  };
  for (const HelpPage::Flag& flag : impl_->page.flags)
    if (impl_->targets.count(flag.name) && impl_->given.count(flag.name))
      check("--" + flag.name, impl_->given.at(flag.name).back(), flag.choices);
  for (std::size_t i = 0; i < impl_->positionals.size(); ++i) {
    const auto& [target, least, most] = impl_->positionals[i];
    const HelpPage::Argument& wanted = impl_->page.arguments[i];
    if (target->size() < least)
      throw UsageError(fmt::format("{} is missing; see normscope {} --help", wanted.name, impl_->page.command));
    if (target->size() > most) check_leftovers({(*target)[most]});
    for (const std::string& value : *target) check(wanted.name, value, wanted.choices);
  }
}

Config Parser::config() const {
  Config config;
  apply_to(config);
  return config;
}

void Parser::apply_to(Config& config) const {
  const auto given = [this](const std::string& name) {
    const auto found = impl_->given.find(name);
    return found == impl_->given.end() ? nullptr : &found->second;
  };
  if (const auto* preset = given("preset")) config.load_preset(preset->back());
  if (const auto* file = given("config")) config.load_file(file->back());
  for (const KeyInfo& key : normscope::config_keys()) {
    const auto* texts = given(key.name);
    if (!texts) continue;
    const std::string where = std::string("--") + key.name;
    if (std::string_view(key.type) == "list")
      config.set(key.name, join_list(list_of(*texts)), where);
    else if (texts->size() > 1)
      config.set_list(key.name, list_of(*texts), where);
    else
      config.set(key.name, texts->front(), where);
  }
  for (const auto& [name, texts] : impl_->given)
    if (name.rfind("block.", 0) == 0) config.set(name, texts.back(), "--" + name);
}

}  // namespace normscope::cli
