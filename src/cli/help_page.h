#pragma once
// What --help says of a command, as data. The text on a terminal, the man page, the completions and the JSON are made
// of it.
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <utility>
#include <vector>

namespace normscope::cli {

/// Parser::parse() throws it when --help is asked for.
struct HelpPage {
  struct Argument {
    std::string name, help;
    bool needed, many;
    std::vector<std::string> choices;  ///< empty: any
  };
  struct Flag {
    std::string name, group, type, help;  ///< the name without dashes
    std::vector<std::string> choices;     ///< empty: any
    bool shown = true;                    ///< false: accepted, but listed on the page of train only
  };
  struct Names {
    std::string title;
    std::vector<std::pair<std::string, std::string>> rows;  ///< a name and what it is
  };
  std::string command, summary, example;
  std::vector<Argument> arguments;
  std::vector<Flag> flags;
  std::vector<Names> names;
};

/// "normscope train [flags]"
std::string usage_text(const HelpPage& page);
/// The lines of Example: command lines by two blanks, what they do by four.
std::string help_text(const HelpPage& page);
nlohmann::ordered_json help_json(const HelpPage& page);
/// The program on one page: its commands and exit codes.
std::string overview_text();
/// normscope(1) in roff, with the macros of man(7).
std::string man_page(const std::vector<HelpPage>& pages);
/// Completion functions: commands, flags (also with dashes in their names), values that are one of few.
std::string bash_completion(const std::vector<HelpPage>& pages);
std::string zsh_completion(const std::vector<HelpPage>& pages);

}  // namespace normscope::cli
