#pragma once
// What stands where in a run file: the one list of its columns, read by the writer, the reader and the repair.
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
enum class Width { one, params, residual };  ///< [N], [N,P] or [N,R]

/// One growing dataset.
struct Column {
  std::string path;
  Kind kind;
  Width width;
  const char* units;
  const char* long_name;
  const char* stage = nullptr;  ///< where in the step it was measured
  double norm_order = 0;        ///< 0: not a norm
};

/// The growing groups. The first column of each is its key: written last, it tells how many rows are whole.
std::span<const Column> step_columns();
std::span<const Column> eval_columns();
std::span<const Column> epoch_columns();

hid_t memory_type(Kind kind);
std::size_t size_of(Kind kind);

/// Creates every object of a run file in an empty, open file.
void create_objects(hid_t file, const RunHeader& header, const std::string& started_at);

/// The /stats columns that a file holds: name and width.
std::vector<std::pair<std::string, std::int64_t>> stats_columns(hid_t file);

/// Throws UsageError unless the file is a run in a version that this program knows.
void require_run(hid_t file, const std::string& path);

/// Reason and advice of a run file that HDF5 could not read, write.
[[noreturn]] void fail_reading(const std::string& path, const std::string& reason);
[[noreturn]] void fail_writing(const std::string& path, const std::string& reason);

}  // namespace normscope::run_layout
