// Which checkpoint of a folder is the newest, and which files are a run's.
#include "run/checkpoint.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "files.h"

namespace normscope {
namespace {

namespace fs = std::filesystem;
using test_files::TemporaryFolder;
using test_files::write_text;

void write_checkpoint(const TemporaryFolder& folder, const std::string& name) {
  fs::create_directories(folder.path() / "checkpoints");
  write_text(folder / ("checkpoints/" + name), "not read");
}

TEST(Checkpoints, TheNewestHasTheMostStepsHoweverManyDigits) {
  const TemporaryFolder folder;
  EXPECT_FALSE(newest_checkpoint(folder.path().string()));
  for (const char* name : {"step_1000000.h5", "step_999999.h5", "step_000500.h5", "step_2000000.h5.tmp", "notes.h5"})
    write_checkpoint(folder, name);
  EXPECT_EQ(newest_checkpoint(folder.path().string()), checkpoint_path(folder.path().string(), 1000000));
  EXPECT_EQ(newest_checkpoint(folder / "checkpoints/step_000500.h5"), folder / "checkpoints/step_000500.h5");
}

TEST(Checkpoints, OnlyOlderOnesAndHalvesAreRemoved) {
  const TemporaryFolder folder;
  for (const char* name : {"step_1000000.h5", "step_999999.h5", "step_000500.h5", "step_2000000.h5.tmp", "notes.h5"})
    write_checkpoint(folder, name);
  remove_older_checkpoints(folder.path().string());
  std::vector<std::string> left;
  for (const auto& entry : fs::directory_iterator(folder.path() / "checkpoints"))
    left.push_back(entry.path().filename().string());
  std::sort(left.begin(), left.end());
  EXPECT_EQ(left, (std::vector<std::string>{"notes.h5", "step_1000000.h5"}));
}

}  // namespace
}  // namespace normscope
