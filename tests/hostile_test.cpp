// label: train
// What users, disks and limits do to the program: a sentence and an exit code, and nothing lost or half-written.
#include <algorithm>
#include <map>

#include "io/array_file.h"

#include <nlohmann/json.hpp>

#include "train_helpers.h"

namespace normscope {
namespace {

using namespace train_test;
using cli_test::read_text;
using cli_test::write_text;
namespace fs = std::filesystem;

constexpr char kWords[] = "hello world, this is a text without a line break. ";

std::string text(const TemporaryFolder& folder) {
  std::string all;
  for (int i = 0; i < 60; ++i) all += kWords;
  return write_text(folder / "t.txt", all);
}

std::string keys(const std::string& out_dir) {
  return " --data t.txt --n_layer 1 --n_embd 16 --n_head 2 --block_size 8 --batch_size 4 --max_iters 20 --warmup_iters "
         "2"
         " --eval_iters 2 --threads 1 --quiet --out_dir " +
         out_dir;
}

/// One sentence, the code, and every part of `wanted` in it.
void expect_refusal(const TemporaryFolder& folder, const std::string& arguments, int code,
                    const std::vector<std::string>& wanted) {
  const Outcome outcome = run(folder, arguments);
  EXPECT_EQ(outcome.code, code) << arguments << "\n" << outcome.err;
  EXPECT_EQ(std::count(outcome.err.begin(), outcome.err.end(), '\n'), 1) << outcome.err;
  EXPECT_EQ(outcome.err.find("unexpected"), std::string::npos) << outcome.err;
  for (const std::string& part : wanted)
    EXPECT_NE(outcome.err.find(part), std::string::npos) << part << "\n" << outcome.err;
}

std::size_t files_below(const std::string& path) {
  std::error_code error;
  const fs::recursive_directory_iterator all(path, error);
  return static_cast<std::size_t>(
      std::count_if(begin(all), end(all), [](const auto& e) { return e.is_regular_file(); }));
}

TEST(Hostile, ValuesThatWouldCrashOrWriteAstray) {
  const TemporaryFolder folder;
  text(folder);
  expect_refusal(folder, "train" + keys("a") + " --threads 100000", 2, {"threads", "1024"});
  expect_refusal(folder, "train" + keys("a") + " --n_layer 1000000", 2, {"n_layer"});
  expect_refusal(folder, "train" + keys("a") + " --name ..", 2, {"name = .."});
  expect_refusal(folder, "train" + keys("a") + " --norm layernorm:eps=1+eps=2", 2, {"eps is given twice"});
  expect_refusal(folder, "train" + keys("a") + " --norm layernorm:bias=false+", 2, {"name:key=value"});
  expect_refusal(folder, "train" + keys(std::string(300, 'n')), 1, {"File name too long"});
  expect_refusal(folder, "ablate" + keys("s") + " --norm layernorm,rmsnorm --seeds 99999999999", 2, {"--seeds"});
  expect_refusal(folder, "ablate" + keys("s") + " --norm layernorm,rmsnorm --seed 9223372036854775806 --seeds 5", 2,
                 {"seed"});
  EXPECT_FALSE(fs::exists(folder / "a"));
  EXPECT_FALSE(fs::exists(folder / "s"));
}

TEST(Hostile, MemoryThatEndsAtTheFirstStepLeavesNothing) {
  const TemporaryFolder folder;
  text(folder);
  // The weights find room, the MLP's activations do not.
  const std::string big = "train" + keys("made/run") + " --n_inner 400000 --batch_size 256 --sampler random";
  const std::string limit = "sh -c 'ulimit -v 3000000; exec \"$0\" \"$@\"' ";
  const std::string command = "cd '" + folder.path().string() + "' && " + limit + "'" + NORMSCOPE_BINARY + "' " +
                              last_of_each(big) + " 2>'" + (folder / "err") + "' >/dev/null";
  const int status = std::system(command.c_str());
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 1) << status;
  EXPECT_NE(read_text(folder / "err").find("out of memory"), std::string::npos) << read_text(folder / "err");
  EXPECT_FALSE(fs::exists(folder / "made"));
}

TEST(Hostile, OverwriteTakesTheRunAndLeavesTheRest) {
  const TemporaryFolder folder;
  text(folder);
  expect_done(folder, "train" + keys("r"));
  write_text(folder / "r/notes.txt", "mine");
  write_text(folder / "r/checkpoints/kept.txt", "mine");
  expect_done(folder, "train" + keys("r") + " --overwrite --max_iters 10");
  EXPECT_EQ(read_text(folder / "r/notes.txt"), "mine");
  EXPECT_EQ(read_text(folder / "r/checkpoints/kept.txt"), "mine");
  EXPECT_TRUE(fs::exists(folder / "r/checkpoints/step_000010.h5"));
  EXPECT_FALSE(fs::exists(folder / "r/checkpoints/step_000020.h5"));
}

std::map<std::string, std::string> contents(const std::string& below) {
  std::map<std::string, std::string> all;
  for (const auto& entry : fs::recursive_directory_iterator(below))
    all[entry.path().string()] = entry.is_regular_file() ? read_text(entry.path()) : "";
  return all;
}

TEST(Hostile, FilesOfOthersAreNeverReplaced) {
  const TemporaryFolder folder;
  text(folder);
  expect_done(folder, "train" + keys("r"));
  expect_done(folder, "train" + keys("q") + " --norm rmsnorm");
  expect_done(folder, "ablate" + keys("s") + " --norm layernorm,rmsnorm --seeds 1");
  fs::create_directories(folder / "mine/figures");
  write_text(folder / "mine/config.toml", "mine = 1");
  write_text(folder / "mine/metrics.jsonl", "mine");
  write_text(folder / "mine/run.h5", "mine");
  write_text(folder / "mine/study.json", "{}");
  write_text(folder / "mine/report.html", "mine");
  write_text(folder / "mine/meta.json", "{}");
  write_text(folder / "s/config.toml", "mine");  // in a folder of ours, but not ours
  const std::string dump = "dump --data t.txt --n_layer 1 --n_embd 16 --n_head 2 --block_size 8 --batch_size 4 --out ";
  expect_done(folder, dump + "d.h5");
  const auto before = contents(folder.path().string());
  for (const std::string overwrite : {"", " --overwrite"}) {
    const auto refused = [&](const std::string& command, const std::string& reason) {
      expect_refusal(folder, command + overwrite, 2, {reason});
    };
    const std::string strange = "mine contains files not written by normscope";
    refused("train" + keys("mine"), strange);
    refused("train" + keys("mine") + " --init_from auto", strange);
    refused("train" + keys("s"), "s/config.toml does not belong to a run");
    refused("ablate" + keys("mine") + " --norm layernorm,rmsnorm --seeds 1", strange);
    refused("ablate" + keys("r") + " --norm layernorm,rmsnorm --seeds 1", "r contains a run, not a study");
    refused("report r --out_dir mine", strange);
    refused("compare r q --out_dir mine", strange);
    refused("prepare t.txt --out_dir mine", strange);
    refused(dump + "mine/run.h5", "mine/run.h5 exists and is not a dump");
    refused(dump + "r/run.h5", "r/run.h5 exists and is not a dump");
  }
  expect_refusal(folder, "train" + keys("r"), 2, {"r already contains a run", "--init_from resume"});
  expect_refusal(folder, dump + "d.h5", 2, {"d.h5 exists", "--overwrite"});
  auto after = contents(folder.path().string());
  for (const char* name : {"stdout.txt", "stderr.txt"}) after.erase(folder / name);
  for (const auto& [path, bytes] : before)
    if (path != folder / "stdout.txt" && path != folder / "stderr.txt") {
      EXPECT_EQ(after[path], bytes) << path;
      after.erase(path);
    }
  EXPECT_TRUE(after.empty()) << after.begin()->first << " is new";
  // What is ours is replaced.
  expect_done(folder, dump + "d.h5 --overwrite");
  for (const char* overwrite : {"", " --overwrite"}) {
    expect_done(folder, "report r --out_dir rep" + std::string(overwrite));
    expect_done(folder, "prepare t.txt --out_dir p" + std::string(overwrite));
  }
}

TEST(Hostile, AStudyThatIsReplacedLeavesTheRest) {
  const TemporaryFolder folder;
  text(folder);
  const std::string study = "ablate" + keys("s") + " --norm layernorm,rmsnorm --seeds 1";
  expect_done(folder, study);
  write_text(folder / "s/figures/mine.svg", "mine");
  write_text(folder / "s/notes.txt", "mine");
  const std::string run_folder = folder / "s/runs/norm-rmsnorm_seed-1337";
  ASSERT_TRUE(fs::exists(run_folder));
  write_text(run_folder + "/notes.txt", "mine");
  expect_refusal(folder, study + " --max_iters 10 --overwrite", 2, {"notes.txt is not a file of the study"});
  EXPECT_EQ(read_run(run_folder + "/run.h5").step.size(), 20u) << "refused before anything is removed";
  fs::remove(run_folder + "/notes.txt");
  expect_done(folder, study + " --max_iters 10 --overwrite");
  EXPECT_EQ(read_run(run_folder + "/run.h5").step.size(), 10u);
  EXPECT_EQ(read_text(folder / "s/figures/mine.svg"), "mine");
  EXPECT_EQ(read_text(folder / "s/notes.txt"), "mine");
}

TEST(Hostile, ResumeNeverThrowsARunAway) {
  const TemporaryFolder folder;
  text(folder);
  expect_done(folder, "train" + keys("r"));
  const std::string resume = "train" + keys("r") + " --init_from resume --max_iters 30";

  fs::rename(folder / "r/run.h5", folder / "run.h5");
  expect_refusal(folder, resume, 2, {"restore run.h5"});
  expect_refusal(folder, "train" + keys("r") + " --overwrite", 2, {"restore run.h5"});
  EXPECT_TRUE(fs::exists(folder / "r/checkpoints/step_000020.h5"));
  fs::rename(folder / "run.h5", folder / "r/run.h5");

  const std::string checkpoint = folder / "r/checkpoints/step_000020.h5", whole = read_text(checkpoint);
  write_text(checkpoint, whole.substr(0, whole.size() / 2));
  expect_refusal(folder, resume, 2, {"step_000020.h5", "delete"});
  {
    const ArrayFileReader good(write_text(folder / "whole.h5", whole));
    ArrayFileWriter bad(checkpoint);  // moments of another shape: they must not be copied over the end of a buffer
    for (const auto& [name, value] : good.attributes()) bad.attribute(name, value);
    const std::vector<float> many(100000, 1.0F);
    for (const std::string& name : good.names()) {
      const Array array = good.read(name);
      if (name == "optimizer/first/embed.tokens")
        bad.write(name, Array::Type::f32, {100000}, many.data());
      else
        bad.write(name, array.type, array.shape, array.bytes.data());
    }
    bad.commit();
  }
  expect_refusal(folder, resume, 2, {"optimizer/first/embed.tokens", "shape"});
  fs::remove(checkpoint);
  expect_refusal(folder, resume, 2, {"before its first checkpoint"});
  expect_refusal(folder, resume + " --init_from auto --n_embd 32", 2, {"n_embd was 16, now it is 32"});
  write_text(checkpoint, whole);
  expect_done(folder, resume);
}

TEST(Hostile, ResumedRunsCarryTheirNewLength) {
  const TemporaryFolder folder;
  text(folder);
  expect_done(folder, "train" + keys("r"));
  expect_done(folder, "train" + keys("r") + " --init_from resume --max_iters 30");
  EXPECT_NE(read_text(folder / "r/config.toml").find("max_iters = 30"), std::string::npos);
  const auto config = nlohmann::json::parse(read_run(folder / "r/run.h5").config_json);
  EXPECT_EQ(config["max_iters"], 30);
  EXPECT_EQ(config["init_from"], "scratch");
  expect_done(folder, "train" + keys("r") + " --init_from resume --max_iters 40");
  EXPECT_EQ(read_text(folder / "r/config.toml").find("resume"), std::string::npos) << "the second time";
}

/// Runs under a limit on the size of files: every write beyond it fails as on a full disk.
Outcome run_limited(const TemporaryFolder& folder, int blocks, const std::string& arguments) {
  write_text(folder / "limited.sh",
             "ulimit -f " + std::to_string(blocks) + "; exec '" + NORMSCOPE_BINARY + "' " + last_of_each(arguments));
  const std::string command = "cd '" + folder.path().string() + "' && bash limited.sh >out.txt 2>err.txt";
  const int status = std::system(command.c_str());
  return {WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status), read_text(folder / "out.txt"),
          read_text(folder / "err.txt")};
}

TEST(Hostile, FullDiskIsASentence) {
  const TemporaryFolder folder;
  text(folder);
  expect_done(folder, "train" + keys("whole"));
  for (const int kib : {1, 20, 60, 200, 500}) {
    const Outcome outcome = run_limited(folder, kib, "train" + keys("r") + " --max_iters 400 --checkpoint_interval 50");
    EXPECT_EQ(outcome.code, 1) << kib << " KiB: " << outcome.err;
    EXPECT_NE(outcome.err.find("cannot write 'r/"), std::string::npos) << outcome.err;
    expect_done(folder, "train" + keys("r") + " --max_iters 400 --checkpoint_interval 50 --init_from auto");
    EXPECT_EQ(read_run(folder / "r/run.h5").step.size(), 400u) << kib;
    fs::remove_all(folder / "r");
  }
  const Outcome dumped = run_limited(folder, 20,
                                     "dump --data t.txt --n_layer 1 --n_embd 16 --n_head 2 --block_size 8"
                                     " --batch_size 4 --threads 1 --out d.h5");
  EXPECT_EQ(dumped.code, 1) << dumped.err;
  EXPECT_FALSE(fs::exists(folder / "d.h5"));
  const Outcome report = run_limited(folder, 60, "report whole --out_dir rep");
  EXPECT_EQ(report.code, 1) << report.err;
  EXPECT_FALSE(fs::exists(folder / "rep")) << files_below(folder / "rep");
}

/// Everything that changes a run file in place, under limits from half the file to more than it needs.
TEST(Hostile, AFullDiskNeverRuinsARunThatIsThere) {
  const TemporaryFolder folder;
  text(folder);
  const std::string longer = "train --out_dir r --init_from resume --quiet --max_iters ";
  expect_done(folder, "train" + keys("whole") + " --checkpoint_interval 5");
  const auto kib = static_cast<int>(fs::file_size(folder / "whole/run.h5") / 1024);
  const auto expect_readable = [&](int limit, const Outcome& outcome) {
    EXPECT_TRUE(outcome.code == 0 || outcome.code == 1) << limit << " KiB: " << outcome.code << outcome.err;
    EXPECT_EQ(run(folder, "inspect r/run.h5").code, 0) << limit << " KiB: " << outcome.err;
    EXPECT_GT(read_run(folder / "r/run.h5").step.size(), 0u);
    EXPECT_FALSE(fs::exists(folder / "r/run.h5.tmp"));
  };
  for (int limit = kib - 6; limit < kib + 6; ++limit) {  // the last writes of a run, its status among them
    const Outcome outcome = run_limited(folder, limit, "train" + keys("r"));
    if (fs::exists(folder / "r")) expect_readable(limit, outcome);
    fs::remove_all(folder / "r");
  }
  for (const int limit : {kib / 2, kib - 20, kib, kib + 1, kib + 3, kib + 5, kib + 30}) {
    for (const std::string& command : {longer + "30", std::string("repair r")}) {
      fs::copy(folder / "whole", folder / "r", fs::copy_options::recursive);
      const std::string before = read_text(folder / "r/run.h5");
      const Outcome outcome = run_limited(folder, limit, command);
      expect_readable(limit, outcome);
      if (limit < kib) {
        EXPECT_EQ(outcome.code, 1) << outcome.err;
        EXPECT_NE(outcome.err.find("the file is unchanged"), std::string::npos) << outcome.err;
        EXPECT_EQ(read_text(folder / "r/run.h5"), before);
      }
      expect_done(folder, longer + "30");
      fs::remove_all(folder / "r");
    }
  }
  run_limited(folder, kib, "train" + keys("r") + " --max_iters 10000 --checkpoint_interval 5");  // a run that it ended
  const std::string before = read_text(folder / "r/run.h5");
  if (run_limited(folder, kib, "repair r").code != 0) {
    EXPECT_EQ(read_text(folder / "r/run.h5"), before);
  }
  expect_done(folder, "repair r");
  EXPECT_EQ(read_run(folder / "r/run.h5").status, "interrupted");
  expect_done(folder, longer + "30");
}

TEST(Hostile, AStudyThatAFullDiskEndedAtOnceStartsAgain) {
  const TemporaryFolder folder;
  text(folder);
  fs::create_directories(folder / "s/runs");  // what it leaves: study.json did not fit
  const Outcome outcome = run(folder, "ablate" + keys("s") + " --norm layernorm,rmsnorm --seeds 1");
  EXPECT_EQ(outcome.code, 0) << outcome.err;
}

TEST(Hostile, DamagedFilesAreASentence) {
  const TemporaryFolder folder;
  text(folder);
  expect_done(folder, "train" + keys("r"));
  const std::string run_file = read_text(folder / "r/run.h5");
  // Attributes' text lies in global heaps ("GCOL"), whose damaged sizes HDF5 1.10 follows out of its memory.
  int heaps = 0;
  for (auto at = run_file.find("GCOL"); at != std::string::npos && heaps < 4;
       at = run_file.find("GCOL", at + 4), ++heaps) {
    std::string bad = run_file;
    for (std::size_t object = at + 16; object + 16 < at + 4096 && object + 16 < bad.size(); object += 16)
      std::fill_n(bad.begin() + static_cast<std::ptrdiff_t>(object + 8), 4, '\xff');
    write_text(folder / "r/run.h5", bad);
    for (const char* command : {"inspect r", "report r --out_dir rep", "train"}) {
      const bool train = std::string(command) == "train";
      const Outcome outcome = run(folder, train ? "train" + keys("r") + " --init_from resume --max_iters 30" : command);
      EXPECT_LT(outcome.code, 128) << command << " heap " << heaps;
      write_text(folder / "r/run.h5", bad);
    }
  }
  EXPECT_GT(heaps, 0);
}

TEST(Hostile, SmallThings) {
  const TemporaryFolder folder;
  text(folder);
  expect_done(folder, "train" + keys("r"));
  const Outcome sample = run(folder, "sample r --tokens 3 --json");  // the vocabulary has no line break
  EXPECT_EQ(sample.code, 0) << sample.err;
  EXPECT_EQ(nlohmann::json::parse(sample.out)["prompt"].get<std::string>().size(), 1u);
  ::setenv("TMPDIR", "/nonexistent", 1);
  expect_done(folder, "report r --out_dir rep");
  ::unsetenv("TMPDIR");
  {
    ArrayFileWriter batch(folder / "batch.h5");
    const std::vector<std::int32_t> tokens(32, 99);
    batch.write("tokens", Array::Type::i32, {4, 8}, tokens.data());
    batch.write("targets", Array::Type::i32, {4, 8}, tokens.data());
    batch.commit();
  }
  expect_refusal(folder,
                 "dump --data t.txt --n_layer 1 --n_embd 16 --n_head 2 --block_size 8 --batch_size 4 --threads 1"
                 " --out d.h5 --batch batch.h5",
                 2, {"tokens contains 99", "vocab"});
  EXPECT_FALSE(fs::exists(folder / "d.h5"));
}

TEST(Hostile, AnInterruptedRunDoesNotCallASampledLossExact) {
  const TemporaryFolder folder;
  text(folder);
  write_text(folder / "stop.sh", std::string("'") + NORMSCOPE_BINARY + "' " +
                                     last_of_each("train" + keys("r") + " --max_iters 100000000") +
                                     " & child=$!; until [ -s r/run.h5 ]; do sleep 0.05; done; kill $child;"
                                     " wait $child; echo code $?");
  ASSERT_EQ(std::system(("cd '" + folder.path().string() + "' && bash stop.sh >out.txt 2>err.txt").c_str()), 0);
  const std::string out = read_text(folder / "out.txt");
  EXPECT_NE(out.find("code 130"), std::string::npos) << out;
  EXPECT_EQ(out.find("exact"), std::string::npos) << out;
  const std::string advice = "Continue: normscope ";
  const auto at = out.find(advice);
  ASSERT_NE(at, std::string::npos) << out;
  const auto begin = at + advice.size();
  expect_done(folder, out.substr(begin, out.find('\n', begin) - begin) + " --max_iters 1");
}

}  // namespace
}  // namespace normscope
