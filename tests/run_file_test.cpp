// Run files: every number comes back bit for bit, also after a kill, a resume, a repair; bad files are named.
#include "io/run_file.h"

#include <hdf5.h>
#include <signal.h>
#include <sys/resource.h>

#include <bit>
#include <chrono>
#include <cstring>
#include <thread>

#include "io_helpers.h"
#include <normscope/core/error.h>

namespace normscope {
namespace {

using namespace io_test;

template <class T>
std::string bits(const std::vector<T>& values) {
  return {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T)};
}

// All step columns of rows [0, n) are those of SampleRow, bit for bit.
void expect_sample_steps(const RunData& run, std::int64_t n) {
  RunData want;
  std::map<std::string, std::vector<float>> columns;
  for (std::int64_t step = 0; step < n; ++step) {
    const SampleRow sample(step);
    const StepRow& row = sample.row;
    want.step.push_back(row.step);
    want.epoch.push_back(row.epoch);
    want.tokens.push_back(row.tokens);
    want.elapsed_s.push_back(row.elapsed_s);
    want.loss.push_back(row.loss);
    want.lr.push_back(row.lr);
    want.grad_norm.push_back(row.grad_norm);
    want.clip_coef.push_back(row.clip_coef);
    for (const auto& [name, numbers] : sample.columns)
      columns[name].insert(columns[name].end(), numbers.begin(), numbers.end());
  }
  EXPECT_EQ(run.step, want.step);
  EXPECT_EQ(run.epoch, want.epoch);
  EXPECT_EQ(run.tokens, want.tokens);
  EXPECT_EQ(bits(run.elapsed_s), bits(want.elapsed_s));
  EXPECT_EQ(bits(run.loss), bits(want.loss));
  EXPECT_EQ(bits(run.lr), bits(want.lr));
  EXPECT_EQ(bits(run.grad_norm), bits(want.grad_norm));
  EXPECT_EQ(bits(run.clip_coef), bits(want.clip_coef));
  ASSERT_EQ(run.columns.size(), sample_statistics().columns.size());
  for (const ColumnInfo& info : sample_statistics().columns) {
    const Matrix& matrix = run.column(info.name);
    EXPECT_EQ(bits(matrix.values), bits(columns[info.name])) << info.name;
    EXPECT_EQ(matrix.width, run.names_of(info.axis).size()) << info.name;
    EXPECT_EQ(matrix.info.axis, info.axis) << info.name;
    EXPECT_EQ(matrix.info.path, info.path) << info.name;
    EXPECT_EQ(matrix.info.unit + matrix.info.long_name + matrix.info.stage, info.unit + info.long_name + info.stage);
  }
}

TEST(RunFile, RoundTripIsBitwise) {
  const TemporaryFolder folder;
  const std::string path = folder / "run.h5";
  RunFile file = RunFile::create(path, sample_header());
  append_steps(file, 0, 3000);  // more than one chunk of every column
  file.append(EvalRow{2999, 1.5, 1.75, true});
  file.append(sample_epoch(1));
  file.append(sample_epoch(2, false));
  file.finish("done");

  const RunData run = read_run(path);
  expect_sample_steps(run, 3000);
  EXPECT_EQ(run.status, "done");
  EXPECT_EQ(run.config_json, sample_header().config_json);
  EXPECT_EQ(run.attributes.at("seed"), "18446744073709551614");
  EXPECT_EQ(run.attributes.at("threads"), "2");
  EXPECT_EQ(run.attributes.at("format"), "normscope-run");
  EXPECT_EQ(run.attributes.at("tokenizer"), "char");
  EXPECT_EQ(run.attributes.at("host"), "Some CPU");
  ASSERT_EQ(run.started_at.size(), std::strlen("2025-01-01T00:00:00Z"));
  EXPECT_EQ(run.started_at.back(), 'Z');
  ASSERT_EQ(run.params.size(), 3u);
  EXPECT_EQ(run.params[2].name, "blocks.0.attn.q.weight");
  EXPECT_EQ(run.params[2].shape, (std::vector<std::int64_t>{8, 8}));
  EXPECT_EQ(run.params[0].block, -1);
  EXPECT_EQ(run.params[1].role, "norm");
  EXPECT_EQ(run.residual, sample_header().residual);
  ASSERT_EQ(run.evals.size(), 1u);
  EXPECT_TRUE(run.evals[0].exact);
  EXPECT_EQ(run.evals[0].val_loss, 1.75);
  ASSERT_EQ(run.epochs.size(), 2u);
  EXPECT_FALSE(run.epochs[1].complete);
  EXPECT_EQ(run.epochs[1].param_grad_norm, (std::vector<float>{2, 4, 6}));
  EXPECT_EQ(run.epochs[1].residual_grad_norm, (std::vector<float>{8, 10}));
  EXPECT_EQ(folder.count(), 1u) << "a temporary file is left";
}

TEST(RunFile, NotProbedIsNaN) {
  const TemporaryFolder folder;
  RunFile file = RunFile::create(folder / "run.h5", sample_header());
  file.append(StepRow{});
  file.finish("interrupted");
  const RunData run = read_run(folder / "run.h5");
  ASSERT_EQ(run.column("grad/norm").values.size(), 3u);
  ASSERT_EQ(run.column("residual/rms").values.size(), 2u);
  for (const float value : run.column("grad/norm").values) EXPECT_TRUE(std::isnan(value));
  for (const float value : run.column("residual/rms").values) EXPECT_TRUE(std::isnan(value));
  EXPECT_EQ(run.status, "interrupted");
}

TEST(RunFile, WorksWithoutParamsOrResiduals) {
  const TemporaryFolder folder;
  RunHeader header = sample_header();
  header.params.clear();
  header.residual.clear();
  header.config_json.clear();
  RunFile file = RunFile::create(folder / "run.h5", header);
  StepRow row;
  file.append(row);
  file.append(EpochRow{});
  file.finish("done");
  const RunData run = read_run(folder / "run.h5");
  EXPECT_EQ(run.step.size(), 1u);
  EXPECT_TRUE(run.params.empty());
  EXPECT_TRUE(run.column("grad/norm").values.empty());
}

TEST(RunFile, RefusedRowsLeaveNoTrace) {
  const TemporaryFolder folder;
  RunFile file = RunFile::create(folder / "run.h5", sample_header());
  append_steps(file, 0, 2);
  SampleRow wide(2);
  const std::vector<float> four(4);
  wide.row.columns = {{"grad/norm", four}};
  EXPECT_NE(message_of<Error>([&] { file.append(wide.row); }).find("/grad/norm has 3 columns"), std::string::npos);
  EXPECT_NE(message_of<Error>([&] { file.append(SampleRow(1).row); }).find("already has step 1"), std::string::npos);
  EXPECT_NE(message_of<Error>([&] { file.finish("great"); }).find("great"), std::string::npos);
  wide.row.columns = {{"grad/nrom", four}};
  EXPECT_NE(message_of<Error>([&] { file.append(wide.row); }).find("no column 'grad/nrom'"), std::string::npos);
  append_steps(file, 2, 4);
  file.finish("done");
  expect_sample_steps(read_run(folder / "run.h5"), 4);
}

TEST(RunFile, AnUnknownColumnIsNamedWithThoseThatAreThere) {
  const TemporaryFolder folder;
  RunFile::create(folder / "run.h5", sample_header()).finish("done");
  const RunData run = read_run(folder / "run.h5");
  const std::string text = message_of<UsageError>([&] { run.column("grad/nrom"); });
  EXPECT_NE(text.find("'grad/nrom'"), std::string::npos) << text;
  for (const ColumnInfo& info : sample_statistics().columns) EXPECT_NE(text.find(info.name), std::string::npos) << text;
}

TEST(RunFile, ResumeAddsColumnsThatAreNew) {
  const TemporaryFolder folder;
  const std::string path = folder / "run.h5";
  RunHeader header = sample_header();
  auto& columns = header.statistics.columns;
  std::erase_if(columns, [](const ColumnInfo& info) { return info.is_added(); });
  {
    RunFile file = RunFile::create(path, header);
    for (std::int64_t step = 0; step < 5; ++step) {
      SampleRow sample(step);
      std::erase_if(sample.row.columns, [](const auto& column) {
        return column.first == "grad/kurtosis" || column.first == "nonfinite/count" || column.first == "attn/entropy";
      });
      file.append(sample.row);
    }
    file.finish("interrupted");
  }
  {
    RunFile file = RunFile::resume(path, 4, "", sample_statistics());
    append_steps(file, 4, 6);
    file.finish("done");
  }
  const RunData run = read_run(path);
  ASSERT_EQ(run.step.size(), 6u);
  EXPECT_EQ(run.heads, sample_statistics().heads);
  for (const char* name : {"grad/kurtosis", "nonfinite/count", "attn/entropy"}) {
    const Matrix& matrix = run.column(name);
    ASSERT_EQ(matrix.rows(), 6u) << name;
    EXPECT_TRUE(std::isnan(matrix.row(3)[0])) << name;
    EXPECT_EQ(matrix.row(5)[0], SampleRow(5).columns[name][0]) << name;
  }
  EXPECT_EQ(run.column("grad/norm").row(0)[0], SampleRow(0).columns["grad/norm"][0]);
}

// Files of commit e75691e have no attribute `axis`.
TEST(RunFile, ReadsFilesWithoutTheAttributeAxis) {
  const TemporaryFolder folder;
  const std::string path = folder / "run.h5";
  RunHeader header = sample_header();
  std::erase_if(header.statistics.columns, [](const ColumnInfo& info) { return info.is_added(); });
  RunFile::create(path, header).finish("done");
  const hid_t file = H5Fopen(path.c_str(), H5F_ACC_RDWR, H5P_DEFAULT);
  ASSERT_GE(file, 0);
  for (const ColumnInfo& info : header.statistics.columns)
    EXPECT_GE(H5Adelete_by_name(file, info.path.c_str(), "axis", H5P_DEFAULT), 0) << info.path;
  H5Fclose(file);
  const RunData run = read_run(path);
  ASSERT_EQ(run.columns.size(), 8u);
  for (const ColumnInfo& info : header.statistics.columns)
    EXPECT_EQ(run.column(info.name).info.axis, info.axis) << info.name;
}

TEST(RunFile, ReadsWhileItIsWritten) {
  const TemporaryFolder folder;
  const std::string path = folder / "run.h5";
  RunFile file = RunFile::create(path, sample_header());
  append_steps(file, 0, 5);
  file.flush();
  expect_sample_steps(read_run(path), 5);
  EXPECT_EQ(read_run(path).status, "running");
  append_steps(file, 5, 2000);
  std::this_thread::sleep_for(std::chrono::milliseconds(550));
  append_steps(file, 2000, 2001);  // half a second is over: written without a flush
  expect_sample_steps(read_run(path), 2001);
  file.finish("diverged");
  EXPECT_EQ(read_run(path).status, "diverged");
}

TEST(RunFile, ResumeCutsLaterRowsAndContinuesExactly) {
  const TemporaryFolder folder;
  const std::string path = folder / "run.h5";
  {
    RunFile file = RunFile::create(path, sample_header());
    append_steps(file, 0, 30);  // epochs of ten steps
    for (const std::int64_t step : {0, 10, 20, 29}) file.append(EvalRow{step, 2, 3, false});
    for (const std::int64_t epoch : {1, 2, 3}) file.append(sample_epoch(epoch, epoch != 3));
    file.finish("interrupted");
  }
  {
    RunFile file = RunFile::resume(path, 20);
    RunData run = read_run(path);
    expect_sample_steps(run, 20);
    EXPECT_EQ(run.status, "running");
    ASSERT_EQ(run.evals.size(), 2u);
    EXPECT_EQ(run.evals.back().step, 10);
    ASSERT_EQ(run.epochs.size(), 2u);
    append_steps(file, 20, 1500);
    file.append(sample_epoch(3));
    file.finish("done");
    run = read_run(path);
    expect_sample_steps(run, 1500);
    EXPECT_EQ(run.epochs.size(), 3u);
  }
  RunFile file = RunFile::resume(path, 15);  // in the middle of epoch 2
  const RunData run = read_run(path);
  expect_sample_steps(run, 15);
  ASSERT_EQ(run.epochs.size(), 1u);
  EXPECT_EQ(run.epochs[0].epoch, 1);
}

TEST(RunFile, ResumeRefusesAGap) {
  const TemporaryFolder folder;
  RunFile::create(folder / "run.h5", sample_header()).finish("interrupted");
  const std::string text = message_of<UsageError>([&] { RunFile::resume(folder / "run.h5", 7); });
  EXPECT_NE(text.find("ends before step 0"), std::string::npos) << text;
  EXPECT_NE(text.find("step 7"), std::string::npos) << text;
}

bool readable(const std::string& path) {
  try {
    read_run(path);
    return true;
  } catch (const UsageError&) {
    return false;
  }
}

// The child appends without a pause and is killed at a moment it does not choose.
std::string kill_a_run(const TemporaryFolder& folder, int milliseconds) {
  const std::string path = folder / "run.h5";
  std::filesystem::remove(path);
  const pid_t child = in_child([&] {
    RunFile file = RunFile::create(path, sample_header());
    for (std::int64_t step = 0;; ++step) {
      file.append(SampleRow(step).row);
      if (step % 50 == 49) file.append(sample_epoch(step / 50 + 1));  // writes every buffered row
    }
  });
  while (!std::filesystem::exists(path)) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  std::this_thread::sleep_for(std::chrono::milliseconds(milliseconds));
  kill(child, SIGKILL);
  const int status = wait_for(child);
  EXPECT_TRUE(WIFSIGNALED(status));
  return path;
}

// A kill inside one write of metadata that crosses a page leaves half of it, which HDF5 (it keeps no journal) cannot
// read. This child does nothing but write, a run writes for milliseconds twice a second; three such kills in a row are
// a fault.
std::string killed_run(const TemporaryFolder& folder, int milliseconds) {
  std::string path;
  for (int attempt = 0; attempt < 3; ++attempt)
    if (path = kill_a_run(folder, milliseconds + attempt); readable(path)) break;
  return path;
}

TEST(RunFile, SurvivesSigkill) {
  const TemporaryFolder folder;
  for (const int milliseconds : {3, 40, 80, 117, 151, 203}) {
    const std::string path = killed_run(folder, milliseconds);
    const RunData before = read_run(path);
    EXPECT_EQ(before.status, "running");
    const auto rows = static_cast<std::int64_t>(before.step.size());
    expect_sample_steps(before, rows);
    const std::int64_t next = rows / 2;
    {
      RunFile file = RunFile::resume(path, next);
      append_steps(file, next, rows + 700);
      file.finish("done");
    }
    const RunData after = read_run(path);
    expect_sample_steps(after, rows + 700);
    EXPECT_EQ(after.status, "done");
    for (const EpochRow& epoch : after.epochs) {
      EXPECT_EQ(epoch.param_grad_norm, sample_epoch(epoch.epoch).param_grad_norm);
    }
  }
}

TEST(RunFile, RepairMakesACrashedRunPlain) {
  const TemporaryFolder folder;
  const std::string path = killed_run(folder, 60);
  const RunData before = read_run(path);
  RunFile::repair(path);
  const RunData after = read_run(path);
  EXPECT_EQ(after.status, "interrupted");
  EXPECT_EQ(after.step, before.step);
  expect_sample_steps(after, static_cast<std::int64_t>(after.step.size()));
  RunFile::repair(path);  // again: nothing left to do
  EXPECT_EQ(read_run(path).step, before.step);
}

TEST(RunFile, BadInputIsNamed) {
  const TemporaryFolder folder;
  write_text(folder / "empty.h5", "");
  write_text(folder / "text.h5", "not a run\n");
  {
    RunFile file = RunFile::create(folder / "run.h5", sample_header());
    append_steps(file, 0, 3000);
    file.finish("done");
  }
  const std::string whole = read_text(folder / "run.h5");
  write_text(folder / "cut.h5", whole.substr(0, whole.size() * 2 / 3));
  write_text(folder / "stub.h5", whole.substr(0, 20));
  for (const std::string name : {"missing.h5", "empty.h5", "text.h5", "cut.h5", "stub.h5", "."}) {
    const std::string path = folder / name;
    const std::vector<std::function<void()>> uses{[&] { read_run(path); }, [&] { RunFile::resume(path, 0); },
                                                  [&] { RunFile::repair(path); }};
    for (const auto& use : uses) {
      const std::string text = message_of<UsageError>(use);
      EXPECT_NE(text.find(path), std::string::npos) << text;
      EXPECT_EQ(text.find('\n'), std::string::npos) << text;
    }
  }
  EXPECT_NE(message_of<UsageError>([&] { read_run(folder / "missing.h5"); }).find("No such file"), std::string::npos);
}

TEST(RunFile, OutputThatCannotBeWritten) {
  const TemporaryFolder folder;
  write_text(folder / "file", "x");
  for (const std::string& path : {folder / "file/run.h5", folder / "nowhere/run.h5", std::string("/proc/run.h5"),
                                  std::string("/dev/full"), folder.path().string()}) {
    const std::string text = message_of<Error>([&] { RunFile::create(path, sample_header()); });
    EXPECT_NE(text.find(path), std::string::npos) << text;
  }
  EXPECT_NE(
      message_of<Error>([&] { RunFile::create(folder / "file/run.h5", sample_header()); }).find("Not a directory"),
      std::string::npos);
  EXPECT_EQ(folder.count(), 1u);
}

void limit_file_size(rlim_t bytes) {
  signal(SIGXFSZ, SIG_IGN);
  const rlimit limit{bytes, bytes};
  setrlimit(RLIMIT_FSIZE, &limit);
}

TEST(RunFile, FullDiskIsAnErrorWithPathAndReason) {
  const TemporaryFolder folder;
  const std::string path = folder / "run.h5";
  const pid_t child = in_child([&] {
    limit_file_size(1'500'000);
    RunFile file = RunFile::create(path, sample_header());
    const std::string text = message_of<Error>([&] {
      for (std::int64_t step = 0; step < 200'000; ++step) {
        file.append(SampleRow(step).row);
        if (step % 1000 == 0) file.flush();
      }
    });
    if (text.find(path) == std::string::npos || text.find("File too large") == std::string::npos) {
      throw std::runtime_error("message: " + text);
    }
  });  // the destructor of a file that cannot be flushed must neither hang nor crash
  const int status = wait_for(child);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << status;
  const auto rows = static_cast<std::int64_t>(read_run(path).step.size());
  EXPECT_GT(rows, 1000) << "what was written before the disk was full";
  expect_sample_steps(read_run(path), rows);
  {
    RunFile file = RunFile::resume(path, rows);  // there is space again
    append_steps(file, rows, rows + 2000);
    file.finish("done");
  }
  expect_sample_steps(read_run(path), rows + 2000);
}

TEST(RunFile, NothingIsLeftWhenCreationFails) {
  const TemporaryFolder folder;
  const int status = wait_for(in_child([&] {
    limit_file_size(4096);
    message_of<Error>([&] { RunFile::create(folder / "run.h5", sample_header()); });
    if (testing::Test::HasFailure()) throw std::runtime_error("no Error");
  }));
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << status;
  EXPECT_EQ(folder.count(), 0u);
}

}  // namespace
}  // namespace normscope
