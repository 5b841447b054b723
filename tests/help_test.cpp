// Help as a person sees it: pages of 80 columns, help COMMAND, dashes in names, completions and the man page.
#include <algorithm>
#include <nlohmann/json.hpp>
#include <sstream>

#include "cli_helpers.h"
#include "config/config.h"

namespace normscope::cli_test {
namespace {

const std::vector<std::string> kCommands{
#define COMMAND(name, help) #name,
#include "cli/commands.def"
#undef COMMAND
};

std::string lines_beyond(const std::string& text, std::ptrdiff_t columns) {
  std::istringstream in(text);
  std::string line, found;
  while (std::getline(in, line))
    if (std::count_if(line.begin(), line.end(), [](char c) { return (c & 0xC0) != 0x80; }) > columns)
      found += line + "\n";
  return found;
}

int shell(const TemporaryFolder& folder, const std::string& command) {
  const int status = std::system(("cd '" + folder.path().string() + "' && " + command).c_str());
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128;
}

TEST(Help, FitsEightyColumns) {
  const TemporaryFolder folder;
  for (const char* whole : {"--help", "help", "norms"}) {
    const std::string text = run(folder, whole).out;
    EXPECT_GT(text.size(), 500u) << whole;
    EXPECT_EQ(lines_beyond(text, 80), "") << whole;
  }
  for (const std::string& command : kCommands)
    EXPECT_EQ(lines_beyond(run(folder, command + " --help").out, 80), "") << command;
}

TEST(Help, IsACommandToo) {
  const TemporaryFolder folder;
  EXPECT_EQ(run(folder, "help").out, run(folder, "--help").out);
  for (const std::string& command : kCommands) {
    const Outcome help = run(folder, "help " + command);
    EXPECT_EQ(help.code, 0) << command;
    EXPECT_EQ(help.out, run(folder, command + " --help").out) << command;
  }
  const Outcome wrong = run(folder, "help trian");
  EXPECT_EQ(wrong.code, 2);
  EXPECT_NE(wrong.err.find("the nearest is train"), std::string::npos) << wrong.err;
  const Outcome far = run(folder, "photosynthesis");
  EXPECT_EQ(far.code, 2);
  EXPECT_EQ(far.err.find("nearest"), std::string::npos) << far.err;
}

TEST(Help, OnlyTrainListsTheKeys) {
  const TemporaryFolder folder;
  const std::string train = run(folder, "train --help").out;
  for (const KeyInfo& key : config_keys()) {
    const bool shown = train.find(std::string("\n  --") + key.name + " ") != std::string::npos;
    EXPECT_TRUE(shown) << key.name;
  }
  for (const char* command : {"ablate", "dump", "inspect", "bench"}) {
    const std::string help = run(folder, std::string(command) + " --help").out;
    EXPECT_EQ(help.find("--max_iters INT"), std::string::npos) << command;
    EXPECT_NE(help.find("Takes every key of train"), std::string::npos) << command;
    EXPECT_NE(help.find("normscope help train"), std::string::npos) << command;
  }
  EXPECT_EQ(run(folder, "train --qk_norm rmsnorm --data x").code, 2);
}

TEST(Help, TrainSaysWhatEachNameIs) {
  const TemporaryFolder folder;
  const std::string train = run(folder, "train --help").out;
  for (const auto& [name, what] : preset_summaries()) {
    EXPECT_GT(what.size(), 10u) << name;
    EXPECT_NE(train.find("\n  " + name + " "), std::string::npos) << name;
  }
  for (const char* part : {"\n  l2norm  ", "L2 norm", "\n  peri  ", "x + N2(F(N1(x)))", "\n  xavier  ", "\n  mlp  "})
    EXPECT_NE(train.find(part), std::string::npos) << part;
}

TEST(Help, DashesStandForUnderscoresInNamesOnly) {
  const TemporaryFolder folder;
  const auto parameters = [&](const std::string& flags) {
    const Outcome outcome = run(folder, "inspect --json " + flags);
    EXPECT_EQ(outcome.code, 0) << outcome.err;
    const auto document = nlohmann::json::parse(outcome.out);
    return document.at("params").dump() + document.at("steps").dump();
  };
  const std::string plain = parameters("--n_layer 3 --max_iters 7 --block.1.attn_norm none");
  EXPECT_NE(plain, parameters("--n_layer 3 --max_iters 7"));
  EXPECT_EQ(plain, parameters("--n-layer 3 --max-iters=7 --block.1.attn-norm none"));
  const Outcome value = run(folder, "train --data x --norm scale-detached");
  EXPECT_EQ(value.code, 2);
  EXPECT_NE(value.err.find("scale-detached"), std::string::npos) << value.err;
}

TEST(Help, AWrongFormulaNamesItsKeyOnce) {
  const TemporaryFolder folder;
  const std::string err = run(folder, "train --data x --norm_placement 'x + F('").err;
  const std::size_t first = err.find("norm_placement");
  ASSERT_NE(first, std::string::npos) << err;
  EXPECT_EQ(err.find("norm_placement", first + 1), std::string::npos) << err;
}

TEST(Completion, BashCompletesCommandsFlagsAndNames) {
  const TemporaryFolder folder;
  write_text(folder / "normscope.bash", run(folder, "help --completion bash").out);
  EXPECT_EQ(shell(folder, "bash -n normscope.bash"), 0);
  const auto complete = [&](const std::string& words) {
    const std::string script = "source ./normscope.bash; COMP_WORDS=(normscope " + words +
                               "); COMP_CWORD=$((${#COMP_WORDS[@]} - 1)); _normscope; echo \"${COMPREPLY[*]}\"";
    write_text(folder / "complete.sh", script);
    EXPECT_EQ(shell(folder, "bash complete.sh >reply.txt"), 0) << words;
    std::string reply = read_text(folder / "reply.txt");
    return reply.substr(0, reply.find('\n'));
  };
  EXPECT_EQ(complete("tr"), "train");
  EXPECT_EQ(complete("help ab"), "ablate");
  EXPECT_EQ(complete("train --max_it"), "--max_iters");
  EXPECT_EQ(complete("inspect --max-it"), "--max_iters");
  const std::string norms = complete("train --norm ''");
  for (const char* name : {"layernorm", "rmsnorm", "auto"}) EXPECT_NE(norms.find(name), std::string::npos) << norms;
  EXPECT_EQ(complete("train --norm rmsn"), "rmsnorm");
  EXPECT_EQ(complete("train --norm = rmsn"), "rmsnorm") << "as bash splits --norm=rmsn";
  EXPECT_EQ(complete("ablate --norm layernorm,rmsn"), "layernorm,rmsnorm");
  EXPECT_EQ(complete("eval --split v"), "val");
  EXPECT_EQ(complete("train --data ''"), "") << "files are left to readline";
}

TEST(Completion, ZshReadsIt) {
  const TemporaryFolder folder;
  const std::string script = run(folder, "help --completion zsh").out;
  EXPECT_EQ(script.rfind("#compdef normscope\n", 0), 0u);
  for (const char* part : {"'train:train one model", "'*--norm=[", "(auto none layernorm rmsnorm"})
    EXPECT_NE(script.find(part), std::string::npos) << part;
  if (shell(folder, "command -v zsh >/dev/null") != 0) GTEST_SKIP() << "there is no zsh";
  write_text(folder / "_normscope", script);
  EXPECT_EQ(shell(folder, "zsh -n _normscope"), 0);
}

TEST(ManPage, HasEveryCommandAndNoWarning) {
  const TemporaryFolder folder;
  const std::string page = run(folder, "help --man").out;
  for (const std::string& command : kCommands)
    EXPECT_NE(page.find("\n.SS " + command + "\n"), std::string::npos) << command;
  if (shell(folder, "command -v groff >/dev/null") != 0) GTEST_SKIP() << "there is no groff";
  write_text(folder / "normscope.1", page);
  EXPECT_EQ(shell(folder, "groff -ww -man -Tutf8 normscope.1 >page.txt 2>warnings.txt"), 0);
  EXPECT_EQ(read_text(folder / "warnings.txt"), "");
  EXPECT_NE(read_text(folder / "page.txt").find("interrupted after saving"), std::string::npos);
}

}  // namespace
}  // namespace normscope::cli_test
