#include "io/run_file.h"

#include <fcntl.h>
#include <fmt/chrono.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <limits>
#include <numeric>
#include <optional>

#include "io/row_table.h"
#include "io/run_layout.h"
#include <normscope/core/error.h>
#include "io/file_util.h"

namespace normscope {

using hdf5::check;
using hdf5::Failure;
using hdf5::Handle;
using hdf5::Open;
using run_layout::fail_reading;
using run_layout::fail_writing;
using Clock = std::chrono::steady_clock;

namespace {

constexpr std::chrono::milliseconds kWriteEvery{500};

/// What set_status() takes away again when a run that diverged is continued from before.
constexpr const char* kOnlyDiverged[] = {"diverged_reason", "diverged_step", "diverged_where"};

void set_status(const std::string& path, const std::string& status,
                const std::map<std::string, std::string>& attributes = {}) {
  Handle file = hdf5::open_file(path, Open::write);
  {
    Handle root(H5Gopen2(file, "/", H5P_DEFAULT), H5Gclose);
    hdf5::write_attribute(root, "status", status);
    for (const char* name : kOnlyDiverged)
      if (H5Aexists(root, name) > 0) check(H5Adelete(root, name));
    for (const auto& [name, value] : attributes) hdf5::write_attribute(root, name, value);
  }
  check(H5Fflush(file, H5F_SCOPE_LOCAL));
  hdf5::sync_to_disk(file);
  file.close();
}

/// Proves that set_status() can finish in place: makes the file longer by more than a new text takes (HDF5 gives text
/// space in blocks of 4 KiB); closing the HDF5 file cuts off what is left.
void reserve_status(const std::string& path) {
  constexpr off_t kRoom = 16 * 1024;
  const int file = ::open(path.c_str(), O_WRONLY | O_CLOEXEC);
  if (file < 0) throw Failure(std::strerror(errno));
  const off_t size = ::lseek(file, 0, SEEK_END);
  const int error = size < 0 ? errno : ::posix_fallocate(file, size, kRoom);
  const bool restored = error == 0 || size < 0 || ::ftruncate(file, size) == 0;
  ::close(file);
  if (error != 0 || !restored) throw Failure(std::strerror(error));
}

// How many steps and epochs of an existing run lie wholly before `next_step`.
struct Kept {
  hsize_t steps = 0, evals = 0, epochs = 0;
};

Kept rows_before(const RowTable& steps, const RowTable& evals, const RowTable& epochs, std::int64_t next_step) {
  Kept kept;
  const auto step = steps.read<std::int64_t>(0, steps.rows());
  const auto epoch_of_step = steps.read<std::int64_t>(1, steps.rows());
  while (kept.steps < step.size() && step[kept.steps] < next_step) ++kept.steps;
  for (const std::int64_t at : evals.read<std::int64_t>(0, evals.rows())) kept.evals += at < next_step;
  // An epoch ended before next_step if no later step belongs to it.
  constexpr auto kNone = std::numeric_limits<std::int64_t>::max();
  const std::int64_t unfinished = kept.steps < step.size() ? epoch_of_step[kept.steps] : kNone;
  const auto epoch = epochs.read<std::int64_t>(0, epochs.rows());
  const auto complete = epochs.read<std::uint8_t>(1, epochs.rows());
  while (kept.epochs < epoch.size() && complete[kept.epochs] != 0 && epoch[kept.epochs] < unfinished) ++kept.epochs;
  return kept;
}

void require_no_gap(const std::string& path, const RowTable& steps, hsize_t kept, std::int64_t next_step) {
  const auto step = steps.read<std::int64_t>(0, kept);
  const std::int64_t after = step.empty() ? 0 : step.back() + 1;
  if (after < next_step) {
    throw UsageError(
        fmt::format("[run_file] '{}' ends before step {} but the run would continue at step {}; resume "
                    "from an earlier checkpoint or start over with --overwrite",
                    path, after, next_step));
  }
}

// Clears a killed writer's marks in `copy` (of the run file `path`, for messages) and cuts all tables to whole rows
// below `next_step`. Columns of `statistics` that are not there are added.
void recover(const std::string& copy, const std::string& path, std::int64_t next_step, bool allow_gap,
             const ColumnSet& statistics = {}) {
  const hdf5::CrashGuard guard(path);
  Handle file = hdf5::open_file(copy, Open::recover);
  run_layout::require_run(file, path);
  {
    RowTable steps(file, run_layout::step_columns(), run_layout::statistics_of(file));
    RowTable evals(file, run_layout::eval_columns());
    RowTable epochs(file, run_layout::epoch_columns());
    const Kept kept = rows_before(steps, evals, epochs, next_step);
    if (!allow_gap) require_no_gap(path, steps, kept.steps, next_step);
    steps.truncate(kept.steps);
    evals.truncate(kept.evals);
    epochs.truncate(kept.epochs);
    run_layout::add_statistics(file, statistics, kept.steps);
  }
  check(H5Fflush(file, H5F_SCOPE_LOCAL));
  file.close();
}

bool is_full_disk(const std::string& reason) {
  const auto is = [&](int error) { return reason == std::strerror(error); };
  return is(ENOSPC) || is(EFBIG) || is(EDQUOT) || is(EIO);
}

[[noreturn]] void fail_copying(const std::string& path, const std::string& reason) {
  throw Error(fmt::format(
      "[run_file] cannot write a copy of '{}': {}; the file is unchanged; free disk space for a second file "
      "and try again",
      path, reason));
}

/// Calls change(COPY) with a copy of a run file beside it, which then takes the file's place: HDF5 has no journal, and
/// a write that fails half way through, on a full disk, would leave a file that nobody can read. Raises Error when
/// there is no room; what change() throws passes through. Either way the file is left as it was.
template <class Change>
void change_by_copy(const std::string& path, Change&& change) {
  if (!std::filesystem::is_regular_file(path)) throw Failure("the file does not exist");
  const std::string target = output_file_target(path), copy = target + ".tmp";
  std::error_code error;
  std::filesystem::copy_file(target, copy, std::filesystem::copy_options::overwrite_existing, error);
  try {
    if (error) fail_copying(path, error.message());
    change(copy);
    rename_durably(copy, target);
  } catch (const Failure& failure) {
    std::remove(copy.c_str());
    if (is_full_disk(failure.what())) fail_copying(path, failure.what());
    throw;
  } catch (...) {
    std::remove(copy.c_str());
    throw;
  }
}

}  // namespace

std::int64_t ParamInfo::numel() const {
  return std::accumulate(shape.begin(), shape.end(), std::int64_t{1}, std::multiplies<>());
}

struct RunFile::Impl {
  std::string path;
  Handle file;  // declared before the tables: datasets close first
  RowTable steps, evals, epochs;
  std::vector<ColumnInfo> statistics;       // the last columns of `steps`
  std::vector<std::span<const float>> row;  // of each statistic, during an append
  std::int64_t last_step = -1;
  bool broken = false;  // a write failed: what is buffered is lost, and nothing more is tried
  Clock::time_point last_write = Clock::now();

  /// Opens a complete, closed file at `at` for appending under SWMR.
  void start(const std::string& at) {
    file = hdf5::open_file(at, Open::write_swmr);
    statistics = run_layout::statistics_of(file);
    steps = RowTable(file, run_layout::step_columns(), statistics);
    evals = RowTable(file, run_layout::eval_columns());
    epochs = RowTable(file, run_layout::epoch_columns());
  }

  // Keys go last, so that a reader who believes /steps/step finds all other columns at least as long.
  void write() {
    last_write = Clock::now();
    if (broken) fail_writing(path, "an earlier write failed");
    if (!steps.has_pending() && !evals.has_pending() && !epochs.has_pending()) return;
    try {
      steps.write_values();
      evals.write_values();
      epochs.write_values();
      check(H5Fflush(file, H5F_SCOPE_LOCAL));
      steps.write_key();
      evals.write_key();
      check(H5Fflush(file, H5F_SCOPE_LOCAL));
      if (!epochs.has_pending()) return;
      epochs.write_key();  // after the steps that the epoch is made of
      check(H5Fflush(file, H5F_SCOPE_LOCAL));
    } catch (const Failure& failure) {
      broken = true;
      hdf5::abandon(file);
      fail_writing(path, failure.what());
    }
  }

  void write_if_due() {
    if (Clock::now() - last_write >= kWriteEvery) write();
  }

  void close() {
    steps = RowTable();
    evals = RowTable();
    epochs = RowTable();
    file.close();
  }

  void require_width(const RowTable& table, std::size_t column, std::size_t size) const {
    if (size != 0 && size != table.width(column)) {
      throw Error(fmt::format("[run_file] a row of '{}' has {} values but {} has {} columns; give one value per column",
                              path, size, table.path(column), table.width(column)));
    }
  }
};

RunFile::RunFile(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
RunFile::RunFile(RunFile&&) noexcept = default;

RunFile& RunFile::operator=(RunFile&& other) noexcept {
  std::swap(impl_, other.impl_);
  return *this;
}

RunFile::~RunFile() {
  if (!impl_) return;
  try {
    if (!impl_->broken) impl_->write();
    impl_->close();
  } catch (const std::exception&) {  // a destructor cannot report; finish() does
  }
}

RunFile RunFile::create(const std::string& path, const RunHeader& header) {
  auto impl = std::make_unique<Impl>();
  impl->path = output_file_target(path);
  // Built under another name and renamed when readers can open it, so nobody sees a half-made file.
  const std::string temporary = impl->path + ".tmp";
  try {
    Handle file = hdf5::create_file(temporary);
    const auto now = std::chrono::time_point_cast<std::chrono::seconds>(std::chrono::system_clock::now());
    run_layout::create_objects(file, header, fmt::format("{:%Y-%m-%dT%H:%M:%SZ}", fmt::gmtime(now)));
    check(H5Fflush(file, H5F_SCOPE_LOCAL));
    file.close();
    impl->start(temporary);
    rename_durably(temporary, impl->path);
  } catch (const Failure& failure) {
    std::remove(temporary.c_str());
    fail_writing(path, failure.what());
  }
  return RunFile(std::move(impl));
}

RunFile RunFile::resume(const std::string& path, std::int64_t next_step, const std::string& config_json,
                        const ColumnSet& statistics) {
  auto impl = std::make_unique<Impl>();
  impl->path = path;
  try {
    change_by_copy(path, [&](const std::string& copy) {
      recover(copy, path, next_step, false, statistics);
      std::map<std::string, std::string> changed;
      if (!config_json.empty()) changed["config_json"] = config_json;
      set_status(copy, "running", changed);
      impl->start(copy);  // readable, so it may replace the file
    });
  } catch (const Failure& failure) {
    fail_reading(path, failure.what());
  }
  impl->last_step = next_step - 1;
  return RunFile(std::move(impl));
}

void RunFile::repair(const std::string& path) {
  try {
    change_by_copy(path, [&](const std::string& copy) {
      recover(copy, path, std::numeric_limits<std::int64_t>::max(), true);
      if (read_run(copy).status == "running") set_status(copy, "interrupted");
    });
  } catch (const Failure& failure) {
    throw UsageError(
        fmt::format("[run_file] '{}' cannot be repaired: {}; it is unchanged. A new run can start from "
                    "its newest checkpoint: --init_from with this folder and another --out_dir",
                    path, failure.what()));
  }
}

void RunFile::append(const StepRow& row) {
  RowTable& table = impl_->steps;
  const std::vector<ColumnInfo>& statistics = impl_->statistics;
  const std::size_t first = run_layout::step_columns().size();
  // All checks before the first column grows: a refused row leaves no trace.
  if (row.step <= impl_->last_step) {
    throw Error(fmt::format("[run_file] '{}' already has step {}; cannot append step {}", impl_->path, impl_->last_step,
                            row.step));
  }
  std::vector<std::span<const float>>& values = impl_->row;
  values.assign(statistics.size(), {});
  for (const auto& [name, numbers] : row.columns) {
    const auto named = [&, wanted = name](const ColumnInfo& info) { return info.name == wanted; };
    const auto at = std::find_if(statistics.begin(), statistics.end(), named) - statistics.begin();
    if (at == std::ssize(statistics))
      throw Error(
          fmt::format("[run_file] '{}' has no column '{}'; declare it when the file is created", impl_->path, name));
    impl_->require_width(table, first + static_cast<std::size_t>(at), numbers.size());
    values[static_cast<std::size_t>(at)] = numbers;
  }

  table.put(0, row.step);
  table.put(1, row.epoch);
  table.put(2, row.tokens);
  table.put(3, row.elapsed_s);
  table.put(4, row.loss);
  table.put(5, row.lr);
  table.put(6, row.grad_norm);
  table.put(7, row.clip_coef);
  for (std::size_t i = 0; i < values.size(); ++i) table.put(first + i, values[i]);
  table.end_row();
  impl_->last_step = row.step;
  impl_->write_if_due();
}

void RunFile::append(const EvalRow& row) {
  RowTable& table = impl_->evals;
  table.put(0, row.step);
  table.put(1, row.train_loss);
  table.put(2, row.val_loss);
  table.put(3, static_cast<std::uint8_t>(row.exact));
  table.end_row();
  impl_->write();
}

void RunFile::append(const EpochRow& row) {
  RowTable& table = impl_->epochs;
  impl_->require_width(table, 4, row.param_grad_norm.size());
  impl_->require_width(table, 5, row.residual_grad_norm.size());
  table.put(0, row.epoch);
  table.put(1, static_cast<std::uint8_t>(row.complete));
  table.put(2, row.loss);
  table.put(3, row.mean_grad_norm);
  table.put(4, std::span<const float>(row.param_grad_norm));
  table.put(5, std::span<const float>(row.residual_grad_norm));
  table.end_row();
  impl_->write();
}

void RunFile::flush() {
  impl_->write();
  try {
    hdf5::sync_to_disk(impl_->file);
  } catch (const Failure& failure) {
    fail_writing(impl_->path, failure.what());
  }
}

void RunFile::finish(const std::string& status, const std::map<std::string, std::string>& attributes) {
  if (status != "done" && status != "diverged" && status != "interrupted") {
    throw Error(fmt::format("[run_file] '{}' is not the status of a finished run; allowed: done, diverged, interrupted",
                            status));
  }
  const std::unique_ptr<Impl> impl = std::move(impl_);
  impl->write();
  try {
    impl->close();
    reserve_status(impl->path);
    // Text of variable length (which h5py reads as str) must not be rewritten under SWMR: the file is opened plainly.
    set_status(impl->path, status, attributes);
  } catch (const Failure& failure) {
    fail_writing(impl->path, failure.what());
  }
}

}  // namespace normscope
