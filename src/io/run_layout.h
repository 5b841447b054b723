#pragma once
// What stands where in a run file, for the writer, the reader and the repair. The statistics describe themselves.
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "io/hdf5_handle.h"
#include "io/run_file.h"

namespace normscope::run_layout {

inline constexpr std::int64_t kFormatVersion = 1;
inline constexpr const char* kFormat = "normscope-run";

enum class Kind { i64, f64, f32, u8 };

/// One growing dataset.
struct Column {
  std::string path;
  Kind kind;
  Axis axis;
  std::string units, long_name;
  std::string stage{};    ///< where in the step it was measured
  double norm_order = 0;  ///< 0: not a norm
};

/// The growing groups but the statistics. The first column of each is its key: written last, it tells how many rows are
/// whole.
std::span<const Column> step_columns();
std::span<const Column> eval_columns();
std::span<const Column> epoch_columns();

hid_t memory_type(Kind kind);
std::size_t size_of(Kind kind);

/// Creates every object of a run file in an empty, open file.
void create_objects(hid_t file, const RunHeader& header, const std::string& started_at);

/// The statistics' columns that a file holds. Files of older versions have no attribute `axis`; where a column stands
/// tells it.
std::vector<ColumnInfo> statistics_of(hid_t file);
/// Creates those of `statistics` that the file lacks, with `rows` rows of NaN.
void add_statistics(hid_t file, const ColumnSet& statistics, hsize_t rows);

/// How a file writes an axis down: value of the attribute `axis`, dataset of its names, label, description.
/// /params/name and /residual/name are always there, the others where a column has the axis.
struct AxisText {
  const char *name, *names_path, *label, *long_name;
};
const AxisText& text_of(Axis axis);
/// Is there an object at `path`? The groups above it must be there.
bool exists(hid_t file, const std::string& path);

/// Throws UsageError unless the file is a run in a version that this program knows.
void require_run(hid_t file, const std::string& path);

/// Reason and advice of a run file that HDF5 could not read, write.
[[noreturn]] void fail_reading(const std::string& path, const std::string& reason);
[[noreturn]] void fail_writing(const std::string& path, const std::string& reason);

}  // namespace normscope::run_layout
