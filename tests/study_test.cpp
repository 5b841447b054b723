// Paired ablations: grids, study.json, stopping and continuing, what may be paired. The runs are made by a stand-in for
// `normscope train`: this binary itself, called with `train`.
#include <gtest/gtest.h>
#include "io/file_util.h"
#include "study/arms.h"
#include "study/study.h"
#include <stdlib.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <set>
#include <sstream>
#include <thread>

#include "tests/fake_train.h"
#include "tests/files.h"
#include "tests/synthetic_study.h"

namespace normscope {
namespace {

namespace fs = std::filesystem;
using testing::fake_study;
using testing::FakeStudy;

class StudyTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::ofstream text(folder_ / "text.txt");
    for (int i = 0; i < 400; ++i) text << "the quick brown fox jumps over the lazy dog\n";
  }
  void TearDown() override { unsetenv("FAKE_TRAIN"); }

  StudyOptions options() {
    StudyOptions out;
    out.base.data = (folder_ / "text.txt").string();
    out.base.max_iters = 20;
    out.base.n_embd = 16;
    out.base.block_size = 8;
    out.axes = {{"norm", {"layernorm", "rmsnorm"}}};
    out.seeds = 3;
    out.jobs = 2;
    out.out_dir = (folder_ / "study").string();
    out.quiet = true;
    out.command = "normscope ablate";
    out.program = fs::read_symlink("/proc/self/exe").string();
    return out;
  }

  test_files::TemporaryFolder temporary_;
  const fs::path folder_ = temporary_.path();
};

std::string message_of(const StudyOptions& options) {
  try {
    run_study(options);
  } catch (const UsageError& error) {
    return error.what();
  }
  return "";
}

std::size_t lines_of(const fs::path& file) {
  std::ifstream in(file);
  std::string line;
  std::size_t n = 0;
  while (std::getline(in, line)) ++n;
  return n;
}

TEST_F(StudyTest, RunsTheGridAndKeepsWhatIsFinished) {
  const StudyOutcome first = run_study(options());
  EXPECT_EQ(first.exit, ExitCode::done) << (first.problems.empty() ? "" : first.problems.front());
  const fs::path study = folder_ / "study", log = folder_ / "starts";
  EXPECT_EQ(lines_of(log), 6u);
  const Study read = read_study(study.string());
  EXPECT_EQ(read.runs.size(), 6u);
  for (const StudyRun& run : read.runs) {
    EXPECT_EQ(run.status, "done");
    EXPECT_TRUE(fs::exists(study / run.file));
  }
  EXPECT_NEAR(read.comparisons.front().result.mean, 0.5, 1e-9);
  EXPECT_TRUE(fs::exists(study / "report.html"));

  EXPECT_EQ(run_study(options()).exit, ExitCode::done);
  EXPECT_EQ(lines_of(log), 6u) << "finished runs were made again";
  StudyOptions more = options();
  more.seeds = 4;
  EXPECT_EQ(run_study(more).exit, ExitCode::done);
  EXPECT_EQ(lines_of(log), 8u) << "a grown study runs only what is new";
}

TEST_F(StudyTest, AnotherConfigIsRefusedByItsKey) {
  run_study(options());
  StudyOptions other = options();
  other.base.learning_rate = 0.5;
  EXPECT_NE(message_of(other).find("learning_rate was 0.001 and is now 0.5"), std::string::npos) << message_of(other);
  other = options();
  other.axes = {{"norm", {"layernorm", "none"}}};
  EXPECT_NE(message_of(other).find("norm"), std::string::npos);
  other.overwrite = true;
  EXPECT_EQ(run_study(other).exit, ExitCode::done);
}

TEST_F(StudyTest, BadGridsAreRefusedBeforeAnyWork) {
  StudyOptions bad = options();
  bad.axes = {{"norm", {"layernorm", "layernorm"}}};
  EXPECT_NE(message_of(bad).find("twice"), std::string::npos);
  bad.axes = {{"learning_rate", {"1e-3", "0.001"}}};
  EXPECT_NE(message_of(bad).find("twice"), std::string::npos);
  bad.axes = {{"seed", {"1", "2"}}};
  EXPECT_NE(message_of(bad).find("--seeds"), std::string::npos);
  bad = options();
  bad.base.data = (folder_ / "missing.txt").string();
  EXPECT_FALSE(message_of(bad).empty());
  EXPECT_FALSE(fs::exists(folder_ / "study"));
}

TEST_F(StudyTest, AFolderThatIsNoStudyIsLeftAlone) {
  fs::create_directories(folder_ / "study");
  std::ofstream(folder_ / "study" / "thesis.txt") << "dear";
  StudyOptions here = options();
  for (const bool overwrite : {false, true}) {
    here.overwrite = overwrite;
    EXPECT_NE(message_of(here).find("not written by normscope"), std::string::npos);
    EXPECT_TRUE(fs::exists(folder_ / "study" / "thesis.txt"));
  }
}

TEST_F(StudyTest, OverwriteTakesTheStudyAndLeavesTheRest) {
  run_study(options());
  const fs::path runs = folder_ / "study" / "runs", mine = runs / "mine" / "run.h5";  // as `train --name mine` left it
  fs::create_directories(mine.parent_path());
  std::ofstream(mine) << "dear";
  StudyOptions again = options();
  again.overwrite = true;
  again.axes = {{"norm", {"layernorm"}}};
  EXPECT_EQ(message_of(again), "");
  EXPECT_TRUE(fs::exists(mine));
  EXPECT_FALSE(fs::exists(runs / "norm-rmsnorm_seed-1337"));
  EXPECT_FALSE(fs::exists(runs / "norm-rmsnorm_seed-1337.log"));
  EXPECT_EQ(lines_of(folder_ / "starts"), 6u + 3u);
}

TEST_F(StudyTest, RunsOnOtherDataOrFromOtherWeightsAreNotTakenOver) {
  StudyOptions one = options();
  one.axes = {{"norm", {"layernorm"}}};
  run_study(one);
  StudyOptions other = one;
  other.base.init_from = "runs/base";
  EXPECT_NE(message_of(other).find("init_from was scratch and is now"), std::string::npos) << message_of(other);
  std::ofstream(folder_ / "text.txt", std::ios::app) << "and one line more\n";
  EXPECT_EQ(message_of(one), "") << "all is there: nothing is trained on the new text";
  EXPECT_NE(message_of(options()).find("is not the data that norm-layernorm_seed-1337 was trained on"),
            std::string::npos);
  EXPECT_EQ(lines_of(folder_ / "starts"), 3u);
}

TEST_F(StudyTest, AFailingRunDoesNotStopTheOthers) {
  setenv("FAKE_TRAIN", "fail rmsnorm", 1);
  const StudyOutcome outcome = run_study(options());
  EXPECT_EQ(outcome.exit, ExitCode::runtime);
  ASSERT_EQ(outcome.problems.size(), 3u);
  EXPECT_NE(outcome.problems.front().find("out of luck"), std::string::npos) << outcome.problems.front();
  EXPECT_EQ(read_study((folder_ / "study").string()).runs.front().status, "done");
  unsetenv("FAKE_TRAIN");
  EXPECT_EQ(run_study(options()).exit, ExitCode::done);
  EXPECT_EQ(lines_of(folder_ / "starts"), 9u);
}

TEST_F(StudyTest, DivergedRunsAreResults) {
  setenv("FAKE_TRAIN", "diverge rmsnorm", 1);
  const StudyOutcome outcome = run_study(options());
  EXPECT_EQ(outcome.exit, ExitCode::done) << (outcome.problems.empty() ? "" : outcome.problems.front());
  EXPECT_NE(outcome.text.find("3 diverged"), std::string::npos);
  const std::string finding = "LayerNorm trains, RMSNorm diverges in 3 of 3 runs.";
  EXPECT_NE(outcome.text.find(finding), std::string::npos) << outcome.text;
  std::ifstream report(outcome.report);
  const std::string html(std::istreambuf_iterator<char>(report), {});
  EXPECT_NE(html.find(finding), std::string::npos);
}

TEST_F(StudyTest, AStopIsPassedOnAndTheStudyContinues) {
  setenv("FAKE_TRAIN", "slow", 1);
  std::thread stopper([&] {
    while (lines_of(folder_ / "starts") < 2) std::this_thread::sleep_for(std::chrono::milliseconds(10));
    std::this_thread::sleep_for(std::chrono::milliseconds(200));
    kill(getpid(), SIGTERM);
  });
  const StudyOutcome outcome = run_study(options());
  stopper.join();
  EXPECT_EQ(outcome.exit, ExitCode::interrupted);
  EXPECT_EQ(lines_of(folder_ / "starts"), 2u);
  unsetenv("FAKE_TRAIN");
  EXPECT_EQ(run_study(options()).exit, ExitCode::done);
  EXPECT_EQ(lines_of(folder_ / "starts"), 8u);
  std::ifstream in(folder_ / "starts");
  std::stringstream text;
  text << in.rdbuf();
  EXPECT_NE(text.str().find("resume"), std::string::npos) << "an interrupted run was not continued";
}

TEST_F(StudyTest, AStopWhileRunsLoadTheirDataIsNoFailure) {
  setenv("FAKE_TRAIN", "loading", 1);
  std::thread stopper([&] {
    while (lines_of(folder_ / "starts") < 2) std::this_thread::sleep_for(std::chrono::milliseconds(10));
    kill(getpid(), SIGTERM);
  });
  const StudyOutcome outcome = run_study(options());
  stopper.join();
  EXPECT_EQ(outcome.exit, ExitCode::interrupted);
  EXPECT_TRUE(outcome.problems.empty());
}

TEST_F(StudyTest, AStopWhileTimesAreMeasuredKeepsTheRunsAndNoTimes) {
  StudyOptions timed = options();
  timed.time_arms = [](const std::vector<Config>& arms, int rounds, const auto& go_on) {
    kill(getpid(), SIGTERM);
    EXPECT_EQ(rounds, 30);
    EXPECT_FALSE(go_on(0));
    return std::vector<std::vector<double>>(arms.size());
  };
  const StudyOutcome stopped = run_study(timed);
  EXPECT_EQ(stopped.exit, ExitCode::interrupted);
  EXPECT_NE(stopped.text.find("time per step is not measured"), std::string::npos) << stopped.text;
  EXPECT_TRUE(read_study(timed.out_dir).step_times.empty());
  timed.time_arms = [](const std::vector<Config>& arms, int rounds, const auto&) {
    return std::vector<std::vector<double>>(arms.size(), std::vector<double>(static_cast<std::size_t>(rounds), 1.0));
  };
  EXPECT_EQ(run_study(timed).exit, ExitCode::done);
  EXPECT_EQ(lines_of(folder_ / "starts"), 6u);
  EXPECT_EQ(read_study(timed.out_dir).step_times.size(), 2u);
}

TEST_F(StudyTest, TwoAtOnceOnOneFolder) {
  fs::create_directories(folder_ / "study");
  const FolderLock lock((folder_ / "study").string());
  EXPECT_FALSE(message_of(options()).empty());
}

TEST_F(StudyTest, CompareTakesRunsAndStudies) {
  run_study(options());
  const fs::path runs = folder_ / "study" / "runs";
  CompareOptions compared;
  compared.paths = {(runs / "norm-layernorm_seed-1337").string(), (runs / "norm-rmsnorm_seed-1337").string()};
  compared.out_dir = (folder_ / "compared").string();
  const CompareOutcome pair = compare(compared);
  EXPECT_NE(pair.text.find("RMSNorm's validation loss is 0.5000 nats higher than LayerNorm's (29 %) with one seed: no "
                           "interval"),
            std::string::npos)
      << pair.text;
  EXPECT_TRUE(fs::exists(pair.report));
  EXPECT_THROW(compare(compared), UsageError) << "an existing report was overwritten";

  compared.paths[1] = (runs / "norm-rmsnorm_seed-1338").string();
  compared.overwrite = true;
  try {
    compare(compared);
    FAIL() << "seeds differ";
  } catch (const UsageError& error) {
    EXPECT_NE(std::string(error.what()).find("the seed set differs"), std::string::npos) << error.what();
  }

  StudyOptions other = options();
  other.out_dir = (folder_ / "other").string();
  other.base.learning_rate = 0.01;
  run_study(other);
  compared.paths = {options().out_dir, other.out_dir};
  EXPECT_NE(compare(compared).text.find("lr 0.01"), std::string::npos);

  compared.paths = {(runs / "norm-layernorm_seed-1337").string(),
                    (folder_ / "other/runs/norm-rmsnorm_seed-1337").string()};
  const CompareOutcome both = compare(compared);
  for (const std::string& text : {both.text, test_files::read_text(both.report)})
    EXPECT_NE(text.find("may be the cause: learning_rate (0.001, 0.01)"), std::string::npos) << both.text;

  other.out_dir = (folder_ / "third").string();
  other.base.batch_size = 5;
  run_study(other);
  compared.paths = {options().out_dir, other.out_dir};
  try {
    compare(compared);
    FAIL() << "batches differ";
  } catch (const UsageError& error) {
    EXPECT_NE(std::string(error.what()).find("batch_size differs"), std::string::npos) << error.what();
  }
}

}  // namespace

}  // namespace normscope

int main(int argc, char** argv) {
  if (argc > 1 && std::string(argv[1]) == "train") return normscope::testing::fake_train(argc, argv);
  ::testing::InitGoogleTest(&argc, argv);
  return RUN_ALL_TESTS();
}
