// metrics.jsonl, output folders, whole text files and the lock of a run folder.
#include "io/metrics_log.h"

#include <limits>
#include <nlohmann/json.hpp>
#include <sstream>

#include "io_helpers.h"
#include <normscope/core/error.h>
#include "io/file_util.h"

namespace normscope {
namespace {

using namespace io_test;

std::vector<nlohmann::json> lines_of(const std::string& path) {
  std::vector<nlohmann::json> lines;
  std::istringstream in(read_text(path));
  for (std::string line; std::getline(in, line);) lines.push_back(nlohmann::json::parse(line));
  return lines;
}

TEST(MetricsLog, OneJsonLineAStepVisibleAtOnce) {
  const TemporaryFolder folder;
  const std::string path = folder / "metrics.jsonl";
  MetricsLog log = MetricsLog::create(path);
  log.step(0, 1.0 / 3, 1e-3, 2.5, 0.25);
  const auto lines = lines_of(path);
  ASSERT_EQ(lines.size(), 1u);
  EXPECT_EQ(lines[0].size(), 5u);
  EXPECT_EQ(lines[0]["step"], 0);
  EXPECT_EQ(lines[0]["loss"].get<double>(), 1.0 / 3);  // shortest text that reads back the same
  EXPECT_EQ(lines[0]["lr"], 1e-3);
  EXPECT_EQ(lines[0]["grad_norm"], 2.5);
  EXPECT_EQ(lines[0]["elapsed_s"], 0.25);
}

TEST(MetricsLog, StatisticsStandUnderTheirNames) {
  const TemporaryFolder folder;
  MetricsLog log = MetricsLog::create(folder / "m");
  log.step(0, 1, 2, 3, 4, {{"nonfinite/count", 5.5}, {"grad/noise_scale", std::nan("")}});
  const auto line = nlohmann::json::parse(read_text(folder / "m"));
  EXPECT_EQ(line.at("elapsed_s"), 4);
  EXPECT_EQ(line.at("nonfinite/count"), 5.5);
  EXPECT_TRUE(line.at("grad/noise_scale").is_null());
}

TEST(MetricsLog, NotANumberIsNull) {
  const TemporaryFolder folder;
  MetricsLog log = MetricsLog::create(folder / "m");
  log.step(7, std::numeric_limits<double>::quiet_NaN(), 1, -std::numeric_limits<double>::infinity(), 1e300);
  log.eval(7, std::numeric_limits<double>::infinity(), 2.0);
  const auto lines = lines_of(folder / "m");
  ASSERT_EQ(lines.size(), 2u);
  EXPECT_TRUE(lines[0]["loss"].is_null());
  EXPECT_TRUE(lines[0]["grad_norm"].is_null());
  EXPECT_EQ(lines[0]["elapsed_s"], 1e300);
  EXPECT_TRUE(lines[1]["val_loss"].is_null());
  EXPECT_EQ(lines[1]["train_loss"], 2.0);
}

TEST(MetricsLog, ResumeCutsLaterAndTornLines) {
  const TemporaryFolder folder;
  const std::string path = folder / "m";
  const auto fill = [&](std::int64_t steps, const std::string& tail) {
    {
      MetricsLog log = MetricsLog::create(path);
      for (std::int64_t step = 0; step < steps; ++step) log.step(step, 1, 1, 1, 1);
    }
    write_text(path, read_text(path) + tail);
  };
  fill(10, "");
  MetricsLog::resume(path, 6).step(6, 9, 9, 9, 9);
  auto lines = lines_of(path);
  ASSERT_EQ(lines.size(), 7u);
  EXPECT_EQ(lines[5]["loss"], 1);
  EXPECT_EQ(lines[6]["loss"], 9);

  fill(3, R"({"step":3,"lo)");  // killed in the middle of a line
  MetricsLog::resume(path, 100).step(3, 9, 9, 9, 9);
  lines = lines_of(path);
  ASSERT_EQ(lines.size(), 4u);
  EXPECT_EQ(lines[3]["loss"], 9);

  MetricsLog::resume(folder / "new", 0).step(0, 1, 1, 1, 1);
  EXPECT_EQ(lines_of(folder / "new").size(), 1u);
}

TEST(MetricsLog, UnwritableIsAnError) {
  const TemporaryFolder folder;
  const std::string text = message_of<Error>([&] { MetricsLog::create(folder / "none/m"); });
  EXPECT_NE(text.find(folder / "none/m"), std::string::npos);
  MetricsLog full = MetricsLog::create("/dev/full");
  EXPECT_NE(message_of<Error>([&] { full.step(0, 1, 1, 1, 1); }).find("No space left"), std::string::npos);
}

TEST(FileUtil, OutputFolders) {
  const TemporaryFolder folder;
  create_output_dir(folder / "a/b/c");
  create_output_dir(folder / "a/b/c");
  create_output_dir(folder / "d/");
  EXPECT_TRUE(std::filesystem::is_directory(folder / "a/b/c"));
  write_text(folder / "file", "x");
  const std::string long_name(300, 'n');
  for (const std::string& path : {folder / "file", folder / "file/below", std::string("/proc/normscope"), std::string(),
                                  folder / "new" + "/" + long_name}) {
    const std::string text = message_of<Error>([&] { create_output_dir(path); });
    EXPECT_NE(text.find(path), std::string::npos) << text;
  }
  EXPECT_FALSE(std::filesystem::exists(folder / "new")) << "half of a path is left";
}

TEST(FileUtil, TextIsWholeOrNotThere) {
  const TemporaryFolder folder;
  write_text_atomically(folder / "a", "one\n");
  write_text_atomically(folder / "a", "two\n");
  EXPECT_EQ(read_text(folder / "a"), "two\n");
  for (const std::string& path :
       {folder / "none/a", folder / "a/b", std::string("/dev/full"), folder.path().string()}) {
    const std::string text = message_of<Error>([&] { write_text_atomically(path, "x"); });
    EXPECT_NE(text.find(path), std::string::npos) << text;
  }
  EXPECT_EQ(folder.count(), 1u);
}

TEST(FileUtil, ARunFolderHasOneWriter) {
  const TemporaryFolder folder;
  EXPECT_FALSE(FolderLock::holder(folder.path()).has_value());
  {
    const FolderLock lock(folder.path());
    EXPECT_EQ(FolderLock::holder(folder.path()), static_cast<long>(getpid()));
    const int status = wait_for(in_child([&] {
      const std::string text = message_of<UsageError>([&] { FolderLock second(folder.path()); });
      if (text.find("process " + std::to_string(getppid())) == std::string::npos) throw std::runtime_error(text);
    }));
    EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0);
  }
  EXPECT_EQ(folder.count(), 0u) << "the lock file is left";
  const pid_t killed = in_child([&] {
    new FolderLock(folder.path());  // never released: the process dies holding it
  });
  wait_for(killed);
  EXPECT_EQ(folder.count(), 1u);
  EXPECT_FALSE(FolderLock::holder(folder.path()).has_value());
  const FolderLock again(folder.path());
  EXPECT_EQ(FolderLock::holder(folder.path()), static_cast<long>(getpid()));
  message_of<Error>([&] { FolderLock nowhere(folder / "none"); });
}

}  // namespace
}  // namespace normscope
