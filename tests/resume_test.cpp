// label: train
// A run that was killed or stopped and goes on is, bit for bit, the run that never stopped.
#include "config/config.h"
#include "run/checkpoint.h"
#include "train_helpers.h"

namespace normscope::train_test {
namespace {

namespace fs = std::filesystem;

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
                                           "--qk_norm rmsnorm --v_norm layernorm:whole=true --attn_softcap 5 "
                                           "--logit_softcap 5 --embed_norm rmsnorm --embed_scale learnable",
                                           "--arch llama --qk_norm l2 --activation geglu_tanh --embed_scale sqrt",
                                           "--optimizer sgd --norm_placement post --sampler random --probe_interval 3",
                                           "--norm rmsnorm --probe blocks.1.* --bias true --epoch_iters 6"));

TEST(Resume, GoesOnCountingTheSeconds) {
  const TemporaryFolder folder;
  const std::string train = "train" + kTiny + " --out_dir run";
  expect_done(folder, train + " --max_iters 7");
  const std::string checkpoint = *newest_checkpoint(folder / "run");
  const std::string script = "import h5py; h5py.File('" + checkpoint + "', 'r+')['state/elapsed_s'][()] = 1000";
  ASSERT_EQ(
      std::system(("python3 -c \"" + script + "\" 2>/dev/null || /usr/bin/python3 -c \"" + script + "\"").c_str()), 0);
  expect_done(folder, train + " --init_from resume");
  const RunData data = read_run(folder / "run/run.h5");
  EXPECT_LT(data.elapsed_s.at(6), 1000);
  for (std::size_t i = 7; i < 20; ++i) EXPECT_GT(data.elapsed_s.at(i), std::max(1000.0, data.elapsed_s[i - 1])) << i;
}

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

TEST(Resume, NeedsTheFolderOnly) {
  const TemporaryFolder folder;
  const std::string train = "train" + kTiny + " --lr_decay_iters 20";
  expect_done(folder, train + " --out_dir straight");
  for (const bool has_toml : {true, false}) {
    expect_done(folder, train + " --out_dir begun --max_iters 7 --overwrite");
    fs::rename(folder / "begun", folder / "moved");
    if (!has_toml) fs::remove(folder / "moved/config.toml");  // then run.h5 knows
    const Outcome outcome = run(folder, "train --out_dir moved --init_from resume --max_iters 20");
    EXPECT_EQ(outcome.code, 0) << outcome.err;
    EXPECT_NE(outcome.err.find("at step 7 of 20"), std::string::npos) << outcome.err;
    EXPECT_NE(outcome.out.find("resumed at step 7"), std::string::npos) << outcome.out;
    expect_same_run(folder / "straight", folder / "moved", false);
    EXPECT_FALSE(fs::exists(folder / "begun"));
    fs::remove_all(folder / "moved");
  }
}

TEST(Resume, OfALongerRunMovesTheEndOfItsDecay) {
  const TemporaryFolder folder;
  const auto end_of_decay = [&](const std::string& keys) {
    expect_done(folder, "train" + kTiny + " --out_dir r --overwrite --max_iters 5");
    expect_done(folder, "train --out_dir r --init_from resume " + keys);
    return Config::from_json(read_run(folder / "r/run.h5").config_json).lr_decay_iters;
  };
  EXPECT_EQ(end_of_decay("--max_iters 9"), 9);
  EXPECT_EQ(end_of_decay("--max_iters 9 --lr_decay_iters 5"), 5);
  expect_done(folder, "train" + kTiny + " --out_dir e --epochs 1");
  expect_done(folder, "train --out_dir e --init_from resume --max_iters 9");
  EXPECT_EQ(read_run(folder / "e/run.h5").step.size(), 9u) << "not one epoch any more";
}

TEST(Resume, WithNothingToResumeIsAnError) {
  const TemporaryFolder folder;
  const auto expect_refusal = [&](const std::string& arguments, const std::string& reason) {
    const Outcome outcome = run(folder, arguments);
    EXPECT_EQ(outcome.code, 2) << arguments << "\n" << outcome.err;
    EXPECT_NE(outcome.err.find(reason), std::string::npos) << outcome.err;
  };
  expect_refusal("train --out_dir r --init_from resume", "r does not exist");
  expect_refusal("train" + kTiny + " --init_from resume", "runs/gpt-layernorm-L2-C16-markov-s1337 does not exist");
  expect_refusal("ablate" + kTiny + " --norm layernorm,rmsnorm --init_from resume", "remove init_from");
  EXPECT_FALSE(fs::exists(folder / "runs"));
  fs::create_directory(folder / "r");
  expect_refusal("train --out_dir r --init_from resume", "r contains no run");
  EXPECT_TRUE(fs::is_empty(folder / "r"));
  expect_done(folder, "train" + kTiny + " --out_dir r");
  fs::remove(checkpoint_of(folder / "r"));
  expect_refusal("train --out_dir r --init_from resume", "before its first checkpoint");
  EXPECT_EQ(read_run(folder / "r/run.h5").step.size(), 20u) << "and leaves it as it was";
}

TEST(Resume, AutoStartsOrContinuesAndSaysWhich) {
  const TemporaryFolder folder;
  const std::string train = "train" + kTiny + " --lr_decay_iters 20 --init_from auto --out_dir ";
  expect_done(folder, "train" + kTiny + " --lr_decay_iters 20 --out_dir straight");
  const Outcome begun = run(folder, train + "r --max_iters 7");
  EXPECT_EQ(begun.code, 0) << begun.err;
  EXPECT_NE(begun.err.find("nothing to resume in r; starting from scratch"), std::string::npos) << begun.err;
  EXPECT_NE(begun.out.find("from scratch"), std::string::npos) << begun.out;
  const Outcome resumed = run(folder, train + "r");
  EXPECT_EQ(resumed.code, 0) << resumed.err;
  EXPECT_NE(resumed.out.find("resumed at step 7"), std::string::npos) << resumed.out;
  expect_same_run(folder / "straight", folder / "r", false);
  fs::remove(checkpoint_of(folder / "r"));  // as if killed before the first one: a queue must not be stuck
  expect_done(folder, train + "r");
  expect_same_run(folder / "straight", folder / "r");
}

TEST(Resume, OfAFinishedRunChangesNothing) {
  const TemporaryFolder folder;
  expect_done(folder, "train" + kTiny + " --out_dir once");
  expect_done(folder, "train" + kTiny + " --out_dir twice");
  const Outcome again = run(folder, "train --out_dir twice --init_from resume");
  EXPECT_EQ(again.code, 0) << again.err;
  EXPECT_NE(again.err.find("all steps of this run are done"), std::string::npos) << again.err;
  EXPECT_EQ(again.out.find("tokens/s"), std::string::npos) << again.out;
  const Outcome json = run(folder, "train --out_dir twice --init_from resume --json --quiet");
  EXPECT_NE(json.out.find("\"tokens_per_s\": null"), std::string::npos) << json.out;
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
