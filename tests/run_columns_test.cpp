// The statistics' columns of run files: found by name, added when a run is continued, read from older files.
#include <hdf5.h>

#include "io_helpers.h"
#include "io/run_file.h"
#include <normscope/core/error.h>

namespace normscope {
namespace {

using namespace io_test;

TEST(RunColumns, AnUnknownColumnIsNamedWithThoseThatAreThere) {
  const TemporaryFolder folder;
  RunFile::create(folder / "run.h5", sample_header()).finish("done");
  const RunData run = read_run(folder / "run.h5");
  const std::string text = message_of<UsageError>([&] { run.column("grad/nrom"); });
  EXPECT_NE(text.find("'grad/nrom'"), std::string::npos) << text;
  for (const ColumnInfo& info : sample_statistics().columns) EXPECT_NE(text.find(info.name), std::string::npos) << text;
}

TEST(RunColumns, ResumeAddsColumnsThatAreNew) {
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
TEST(RunColumns, ReadsFilesWithoutTheAttributeAxis) {
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

}  // namespace
}  // namespace normscope
