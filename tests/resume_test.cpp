// label: train
// A run that was killed or stopped and goes on is, bit for bit, the run that never stopped.
#include "train_helpers.h"

namespace normscope::train_test {
namespace {

/// Steps of some 10 ms, so that a signal meets the run on its way.
const std::string kSlow = kTiny + " --eval_interval 1 --eval_iters 150 --checkpoint_interval 7";

class Stopped : public ::testing::TestWithParam<const char*> {};

TEST_P(Stopped, ByTheSteps) {  // 7 steps, then on to 20: in the middle of the second epoch
  const TemporaryFolder folder;
  const std::string train = "train" + kTiny + " --lr_decay_iters 20 " + GetParam();
  expect_done(folder, train + " --out_dir straight");
  expect_done(folder, train + " --out_dir stopped --max_iters 7");
  expect_done(folder, train + " --out_dir stopped --init_from resume");
  expect_same_run(folder / "straight", folder / "stopped", false);  // the exact row of the first 7 steps stays
  const RunData data = read_run(folder / "stopped/run.h5");
  EXPECT_EQ(data.step.size(), 20u);
  ASSERT_GE(data.epochs.size(), 3u);
  for (const EpochRow& row : data.epochs) EXPECT_EQ(row.complete, &row != &data.epochs.back()) << row.epoch;
}
INSTANTIATE_TEST_SUITE_P(Keys, Stopped,
                         ::testing::Values("", "--dropout 0.2 --gradient_accumulation_steps 3 --train_tokens 600",
                                           "--arch llama --n_kv_head 1 --dtype float64 --tie_weights false",
                                           "--optimizer sgd --norm_placement post --sampler random --probe_interval 3",
                                           "--norm rmsnorm --probe blocks.1.* --bias true --epoch_iters 6"));

TEST(Killed, GoesOnFromItsNewestCheckpoint) {
  const TemporaryFolder folder;
  const std::string train = "train" + kSlow + " --dropout 0.1 --gradient_accumulation_steps 2 --train_tokens 400";
  expect_done(folder, train + " --out_dir straight");
  const int status = Background(folder, train + " --out_dir killed")
                         .signal_after(folder / "killed/checkpoints/step_000007.h5", SIGKILL);
  ASSERT_TRUE(WIFSIGNALED(status)) << "the run was over before it could be killed";
  EXPECT_EQ(read_run(folder / "killed/run.h5").status, "running");
  expect_done(folder, train + " --out_dir killed --init_from resume");
  expect_same_run(folder / "straight", folder / "killed");
}

TEST(Terminated, FinishesItsStepSavesAndGoesOn) {
  const TemporaryFolder folder;
  const std::string train = "train" + kSlow;
  expect_done(folder, train + " --out_dir straight");
  const int status = Background(folder, train + " --out_dir stopped")
                         .signal_after(folder / "stopped/checkpoints/step_000007.h5", SIGTERM);
  ASSERT_TRUE(WIFEXITED(status));
  ASSERT_EQ(WEXITSTATUS(status), 130) << "interrupted after saving";
  const RunData data = read_run(folder / "stopped/run.h5");
  EXPECT_EQ(data.status, "interrupted");
  EXPECT_GE(data.step.size(), 7u);
  EXPECT_LT(data.step.size(), 20u);
  EXPECT_EQ(data.evals.size(), data.step.size()) << "every step's evaluation was made";
  expect_done(folder, train + " --out_dir stopped --init_from resume");
  expect_same_run(folder / "straight", folder / "stopped");
}

TEST(Terminated, InItsLastEvaluationIsDone) {  // the signal waits until all is saved, and is then forgotten
  const TemporaryFolder folder;
  const int status = Background(folder, "train" + kTiny +
                                            " --data synthetic:markov:tokens=200000 --max_iters 3 --eval_interval 0 "
                                            "--checkpoint_interval 1 --out_dir last")
                         .signal_after(folder / "last/checkpoints/step_000002.h5", SIGTERM);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << status;
  EXPECT_EQ(read_run(folder / "last/run.h5").status, "done");
}

TEST(Resume, OfAStoppedRunMadeShorterEvaluatesItExactly) {
  const TemporaryFolder folder;
  const std::string train = "train" + kSlow + " --out_dir r";
  Background(folder, train).signal_after(folder / "r/checkpoints/step_000007.h5", SIGTERM);
  const std::size_t steps = read_run(folder / "r/run.h5").step.size();
  expect_done(folder, train + " --lr_decay_iters 20 --init_from resume --max_iters " + std::to_string(steps));
  const RunData data = read_run(folder / "r/run.h5");
  EXPECT_EQ(data.status, "done");
  EXPECT_EQ(data.step.size(), steps);
  EXPECT_TRUE(data.evals.back().exact);
  EXPECT_EQ(data.evals.back().step, static_cast<std::int64_t>(steps) - 1);
}

TEST(Resume, WithoutACheckpointStartsAfresh) {
  const TemporaryFolder folder;
  expect_done(folder, "train" + kTiny + " --out_dir fresh --init_from resume");
  expect_done(folder, "train" + kTiny + " --out_dir straight");
  expect_same_run(folder / "straight", folder / "fresh");
}

TEST(Resume, OfAFinishedRunChangesNothing) {
  const TemporaryFolder folder;
  expect_done(folder, "train" + kTiny + " --out_dir once");
  expect_done(folder, "train" + kTiny + " --out_dir twice");
  expect_done(folder, "train" + kTiny + " --out_dir twice --init_from resume");
  expect_same_run(folder / "once", folder / "twice");
}

TEST(Resume, RefusesWhatWouldBeAnotherRun) {
  const TemporaryFolder folder;
  expect_done(folder, "train" + kTiny + " --out_dir run --max_iters 3");
  for (const auto& [change, key] :
       std::vector<std::pair<std::string, std::string>>{{"--batch_size 5", "batch_size"},
                                                        {"--seed 2", "seed"},
                                                        {"--norm rmsnorm", "norm"},
                                                        {"--learning_rate 1", "learning_rate"},
                                                        {"--data synthetic:markov:tokens=6000", "data"}}) {
    const Outcome outcome = run(folder, "train" + kTiny + " --out_dir run --init_from resume " + change);
    EXPECT_EQ(outcome.code, 2) << change;
    EXPECT_NE(outcome.err.find(key), std::string::npos) << outcome.err;
  }
  EXPECT_EQ(read_run(folder / "run/run.h5").step.size(), 3u) << "and leaves it as it was";
}

}  // namespace
}  // namespace normscope::train_test
