// The command line from outside: exit codes, one-line errors, where output goes. Nothing here trains.
#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "cli_helpers.h"
#include "config/config.h"

namespace normscope::cli_test {
namespace {

const std::vector<std::string> kCommands{"train",   "ablate",    "compare", "report", "sample",  "eval",
                                         "prepare", "gradcheck", "dump",    "bench",  "inspect", "norms"};

TEST(Cli, HelpOfEveryCommandHasAnExample) {
  const TemporaryFolder folder;
  const Outcome overview = run(folder, "--help");
  EXPECT_EQ(overview.code, 0);
  for (const std::string& command : kCommands) {
    EXPECT_NE(overview.out.find("  " + command + " "), std::string::npos) << command;
    const Outcome help = run(folder, command + " --help");
    EXPECT_EQ(help.code, 0) << command << help.err;
    EXPECT_EQ(help.err, "") << command;
    EXPECT_NE(help.out.find("\nExample\n  normscope " + command), std::string::npos) << help.out;
  }
}

TEST(Cli, VersionNamesWhatItIsBuiltOf) {
  const TemporaryFolder folder;
  const Outcome version = run(folder, "--version");
  EXPECT_EQ(version.code, 0);
  for (const char* part : {"normscope", "commit", "compiler", "oneDNN", "OpenBLAS core", "HDF5", "instruction set"})
    EXPECT_NE(version.out.find(part), std::string::npos) << part;
}

struct Wrong {
  const char *arguments, *message;
};

/// Bad use: exit 2, nothing on stdout, one line on stderr that holds the message, nothing left in the folder.
class WrongUse : public testing::TestWithParam<Wrong> {};

TEST_P(WrongUse, IsOneLineAndExitCode2) {
  const TemporaryFolder folder;
  const Outcome outcome = run(folder, GetParam().arguments);
  EXPECT_EQ(outcome.code, 2) << outcome.err;
  EXPECT_EQ(outcome.out, "");
  EXPECT_EQ(std::count(outcome.err.begin(), outcome.err.end(), '\n'), 1) << outcome.err;
  EXPECT_EQ(outcome.err.rfind("normscope", 0), 0u) << outcome.err;
  EXPECT_NE(outcome.err.find(GetParam().message), std::string::npos) << outcome.err;
  EXPECT_EQ(folder.count(), 2u) << "only stdout.txt and stderr.txt";
}

INSTANTIATE_TEST_SUITE_P(
    Cli, WrongUse,
    testing::Values(
        Wrong{"", "missing command"}, Wrong{"trian", "nearest is train"}, Wrong{"train", "--data"},
        Wrong{"train --n_layr 4", "nearest key is --n_layer"}, Wrong{"train --n_layr=4", "value '4'"},
        Wrong{"train -x", "unknown key 'x'"}, Wrong{"train --n_layer", "missing value"},
        Wrong{"train --n_layer four", "not an integer"}, Wrong{"train --n_layer=", "not an integer"},
        Wrong{"train --bias maybe", "not true or false"}, Wrong{"train text.txt", "unexpected argument"},
        Wrong{"train --data x --n_head 3", "n_embd = 128 (default)"},
        Wrong{"train --data x --arch mpl", "allowed: gpt, llama, mlp"},
        Wrong{"train --data x --stats noise", "available: grad/norm"},
        Wrong{"ablate --data x --norm layernorm,rmsnorm --stats grad/zero_fractoin", "nearest is grad/zero_fraction"},
        Wrong{"train --data x --norm rmsnrm", "nearest is rmsnorm"},
        Wrong{"train --preset m1 --data synthetic:markov", "needs samples"},
        Wrong{"train --data synthetic:teacher", "needs tokens"},
        Wrong{"train --preset m1 --n_head 2", "does not apply to arch = mlp"},
        Wrong{"train --preset m1 --norm_placement pre", "allowed: before (the ReLU), after"},
        Wrong{"train --data x --norm prmsnorm:p=2", "--norm: norm \"prmsnorm\": p = 2 must be a number in (0, 1]"},
        Wrong{"train --data x --final_norm rmsnorm:q=1", "no option \"q\""},
        Wrong{"ablate --data x --norm rmsnorm,prmsnorm:p=0", "--norm: norm \"prmsnorm\": p = 0"},
        Wrong{"train --data x --norm_placement pots", "nearest is post"},
        Wrong{"train --data x --block.1.norm_placement pots", "(--block.1.norm_placement) is unknown"},
        Wrong{"train --data x --block.1.norm rmsnrm", "nearest is rmsnorm"},
        Wrong{"train --data x --block.1.n_head=2", "allowed in [block.1] are attn_norm"},
        Wrong{"train --data x --block.9.norm none", "blocks 0 to 3"}, Wrong{"train --preset mico", "nearest is micro"},
        Wrong{"train --config none.toml", "the config file does not exist"},
        Wrong{"train --log_level loud", "allowed: trace"}, Wrong{"train --data nowhere.txt --quiet", "nowhere.txt"},
        Wrong{"ablate --data x --norm rmsnorm,layernorm,rmsnorm", "given twice"},
        Wrong{"ablate --data x --learning_rate 1e-3,0.001", "given twice"},
        Wrong{"ablate --data x --norm layernorm,", "empty value"}, Wrong{"ablate --data x --seed 1,2", "--seeds N"},
        Wrong{"ablate --data x --n_head 4,3", "n_head = 3"}, Wrong{"ablate --data x --n_layer 2,x", "not an integer"},
        Wrong{"train --data x --norm layernorm,rmsnorm", "is a list; give one value, or use normscope ablate"},
        Wrong{"train --data x --norm layernorm --norm rmsnorm", "is a list; give one value, or use normscope ablate"},
        Wrong{"train --data x --n_layer 2,4", "is a list; give one value, or use normscope ablate"},
        Wrong{"ablate --data x --norm 'layernorm, rmsnrm'", "nearest is rmsnorm"},
        Wrong{"ablate --data x --norm layernorm --norm rmsnrm", "nearest is rmsnorm"},
        Wrong{"ablate --data x --norm rmsnorm", "nothing to compare"}, Wrong{"ablate --data x", "nothing to compare"},
        Wrong{"ablate --data x --norm layernorm,rmsnorm --threads 1,2", "threads takes one value"},
        Wrong{"ablate --data missing_a,missing_b", "missing_a"},
        Wrong{"ablate --data x --norm layernorm,rmsnrm", "nearest is rmsnorm"},
        Wrong{"ablate --data x --norm layernorm,rmsnorm --seeds 0", "must be 1 or more"},
        Wrong{"compare one", "PATH is missing"}, Wrong{"report", "PATH is missing"},
        Wrong{"report a b", "unexpected argument 'b'"}, Wrong{"report nowhere", "nowhere"},
        Wrong{"sample nowhere", "nowhere"}, Wrong{"eval nowhere", "nowhere"},
        Wrong{"eval x --split test", "allowed: train, val"}, Wrong{"sample x --tokens 1.5", "not an integer"},
        Wrong{"prepare", "FILE is missing"}, Wrong{"prepare nowhere.txt", "nowhere.txt"},
        Wrong{"prepare nowhere.txt other.txt", "nowhere.txt"},
        Wrong{"prepare x --tokenizer word", "allowed: char, byte"}, Wrong{"bench", "WHAT is missing"},
        Wrong{"repair nowhere", "does not exist"}, Wrong{"bench stepp", "nearest is step"},
        Wrong{"inspect nowhere", "nowhere"}, Wrong{"gradcheck --filter no/such", "matches no check"},
        Wrong{"gradcheck --foreign x.npz", "needs --norm"},
        Wrong{"gradcheck --norm rmsnorm --filter op/*", "give one of them"},
        Wrong{"gradcheck --norm 'formula: x / foo(x)'", "column 14"},
        Wrong{"gradcheck --foreign none.npz --norm rmsnorm", "none.npz"}, Wrong{"norms show", "unexpected argument"},
        Wrong{"norms apply", "missing norm name"}, Wrong{"norms apply rmsnrm --x 1", "nearest is rmsnorm"},
        Wrong{"norms apply rmsnorm", "--x is missing"},
        Wrong{"norms apply rmsnorm --x 1,a", "'a' is not a finite number"},
        Wrong{"norms apply rmsnorm --x 1,2 --dy 1", "--dy has 1 numbers"},
        Wrong{"norms apply rmsnorm --x 1,2 --eps -1", "negative"}, Wrong{"dump --data x --step -1", "0 or above"},
        Wrong{"train --data x --seed 9223372036854775808", "9223372036854775807 or below"},
        Wrong{"sample x --seed 9223372036854775808", "9223372036854775807 or below"},
        Wrong{"train --data x --seed 1e3", "not an integer"},
        Wrong{"dump --data x --gradient_accumulation_steps 4", "set it to 1"}));

TEST(Cli, ARefusedPrepareLeavesNothingInTheTemporaryFolder) {
  const TemporaryFolder folder, scratch;
  write_text(folder / "a.txt", "some text");
  setenv("TMPDIR", scratch.path().c_str(), 1);
  const Outcome refused = run(folder, "prepare a.txt nowhere.txt");
  unsetenv("TMPDIR");
  EXPECT_EQ(refused.code, 2);
  EXPECT_TRUE(std::filesystem::is_empty(scratch.path()));
}

TEST(Cli, NormsApplyIsAPocketCalculator) {
  const TemporaryFolder folder;
  const Outcome outcome = run(folder, "norms apply rmsnorm --x=1,2,3,4 --dy 1,0,0,0 --eps 0 --json");
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  const auto result = nlohmann::json::parse(outcome.out);
  // y = x / r with r = sqrt(30 / 4); dx_i = dy_i / r - x_i (dy . x) / (4 r^3)
  const double r = std::sqrt(7.5);
  for (int i = 0; i < 4; ++i) {
    EXPECT_NEAR(result["y"][i].get<double>(), (i + 1) / r, 1e-12);
    EXPECT_NEAR(result["dx"][i].get<double>(), (i == 0) / r - (i + 1) / (4 * r * r * r), 1e-12);
    EXPECT_NEAR(result["dgain"][i].get<double>(), (i == 0) / r, 1e-12);
  }
  const Outcome own = run(folder, "norms apply scalenorm --x 3,4 --dy 1,2 --json");
  ASSERT_EQ(own.code, 0) << own.err;
  EXPECT_NEAR(nlohmann::json::parse(own.out)["dg"][0].get<double>(), 2.2, 1e-12);  // dy . x / |x|
  const Outcome biased = run(folder, "norms apply layernorm --x 1,2,4 --dy 1,0,2 --json");
  EXPECT_EQ(nlohmann::json::parse(biased.out)["dbias"], (std::vector<double>{1, 0, 2}));
  const Outcome part = run(folder, "norms apply prmsnorm --x 1,2,3,4 --eps 0 --set p=0.5 --json");
  ASSERT_EQ(part.code, 0) << part.err;
  EXPECT_NEAR(nlohmann::json::parse(part.out)["y"][3].get<double>(), 4 / std::sqrt(2.5), 1e-12);
  for (const char* p : {"0", "-0.1", "1.01", "x"}) {
    const Outcome wrong = run(folder, std::string("norms apply prmsnorm --x 1,2 --set p=") + p);
    EXPECT_EQ(wrong.code, 2) << p;
    EXPECT_NE(wrong.err.find("(0, 1]"), std::string::npos) << wrong.err;
  }
  const Outcome text = run(folder, "norms apply rmsnorm --x 1,2,3,4 --eps 0");
  EXPECT_EQ(text.out.rfind("y  0.36514837167", 0), 0u) << text.out;
}

TEST(Cli, NormsApplyWarnsWhereTheStatisticsOverflow) {
  const TemporaryFolder folder;
  for (const std::string norm : {"rmsnorm", "layernorm"}) {
    const std::string call = "norms apply " + norm + " --x ";
    const Outcome zeros = run(folder, call + "1e20,2e20 --dtype float32");
    EXPECT_EQ(zeros.code, 0);
    EXPECT_NE(zeros.err.find("overflow"), std::string::npos) << norm << zeros.err;
    EXPECT_NE(zeros.err.find("--dtype float64"), std::string::npos) << norm << zeros.err;
    const Outcome beyond = run(folder, call + "1e39,2e39 --dtype float32");  // x itself is infinite: NaN
    EXPECT_EQ(beyond.out.find("-nan"), std::string::npos) << beyond.out;
    EXPECT_NE(beyond.err.find("--dtype float64"), std::string::npos) << norm << beyond.err;
    EXPECT_EQ(run(folder, call + "1e20,2e20").err, "");
    EXPECT_EQ(run(folder, call + "1,2,4 --dtype float32").err, "");
    EXPECT_NE(run(folder, call + "1e200,2e200").err.find("overflow in float64"), std::string::npos) << norm;
  }
}

TEST(Cli, NotesWhatWasChangedInATextBeforeItWasRead) {
  const TemporaryFolder folder;
  write_text(folder / "a.txt", "\xEF\xBB\xBFsome text\r\n");
  write_text(folder / "b.txt", "\xEF\xBB\xBFmore text\r\n");
  const Outcome prepare = run(folder, "prepare a.txt b.txt --out_dir p --json");
  ASSERT_EQ(prepare.code, 0) << prepare.err;
  EXPECT_NE(prepare.err.find("2 byte order marks removed, 2 line ends CR LF"), std::string::npos) << prepare.err;
  EXPECT_EQ(nlohmann::json::parse(prepare.out).at("train_tokens").get<int>() +
                nlohmann::json::parse(prepare.out).at("val_tokens").get<int>(),
            20);
  const Outcome inspect = run(folder, "inspect --data a.txt --block_size 2 --batch_size 1 --n_embd 8 --n_head 2");
  EXPECT_NE(inspect.err.find("byte order mark removed"), std::string::npos) << inspect.err;
}

TEST(Cli, ResultsGoToStandardOutputOnly) {
  const TemporaryFolder folder;
  const Outcome norms = run(folder, "norms --json");
  EXPECT_EQ(norms.code, 0);
  EXPECT_EQ(norms.err, "");
  const auto listed = nlohmann::json::parse(norms.out)["norms"];
  const auto part = std::find_if(listed.begin(), listed.end(), [](const auto& n) { return n["name"] == "prmsnorm"; });
  ASSERT_NE(part, listed.end());
  EXPECT_EQ((*part)["options"][0]["name"], "p");
  EXPECT_EQ((*part)["options"][0]["range"], "(0, 1]");
  EXPECT_EQ((*part)["options"][0]["default"], "0.0625");
  const Outcome shown = run(folder, "norms");
  for (const char* words : {"prmsnorm:p", "(0, 1]", "rmsnorm:unit_offset", "true or false"})
    EXPECT_NE(shown.out.find(words), std::string::npos) << shown.out;
  const Outcome cost = run(folder, "inspect --preset nanogpt-cpu --json");
  EXPECT_EQ(cost.code, 0) << cost.err;
  EXPECT_EQ(nlohmann::json::parse(cost.out)["tokens_per_step"], 12 * 64);
}

TEST(Cli, InspectCountsTheStepsThatTrainWillMake) {
  const TemporaryFolder folder;
  std::string text;
  for (int i = 0; i < 400; ++i) text += "the quick brown fox ";
  write_text(folder / "text.txt", text);
  const std::string keys = " --n_layer 1 --n_embd 16 --n_head 2 --block_size 8 --batch_size 4 --train_tokens 640";
  const auto steps = [&](const std::string& flags) {
    const Outcome outcome = run(folder, "inspect --json" + keys + flags);
    EXPECT_EQ(outcome.code, 0) << outcome.err;
    return nlohmann::json::parse(outcome.out)["steps"];
  };
  EXPECT_EQ(steps(" --max_iters 30"), 30);
  EXPECT_TRUE(steps(" --epochs 3").is_null());
  const Outcome trained = run(folder, "train --quiet --data text.txt --out_dir r --json --epochs 3" + keys);
  ASSERT_EQ(trained.code, 0) << trained.err;
  EXPECT_EQ(steps(" --epochs 3 --data text.txt"), nlohmann::json::parse(trained.out)["steps"]);
}

TEST(Cli, BenchPrintsWhatItMeasures) {
  const TemporaryFolder folder;
  const std::string bench = "bench attention --n_embd 16 --n_head 2 --block_size 8 --batch_size 2 --threads 1";
  const auto rows = nlohmann::json::parse(run(folder, bench + " --json").out);
  ASSERT_EQ(rows.size(), 2u);
  EXPECT_EQ(rows[0]["kernel"], "forward");
  EXPECT_GT(rows[1]["gflops"].get<double>(), 0);
  std::istringstream text(run(folder, bench).out);
  std::string head, forward, backward;
  std::getline(text, head), std::getline(text, forward), std::getline(text, backward);
  EXPECT_EQ(head.rfind("kernel ", 0), 0u);
  EXPECT_EQ(forward.rfind("forward ", 0), 0u);
  EXPECT_EQ(head.size(), forward.size());
  EXPECT_EQ(head.size(), backward.size());
}

TEST(Cli, ABooleanMayStandBareAndFlagsWinOverFiles) {
  const TemporaryFolder folder;
  write_text(folder / "a.toml", "n_layer = 2\nn_embd = 32\nvocab_size = 65\n");
  const auto parameters = [&](const std::string& flags) {
    const Outcome outcome = run(folder, "inspect --json --config a.toml " + flags);
    EXPECT_EQ(outcome.code, 0) << outcome.err;
    return nlohmann::json::parse(outcome.out)["parameters"].get<std::int64_t>();
  };
  const std::int64_t plain = parameters("");
  EXPECT_EQ(parameters("--bias false"), plain);
  EXPECT_GT(parameters("--bias"), plain);
  EXPECT_EQ(parameters("--bias --n_layer=2"), parameters("--bias=true"));
  EXPECT_LT(parameters("--n_layer 1"), plain);
}

TEST(Cli, ABrokenPipeIsNoCrashAndAFullDiskIsAnError) {
  const TemporaryFolder folder;
  const std::string program = std::string("'") + NORMSCOPE_BINARY + "'";
  const std::string pipe =
      "bash -c \"set -o pipefail; " + program + " train --help | head -c 1 >/dev/null\" 2>/dev/null";
  EXPECT_EQ(std::system(pipe.c_str()), 0);
  const int full = std::system((program + " norms >/dev/full 2>/dev/null").c_str());
  EXPECT_EQ(WEXITSTATUS(full), 1);
}

TEST(Lists, BlanksRepeatedFlagsAndArraysAreOneRule) {
  const TemporaryFolder folder;
  const std::string row = run(folder, "norms apply rmsnorm --x 1,2,3").out;
  EXPECT_NE(row, "");
  EXPECT_EQ(run(folder, "norms apply rmsnorm --x '1, 2, 3'").out, row);
  EXPECT_EQ(run(folder, "norms apply rmsnorm --x 1 --x 2,3").out, row);

  std::string words;
  for (int i = 0; i < 400; ++i) words += "abc def\n";
  write_text(folder / "a,b.txt", words);
  write_text(folder / "c.txt", words + words);
  write_text(folder / "list.toml", "norm = [\"layernorm\", \"rmsnorm\"]\n");
  const std::string study =
      "ablate --n_layer 1 --n_head 2 --n_embd 16 --block_size 8 --batch_size 4 --threads 1 --max_iters 2 --seeds 1 "
      "--eval_interval 0 --quiet --json ";
  const auto axes = [&](const std::string& arguments) {
    const Outcome outcome = run(folder, study + arguments);
    EXPECT_EQ(outcome.code, 0) << arguments << outcome.err;
    return nlohmann::json::parse(outcome.out, nullptr, false).value("axes", nlohmann::json()).dump();
  };
  const std::string two = R"({"norm":["layernorm","rmsnorm"]})";
  EXPECT_EQ(axes("--data a,b.txt --norm 'layernorm, rmsnorm' --out_dir s1"), two);
  EXPECT_EQ(axes("--data a,b.txt --norm layernorm --norm rmsnorm --out_dir s2"), two);
  EXPECT_EQ(axes("--data a,b.txt --config list.toml --out_dir s3"), two);
  EXPECT_EQ(axes("--data '\"a,b.txt\", c.txt' --out_dir s4"), R"({"data":["a,b.txt","c.txt"]})");
}

}  // namespace
}  // namespace normscope::cli_test
