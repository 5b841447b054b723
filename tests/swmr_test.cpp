// h5py reads run files while they are written, after a kill, and when they are done (tests/swmr_reader.py).
#include <fmt/format.h>
#include <signal.h>

#include <chrono>
#include <thread>

#include "io_helpers.h"
#include "io/array_file.h"
#include <normscope/core/error.h>

namespace normscope {
namespace {

using namespace io_test;

// The first Python that has h5py; empty when none has.
const std::string& python() {
  static const std::string found = [] {
    for (const char* name : {"python3", "/usr/bin/python3"}) {
      if (std::system(fmt::format("{} -c 'import h5py' 2>/dev/null", name).c_str()) == 0) return std::string(name);
    }
    return std::string();
  }();
  return found;
}

class Swmr : public testing::Test {
 protected:
  void SetUp() override { ASSERT_FALSE(python().empty()) << "no Python can import h5py: apt-get install python3-h5py"; }
  static int read_with_h5py(const std::string& what, const std::string& path) {
    const std::string script = std::string(NORMSCOPE_SOURCE) + "/tests/swmr_reader.py";
    return std::system(fmt::format("{} '{}' {} '{}'", python(), script, what, path).c_str());
  }
  const TemporaryFolder folder_;
};

double now_s() { return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count(); }

// Appends a row every `pause` until it is killed; elapsed_s is the clock, the first gradient norm the step.
pid_t writer(const std::string& path, std::chrono::milliseconds pause) {
  const pid_t child = in_child([&] {
    RunFile file = RunFile::create(path, sample_header());
    for (std::int64_t step = 0;; ++step) {
      SampleRow sample(step);
      sample.row.elapsed_s = now_s();
      sample.columns["grad/norm"][0] = static_cast<float>(step);
      file.append(sample.row);
      std::this_thread::sleep_for(pause);
    }
  });
  while (!std::filesystem::exists(path)) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  return child;
}

TEST_F(Swmr, RowsGrowWithinASecondWhileWritten) {
  const pid_t child = writer(folder_ / "run.h5", std::chrono::milliseconds(15));
  EXPECT_EQ(read_with_h5py("grow", folder_ / "run.h5"), 0);
  EXPECT_EQ(kill(child, SIGKILL), 0);
  EXPECT_TRUE(WIFSIGNALED(wait_for(child))) << "the writer ended by itself";
}

TEST_F(Swmr, AfterSigkillThenRepair) {
  const std::string path = folder_ / "run.h5";
  const pid_t child = writer(path, std::chrono::milliseconds(5));
  std::this_thread::sleep_for(std::chrono::milliseconds(1300));
  kill(child, SIGKILL);
  wait_for(child);
  EXPECT_EQ(read_with_h5py("crashed", path), 0);
  const std::size_t rows = read_run(path).step.size();
  RunFile::repair(path);
  EXPECT_EQ(std::system(fmt::format("{} -c \"import h5py; f = h5py.File('{}', 'r'); "
                                    "assert f['steps/step'].shape[0] == {} and f.attrs['status'] == 'interrupted'\"",
                                    python(), path, rows)
                            .c_str()),
            0);
}

TEST_F(Swmr, FinishedFileHasTheLayout) {
  const std::string path = folder_ / "run.h5";
  RunFile file = RunFile::create(path, sample_header());
  append_steps(file, 0, 40);
  file.append(EvalRow{10, 3, 4, false});
  file.append(EvalRow{39, 1, 2, true});
  file.append(sample_epoch(1));
  file.finish("done");
  EXPECT_EQ(read_with_h5py("finished", path), 0);
  {
    RunFile again = RunFile::resume(path, 20);
    append_steps(again, 20, 60);
    again.finish("done");
  }
  EXPECT_EQ(read_with_h5py("finished", path), 0);
}

TEST_F(Swmr, ArrayFilesGoBothWays) {
  const std::string path = folder_ / "dump.h5";
  ArrayFileWriter writer(path);
  const double loss = 4.5;
  const float gain[] = {1, 2};
  const std::int64_t tokens[] = {7, 8};
  writer.write("loss", Array::Type::f64, {}, &loss);
  writer.write("grads/blocks.3.attn_norm.gain", Array::Type::f32, {2}, gain);
  writer.write("tokens", Array::Type::i64, {1, 2}, tokens);
  writer.commit();
  ASSERT_EQ(read_with_h5py("arrays", path), 0);

  const ArrayFileReader reader(path + ".from_python");
  const Array read = reader.read("tokens");
  EXPECT_EQ(read.type, Array::Type::i32);
  EXPECT_EQ(reinterpret_cast<const std::int32_t*>(read.bytes.data())[1], -2);
  const Array targets = reader.read("targets");
  EXPECT_EQ(targets.type, Array::Type::i64);
  EXPECT_EQ(reinterpret_cast<const std::int64_t*>(targets.bytes.data())[1], 4);
  EXPECT_EQ(reader.read("mask").bytes, (std::vector<std::uint8_t>{1, 0}));
  EXPECT_EQ(*reinterpret_cast<const float*>(reader.read("half").bytes.data()), 0.5f);
  EXPECT_NE(message_of<UsageError>([&] { reader.read("text"); }).find("contains no numbers"), std::string::npos);
}

}  // namespace
}  // namespace normscope
