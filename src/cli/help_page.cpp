#include "cli/help_page.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "cli/cli.h"

namespace normscope::cli {
namespace {

constexpr std::size_t kIndent = 26;  // of what a flag does

std::string flag_line(const HelpPage::Flag& flag) {
  return hanging(fmt::format("  --{} {}", flag.name, flag.type), flag.help, kIndent);
}

std::string names_text(const HelpPage::Names& names) {
  std::size_t widest = 0;
  for (const auto& row : names.rows) widest = std::max(widest, row.first.size());
  std::string out = "\n" + names.title + "\n";
  for (const auto& [name, what] : names.rows) out += hanging("  " + name, what, widest + 4);
  return out;
}

}  // namespace

std::string usage_text(const HelpPage& page) {
  std::string out = "normscope " + page.command;
  for (const HelpPage::Argument& wanted : page.arguments)
    out += " " + (wanted.needed ? wanted.name : "[" + wanted.name + "]") + (wanted.many ? "..." : "");
  return out + " [flags]";
}

std::string help_text(const HelpPage& page) {
  std::string out = hanging("", page.summary, 0) + "\nUsage: " + usage_text(page) + "\n";
  for (const HelpPage::Argument& wanted : page.arguments) out += hanging("  " + wanted.name, wanted.help, kIndent);
  std::string group;
  for (const HelpPage::Flag& flag : page.flags) {
    if (!flag.shown) continue;
    if (flag.group != group) out += fmt::format("\n{}\n", group = flag.group);
    out += flag_line(flag);
  }
  const bool more = std::any_of(page.flags.begin(), page.flags.end(), [](const auto& flag) { return !flag.shown; });
  if (more) out += "  Takes every key of train as well; see normscope help train.\n";
  for (const HelpPage::Names& names : page.names) out += names_text(names);
  return out + "\nExample\n" + page.example + "\n";
}

nlohmann::ordered_json help_json(const HelpPage& page) {
  nlohmann::ordered_json flags = nlohmann::ordered_json::array();
  for (const HelpPage::Flag& flag : page.flags)
    flags.push_back({{"name", flag.name},
                     {"group", flag.group},
                     {"type", flag.type},
                     {"help", flag.help},
                     {"choices", flag.choices}});
  return {{"command", page.command}, {"summary", page.summary}, {"usage", usage_text(page)}, {"flags", flags}};
}

std::string overview_text() {
  std::string out =
      hanging("",
              "normscope trains GPT and LLaMA models with exchangeable normalization layers and measures their "
              "gradients.",
              0) +
      "\nUsage: normscope COMMAND [flags]\n\nCommands\n";
  for (const Command& command : commands()) out += hanging(fmt::format("  {}", command.name), command.help, 13);
  return out +
         "\nnormscope help COMMAND shows the flags of a command with an example,\n"
         "normscope --version what the program is built of. A flag is --name value or\n"
         "--name=value; dashes in its name stand for underscores.\n"
         "\nExit codes\n"
         "  0 done, 1 run-time error, 2 usage or configuration, 3 training diverged,\n"
         "  4 a check failed, 130 interrupted after saving\n"
         "\nExample: train a small model and look at its gradients\n"
         "  normscope train --preset micro --data synthetic:grammar --out_dir runs/first\n"
         "  normscope report runs/first\n";
}

}  // namespace normscope::cli
