// gradcheck --foreign from outside: the example's file, exit codes, JSON.
#include <nlohmann/json.hpp>

#include "cli_helpers.h"

namespace normscope::cli_test {
namespace {

class ForeignCli : public testing::Test {
 protected:
  /// Runs the example with `edit` (sed) applied; theirs.npz is in the folder afterwards.
  void run_example(const std::string& edit = "") {
    std::string python;
    for (const char* name : {"python3", "/usr/bin/python3"})
      if (std::system((std::string(name) + " -c 'import numpy' 2>/dev/null").c_str()) == 0) python = name;
    if (python.empty()) GTEST_SKIP() << "no Python has numpy: apt-get install python3-numpy";
    const std::string command = "cd '" + folder_.path().string() + "' && sed -e '" + edit +
                                "' '" NORMSCOPE_SOURCE "/examples/foreign_norm.py' >example.py && " + python +
                                " example.py";
    ASSERT_EQ(std::system(command.c_str()), 0);
  }
  TemporaryFolder folder_;
};

TEST_F(ForeignCli, TheExampleIsRight) {
  run_example();
  if (IsSkipped()) return;
  const Outcome outcome = run(folder_, "gradcheck --foreign theirs.npz --norm layernorm");
  EXPECT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_NE(outcome.out.find("RIGHT: y, dx, dgain, dbias\n"), std::string::npos) << outcome.out;
}

TEST_F(ForeignCli, AMissingTermIsExitCode1AndNamed) {
  run_example("s/dn - dn.mean(-1, keepdims=True) - /dn - /");
  if (IsSkipped()) return;
  const Outcome outcome = run(folder_, "gradcheck --foreign theirs.npz --norm layernorm");
  EXPECT_EQ(outcome.code, 4) << outcome.err;
  EXPECT_NE(outcome.out.find("WRONG: dx\nlikely mistake (dx): the term with mean(dn) is missing in dx; right: "),
            std::string::npos)
      << outcome.out;
  const Outcome json = run(folder_, "gradcheck --foreign theirs.npz --norm layernorm --json");
  EXPECT_EQ(json.code, 4);
  const auto document = nlohmann::json::parse(json.out);
  EXPECT_FALSE(document["right"]);
  EXPECT_EQ(document["rows"], 32);
  ASSERT_EQ(document["results"].size(), 4u);
  EXPECT_TRUE(document["results"][0]["right"]);
  EXPECT_FALSE(document["results"][1]["right"]);
  EXPECT_EQ(document["mistakes"][0]["results"], nlohmann::json({"dx"}));
}

TEST_F(ForeignCli, AFileThatCannotBeJudgedIsExitCode2) {
  write_text(folder_ / "theirs.npz", "no zip");
  const Outcome outcome = run(folder_, "gradcheck --foreign theirs.npz --norm layernorm");
  EXPECT_EQ(outcome.code, 2);
  EXPECT_EQ(outcome.out, "");
  EXPECT_EQ(std::count(outcome.err.begin(), outcome.err.end(), '\n'), 1) << outcome.err;
}

}  // namespace
}  // namespace normscope::cli_test
