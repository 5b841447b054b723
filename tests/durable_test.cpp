// A file that takes another's place is on the disk before it does, and its folder's entry afterwards: fsync and rename
// of this program stand in for the C library's and note their order.
#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>

#include "io/array_file.h"
#include "io_helpers.h"

namespace {
std::vector<std::string> calls;
std::string last_part(const std::string& path) { return std::filesystem::path(path).filename().string(); }
}  // namespace

extern "C" int fsync(int descriptor) {
  const std::string link = "/proc/self/fd/" + std::to_string(descriptor);
  calls.push_back("fsync " + last_part(std::filesystem::read_symlink(link).string()));
  return static_cast<int>(syscall(SYS_fsync, descriptor));
}
extern "C" int rename(const char* from, const char* to) noexcept {
  calls.push_back("rename " + last_part(from) + " " + last_part(to));
  return static_cast<int>(syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, 0));
}

namespace normscope {
namespace {

using namespace io_test;

/// What rename_durably() must do for `name` in `folder`.
std::vector<std::string> durable(const TemporaryFolder& folder, const std::string& name) {
  return {"fsync " + name + ".tmp", "rename " + name + ".tmp " + name, "fsync " + folder.path().filename().string()};
}

TEST(Durable, ATextIsOnTheDiskBeforeItsName) {
  const TemporaryFolder folder;
  calls.clear();
  write_text_atomically(folder / "config.toml", "text");
  EXPECT_EQ(calls, durable(folder, "config.toml"));
  EXPECT_EQ(read_text(folder / "config.toml"), "text");
}

TEST(Durable, ACheckpointIsOnTheDiskBeforeItsName) {
  const TemporaryFolder folder;
  ArrayFileWriter writer(folder / "step_1.h5");
  const double loss = 4.5;
  writer.write("loss", Array::Type::f64, {}, &loss);
  calls.clear();
  writer.commit();
  EXPECT_EQ(calls, durable(folder, "step_1.h5"));
}

TEST(Durable, ARunFileIsOnTheDiskWhenMadeFlushedAndFinished) {
  const TemporaryFolder folder;
  calls.clear();
  RunFile file = RunFile::create(folder / "run.h5", sample_header());
  EXPECT_EQ(calls, durable(folder, "run.h5"));
  append_steps(file, 0, 3);
  calls.clear();
  file.flush();
  EXPECT_EQ(std::count(calls.begin(), calls.end(), "fsync run.h5"), 1) << "before a checkpoint counts";
  calls.clear();
  file.finish("done");
  EXPECT_GE(std::count(calls.begin(), calls.end(), "fsync run.h5"), 1);
}

}  // namespace
}  // namespace normscope
