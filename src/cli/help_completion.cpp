// Completion scripts. Both shells get every flag and the values that are one of few; other values are files.
#include <fmt/format.h>

#include <map>

#include "cli/cli.h"
#include "cli/help_page.h"
#include "core/text.h"

namespace normscope::cli {
namespace {

bool is_flag(const HelpPage::Flag& flag) { return flag.name.find('.') == std::string::npos; }  // not block.N.KEY

std::vector<std::string> values_of(const HelpPage::Flag& flag) {
  if (flag.type == "true|false") return {"true", "false"};
  return flag.choices;
}

std::string names_of(const std::vector<HelpPage>& pages) {
  std::vector<std::string> names;
  for (const HelpPage& page : pages) names.push_back(page.command);
  return join(names, " ");
}

/// Lines of a bash `case`: what a command (or a flag of it) is followed by. Equal ones share a line.
std::string bash_cases(const std::vector<std::pair<std::string, std::string>>& words_of) {
  std::map<std::string, std::vector<std::string>> patterns;
  for (const auto& [pattern, words] : words_of)
    if (!words.empty()) patterns[words].push_back(pattern);
  std::string out;
  for (const auto& [words, which] : patterns) out += fmt::format("      {}) words='{}' ;;\n", join(which, "|"), words);
  return out;
}

/// For a text in single quotes, between the brackets of a zsh option.
std::string zsh_text(const std::string& text) {
  std::string out;
  for (const char c : text) {
    if (c == '[' || c == ']' || c == '\\' || c == ':') out += '\\';
    out += c == '\'' ? std::string("'\\''") : std::string(1, c);
  }
  return out;
}

std::string zsh_action(const std::vector<std::string>& choices, const std::string& type) {
  if (!choices.empty()) return "(" + join(choices, " ") + ")";
  return type == "INT" || type == "NUM" ? " " : "_files";
}

std::string zsh_arguments(const HelpPage& page) {
  std::string out = "        _arguments";
  for (const HelpPage::Flag& flag : page.flags)
    if (is_flag(flag))
      out += fmt::format(" \\\n          '*--{}=[{}]:{}:{}'", flag.name, zsh_text(flag.help), flag.type,
                         zsh_action(values_of(flag), flag.type));
  for (const HelpPage::Argument& wanted : page.arguments)
    out += fmt::format(" \\\n          '*:{}:{}'", wanted.name, zsh_action(wanted.choices, ""));
  return out + "\n";
}

}  // namespace

std::string bash_completion(const std::vector<HelpPage>& pages) {
  std::vector<std::pair<std::string, std::string>> flags, values, arguments;
  for (const HelpPage& page : pages) {
    std::vector<std::string> names;
    for (const HelpPage::Flag& flag : page.flags) {
      if (!is_flag(flag)) continue;
      names.push_back("--" + flag.name);
      values.emplace_back(page.command + "/--" + flag.name, join(values_of(flag), " "));
    }
    flags.emplace_back(page.command, join(names, " "));
    for (const HelpPage::Argument& wanted : page.arguments)
      arguments.emplace_back(page.command, join(wanted.choices, " "));
  }
  // The words of a command line are split at '=', so --norm=rms comes as --norm, =, rms.
  return fmt::format(
      R"(# bash completion for normscope, made by: normscope help --completion bash
_normscope() {{
  local cur=${{COMP_WORDS[COMP_CWORD]}} flag=${{COMP_WORDS[COMP_CWORD-1]}} command=${{COMP_WORDS[1]}} words='' before=''
  COMPREPLY=()
  if [[ $cur == = ]]; then
    cur=''
  elif [[ $flag == = ]]; then
    flag=${{COMP_WORDS[COMP_CWORD-2]}}
  fi
  if [[ $flag == --* ]]; then flag=${{flag#--}} flag=--${{flag//-/_}}; fi
  if ((COMP_CWORD == 1)); then
    words='{} --help --version'
  elif [[ $cur == --* ]]; then
    cur=${{cur#--}} cur=--${{cur//-/_}}
    case $command in
{}    esac
  else
    case $command/$flag in
{}      */--*) ;;
      *) case $command in
{}    esac ;;
    esac
    if [[ $cur == *,* ]]; then before=${{cur%,*}}, cur=${{cur##*,}}; fi
  fi
  COMPREPLY=($(compgen -P "$before" -W "$words" -- "$cur"))
}}
complete -o default -F _normscope normscope
)",
      names_of(pages), bash_cases(flags), bash_cases(values), bash_cases(arguments));
}

std::string zsh_completion(const std::vector<HelpPage>& pages) {
  std::string names, cases;
  for (const Command& command : commands())
    names += fmt::format(" \\\n    '{}:{}'", command.name, zsh_text(command.help));
  for (const HelpPage& page : pages)
    cases += fmt::format("      {})\n{}        ;;\n", page.command, zsh_arguments(page));
  return fmt::format(
      R"(#compdef normscope
# zsh completion for normscope, made by: normscope help --completion zsh
_normscope() {{
  local state
  local -a commands
  commands=({})
  _arguments '(- *)--help[list the commands]' '(- *)--version[what the program is built of]' \
    '1: :->command' '*:: :->rest'
  case $state in
    command) _describe command commands ;;
    rest)
      case $words[1] in
{}      esac
      ;;
  esac
}}
_normscope "$@"
)",
      names, cases);
}

}  // namespace normscope::cli
