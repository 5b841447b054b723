#include <nlohmann/json.hpp>

#include "cli/cli.h"
#include "cli/help_page.h"
#include "core/choices.h"

namespace normscope::cli {
namespace {

HelpPage page_of(const Command& command) {
  try {
    command.run({"--help"});
  } catch (const HelpPage& page) {
    return page;
  }
  throw Error(std::string("the command ") + command.name + " has no help");
}

void print_pages(const std::vector<HelpPage>& pages) {
  nlohmann::ordered_json document = nlohmann::ordered_json::array();
  for (const HelpPage& page : pages) document.push_back(help_json(page));
  print_json({{"commands", document}});
}

}  // namespace

int run_help(const Arguments& arguments) {
  std::vector<std::string> wanted;
  std::string completion;
  bool man = false;
  Parser parser("help", "The commands; with COMMAND its flags and an example.",
                "  normscope help train\n"
                "    what normscope train --help prints\n"
                "  source <(normscope help --completion bash)\n"
                "    completes commands, flags and names in this shell");
  parser.positional("COMMAND", wanted, "the command", 0, 1, entry_names(commands()));
  parser.option("completion", &completion, "print a completion script for this shell", {"bash", "zsh"});
  parser.option("man", &man, "print the man page, in roff");
  parser.parse(arguments);
  std::vector<HelpPage> pages;
  for (const Command& command : commands())
    if (wanted.empty() || wanted.front() == command.name) pages.push_back(page_of(command));
  if (parser.json)
    print_pages(pages);
  else if (man)
    print(man_page(pages));
  else if (!completion.empty())
    print(completion == "bash" ? bash_completion(pages) : zsh_completion(pages));
  else
    print(wanted.empty() ? overview_text() : help_text(pages.front()));
  return 0;
}

}  // namespace normscope::cli
