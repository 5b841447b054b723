// label: train
// Default names of runs: they tell the data and do not collide.
#include <nlohmann/json.hpp>

#include "config/config.h"
#include "train_helpers.h"

namespace normscope::train_test {
namespace {

TEST(Trainer, ARunThatNobodyNamedGetsAFolderOfItsOwn) {
  const TemporaryFolder folder;
  const std::string short_run = "train" + kTiny + " --max_iters 2 --json";
  const auto folder_of = [&](const std::string& arguments) {
    const Outcome outcome = run(folder, arguments);
    EXPECT_EQ(outcome.code, 0) << outcome.err;
    return nlohmann::json::parse(outcome.out, nullptr, false).value("run_dir", "");
  };
  const std::string first = "runs/gpt-layernorm-L2-C16-markov-s1337";
  EXPECT_EQ(folder_of(short_run), first);
  EXPECT_EQ(folder_of(short_run), first + "-2");
  EXPECT_EQ(folder_of(short_run + " --learning_rate 0.01"), first + "-3");
  EXPECT_EQ(Config::from_json(read_run(folder / (first + "-3/run.h5")).config_json).name,
            "gpt-layernorm-L2-C16-markov-s1337-3");
  EXPECT_EQ(folder_of(short_run + " --overwrite"), first);
  EXPECT_EQ(folder_of(short_run + " --init_from resume"), first) << "found by its name";
  EXPECT_EQ(folder_of(short_run + " --init_from auto"), first);
  EXPECT_EQ(run(folder, short_run + " --name mine").code, 0);
  EXPECT_EQ(run(folder, short_run + " --name mine").code, 2) << "a name that was given is kept";
}

}  // namespace
}  // namespace normscope::train_test
