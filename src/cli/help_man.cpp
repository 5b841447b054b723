// The man page: normscope(1), with the macros of man(7).
#include <fmt/format.h>

#include "cli/cli.h"
#include "cli/help_page.h"
#include "core/text.h"
#include "io/build_info.h"

namespace normscope::cli {
namespace {

/// Plain text in roff: hyphens stay hyphens, nothing begins a request.
std::string roff(const std::string& text) {
  std::string out;
  for (const char c : text) {
    const bool line_begins = out.empty() || out.back() == '\n';
    if (line_begins && (c == '.' || c == '\'')) out += "\\&";
    if (c == '\\')
      out += "\\e";
    else if (c == '-')
      out += "\\-";
    else if (c == '\'')
      out += "\\(aq";
    else if (c == '^')
      out += "\\(ha";
    else if (c == '~')
      out += "\\(ti";
    else
      out += c;
  }
  return out;
}

std::string item(const std::string& name, const std::string& type, const std::string& help) {
  return fmt::format(".TP\n\\fB{}\\fR{}\n{}\n", roff(name), type.empty() ? "" : " \\fI" + roff(type) + "\\fR",
                     roff(help));
}

std::string section(const HelpPage& page) {
  std::string out =
      fmt::format(".SS {}\n{}\n.PP\n\\fB{}\\fR\n", page.command, roff(page.summary), roff(usage_text(page)));
  for (const HelpPage::Argument& wanted : page.arguments) out += item(wanted.name, "", wanted.help);
  std::string group;
  bool more = false;
  for (const HelpPage::Flag& flag : page.flags) {
    more = more || !flag.shown;
    if (!flag.shown) continue;
    if (flag.group != group) out += fmt::format(".PP\n{}\n", roff(group = flag.group));
    out += item("--" + flag.name, flag.type, flag.help);
  }
  if (more) out += ".PP\nTakes every key of train as well.\n";
  return out + ".PP\nExample\n.PP\n.EX\n" + roff(page.example) + "\n.EE\n";
}

}  // namespace

std::string man_page(const std::vector<HelpPage>& pages) {
  std::string out = fmt::format(
      ".TH NORMSCOPE 1 \"\" \"normscope {}\" \"User Commands\"\n.SH NAME\nnormscope \\- train small models and "
      "measure what their normalization layers do\n.SH SYNOPSIS\n.B normscope\n.I COMMAND\n[flags]\n"
      ".SH DESCRIPTION\nnormscope trains GPT and LLaMA models with exchangeable normalization layers and measures "
      "their gradients. A flag is written \\-\\-name value or \\-\\-name=value; dashes in its name stand for "
      "underscores.\n.SH COMMANDS\n",
      build_info().version);
  for (const HelpPage& page : pages) out += section(page);
  for (const HelpPage& page : pages)
    for (const HelpPage::Names& names : page.names) {
      std::string title = names.title;
      out += fmt::format(".SH \"{}\"\n", roff(title));
      for (const auto& [name, what] : names.rows) out += item(name, "", what);
    }
  return out + ".SH EXIT STATUS\n" + item("0", "", "done") + item("1", "", "run-time error") +
         item("2", "", "usage or configuration") + item("3", "", "training diverged") +
         item("4", "", "a check failed") + item("130", "", "interrupted after saving");
}

}  // namespace normscope::cli
