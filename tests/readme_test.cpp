// Every command the README shows exists: its subcommand and each of its flags.
#include <regex>
#include <sstream>

#include "cli_helpers.h"

namespace normscope::cli_test {
namespace {

/// Lines of ```sh blocks that call normscope ("$ normscope ...", continued with a backslash).
std::vector<std::string> shown_commands(const std::string& markdown) {
  std::vector<std::string> commands;
  std::istringstream lines(markdown);
  bool in_block = false;
  std::string line, joined;
  while (std::getline(lines, line)) {
    if (line.rfind("```", 0) == 0) {
      in_block = !in_block && (line == "```sh" || line == "```console" || line == "```bash");
      continue;
    }
    joined += line;
    if (!joined.empty() && joined.back() == '\\') {
      joined.back() = ' ';
      continue;
    }
    static const std::regex call(R"(^\s*(?:\$ )?(?:\S*/)?normscope (.*))");
    std::smatch match;
    if (in_block && std::regex_match(joined, match, call)) commands.push_back(match[1]);
    joined.clear();
  }
  return commands;
}

TEST(Readme, FindsTheCommandsOfShellBlocks) {
  const std::string text =
      "normscope outside\n```sh\n$ normscope train \\\n  --bias\nbuild/release/normscope norms\n```\n";
  EXPECT_EQ(shown_commands(text), (std::vector<std::string>{"train    --bias", "norms"}));
}

TEST(Readme, ShowsTheExampleThatIsBuilt) {
  const std::string source = NORMSCOPE_SOURCE;
  EXPECT_NE(read_text(source + "/README.md").find(read_text(source + "/examples/train_a_model.cpp")),
            std::string::npos);
}

TEST(Readme, EveryCommandAndFlagExists) {
  const std::string path = std::string(NORMSCOPE_SOURCE) + "/README.md";
  ASSERT_TRUE(std::filesystem::is_regular_file(path)) << "README.md is missing";
  const std::vector<std::string> commands = shown_commands(read_text(path));
  EXPECT_GE(commands.size(), 5u) << "the README shows a tour of five commands";
  const TemporaryFolder folder;
  for (const std::string& command : commands) {
    const std::string name = command.substr(0, command.find(' '));
    if (name.rfind("--", 0) == 0) {
      EXPECT_EQ(run(folder, name).code, 0) << command;
      continue;
    }
    Outcome help = run(folder, name + " --help");
    ASSERT_EQ(help.code, 0) << "README: " << command;
    if (help.out.find("Takes every key of train") != std::string::npos) help.out += run(folder, "train --help").out;
    static const std::regex flag(R"(--([a-z_]+))");
    for (std::sregex_iterator match(command.begin(), command.end(), flag), end; match != end; ++match)
      EXPECT_NE(help.out.find("\n  " + match->str() + " "), std::string::npos) << match->str() << " in: " << command;
  }
}

}  // namespace
}  // namespace normscope::cli_test
