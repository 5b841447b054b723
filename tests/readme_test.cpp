// Commands, names and sizes in the README, the sample report, the Dockerfile.
#include <cmath>
#include <nlohmann/json.hpp>
#include <regex>
#include <set>
#include <sstream>

#include "cli_helpers.h"
#include "config/config.h"

namespace normscope::cli_test {
namespace {

const std::string kSource = std::string(NORMSCOPE_SOURCE) + "/";

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
  EXPECT_NE(read_text(kSource + "README.md").find(read_text(kSource + "examples/train_a_model.cpp")),
            std::string::npos);
}

TEST(Readme, EveryCommandAndFlagExists) {
  const std::string path = kSource + "README.md";
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

using Names = std::set<std::string>;

/// Cells of the table rows below the heading "### TITLE".
std::vector<std::vector<std::string>> table_below(const std::string& markdown, const std::string& title) {
  std::vector<std::vector<std::string>> rows;
  std::istringstream lines(markdown.substr(std::min(markdown.find("### " + title + "\n"), markdown.size())));
  std::string line;
  std::getline(lines, line);
  while (std::getline(lines, line) && line.rfind("#", 0) != 0) {
    if (line.rfind("| `", 0) != 0) continue;
    std::istringstream cells(line.substr(1));
    rows.emplace_back();
    for (std::string cell; std::getline(cells, cell, '|');) rows.back().push_back(cell);
  }
  return rows;
}

/// What stands in backticks in the first cells.
Names listed(const std::string& title) {
  Names names;
  static const std::regex code("`([^`]+)`");
  for (const auto& row : table_below(read_text(kSource + "README.md"), title))
    for (std::sregex_iterator match(row[0].begin(), row[0].end(), code), end; match != end; ++match)
      EXPECT_TRUE(names.insert((*match)[1]).second) << match->str() << " is listed twice";
  return names;
}

nlohmann::json json_of(const std::string& arguments) {
  const Outcome outcome = run(TemporaryFolder(), arguments + " --json");
  EXPECT_EQ(outcome.code, 0) << outcome.err;
  return nlohmann::json::parse(outcome.out);
}

TEST(Readme, ListsAllNormsAndPlacements) {
  const nlohmann::json catalogue = json_of("norms");
  for (const auto& [title, key] : {std::pair{"Norms", "norms"}, {"Placements", "placements"}}) {
    Names names;
    for (const auto& entry : catalogue.at(key))
      names.insert((entry.is_string() ? entry : entry.at("name")).get<std::string>());
    EXPECT_EQ(listed(title), names) << title;
  }
}

TEST(Readme, ListsAllPresetsWithTheirSizeAndSteps) {
  const std::vector<std::string> presets = preset_names();
  EXPECT_EQ(listed("Presets"), Names(presets.begin(), presets.end()));
  for (const auto& row : table_below(read_text(kSource + "README.md"), "Presets")) {
    ASSERT_GE(row.size(), 5u);
    const std::string name = std::regex_replace(row[0], std::regex("[ `]"), "");
    const bool samples = name[0] == 'm' && std::isdigit(name[1]);
    const nlohmann::json cost = json_of("inspect --preset " + name + (samples ? "" : " --data synthetic:grammar"));
    const double millions = cost.at("parameters").get<double>() / 1e6;
    const double shown = std::stod(row[2]);
    EXPECT_NEAR(shown, millions, std::max(0.005, shown * 0.1)) << name;
    EXPECT_EQ(std::stoll(std::regex_replace(row[3], std::regex(","), "")), cost.at("steps").get<long long>()) << name;
  }
}

TEST(Readme, ShowsNumbersOfTheSampleReport) {
  const std::string report = read_text(kSource + "docs/sample_report.html");
  const std::string readme = read_text(kSource + "README.md");
  EXPECT_LT(report.size(), 1000000u);
  static const std::regex loss(R"(\d done +(\d\.\d{4}) \+- (\d\.\d{4}))");
  int found = 0;
  for (std::sregex_iterator match(readme.begin(), readme.end(), loss), end; match != end; ++match, ++found)
    for (const int group : {1, 2}) EXPECT_NE(report.find((*match)[group]), std::string::npos) << match->str();
  EXPECT_EQ(found, 3);
}

/// The Dockerfile's instructions are known ones, and it installs and builds as a Debian user does.
TEST(Dockerfile, UsesTheScriptsOfTheCheckout) {
  std::istringstream lines(read_text(kSource + "Dockerfile"));
  std::string line, steps;
  static const std::regex instruction("(FROM|WORKDIR|COPY|RUN|ENTRYPOINT) .+");
  while (std::getline(lines, line)) {
    if (line.empty() || line[0] == '#') continue;
    EXPECT_TRUE(std::regex_match(line, instruction)) << line;
    if (line.rfind("RUN ", 0) == 0) steps += line.substr(4) + "\n";
  }
  EXPECT_EQ(steps.rfind("script/bootstrap\nscript/build release normscope && cmake --install ", 0), 0u) << steps;
  EXPECT_EQ(steps.find("apt-get"), std::string::npos) << "packages are listed in script/packages.txt alone";
  for (const char* needed : {"script/bootstrap", "script/build", "script/packages.txt"})
    EXPECT_TRUE(std::filesystem::exists(kSource + needed)) << needed;
}

TEST(Citation, NamesTheVersion) {
  const std::string cmake = read_text(kSource + "CMakeLists.txt");
  std::smatch version;
  ASSERT_TRUE(std::regex_search(cmake, version, std::regex(R"(VERSION (\d+\.\d+\.\d+))")));
  EXPECT_NE(read_text(kSource + "CITATION.cff").find("\nversion: " + version.str(1) + "\n"), std::string::npos);
}

}  // namespace
}  // namespace normscope::cli_test
