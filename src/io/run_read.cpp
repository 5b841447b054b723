#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cstring>
#include <filesystem>
#include <thread>

#include "io/row_table.h"
#include "io/run_layout.h"
#include <normscope/core/error.h>
#include "io/run_file.h"

namespace normscope {

using hdf5::Failure;
using hdf5::Handle;
using hdf5::Open;

namespace {

std::vector<std::int64_t> read_numbers(hid_t file, const char* path) {
  Handle set = hdf5::open_dataset(file, path);
  std::vector<std::int64_t> values(hdf5::extents(set).at(0));
  if (!values.empty()) hdf5::check(H5Dread(set, H5T_NATIVE_INT64, H5S_ALL, H5S_ALL, H5P_DEFAULT, values.data()));
  return values;
}

std::vector<std::int64_t> parse_shape(const std::string& text) {
  std::vector<std::int64_t> shape;
  const char* at = text.data();
  const char* end = at + text.size();
  while (at < end) {
    const auto [next, error] = std::from_chars(at, end, shape.emplace_back());
    if (error != std::errc()) break;
    at = next + 1;  // past the 'x'
  }
  return shape;
}

void read_attributes(hid_t file, RunData& run) {
  Handle root(H5Gopen2(file, "/", H5P_DEFAULT), H5Gclose);
  for (auto& [name, value] : hdf5::read_attributes(root)) run.attributes[name] = value;
  run.status = run.attributes["status"];
  run.config_json = run.attributes["config_json"];
  run.data_sha256 = run.attributes["data_sha256"];
  run.epoch_label = run.attributes["epoch_label"];
  run.command = run.attributes["command"];
  run.started_at = run.attributes["started_at"];
}

void read_axes(hid_t file, RunData& run) {
  const auto paths = hdf5::read_texts(file, "/params/name");
  const auto roles = hdf5::read_texts(file, "/params/role");
  const auto shapes = hdf5::read_texts(file, "/params/shape");
  const auto blocks = read_numbers(file, "/params/block");
  for (std::size_t i = 0; i < paths.size(); ++i) {
    run.params.push_back({paths[i], blocks.at(i), roles.at(i), parse_shape(shapes.at(i))});
  }
  const auto names = [&](Axis axis) {
    const std::string path = run_layout::text_of(axis).names_path, group = path.substr(0, path.rfind('/'));
    return run_layout::exists(file, group) ? hdf5::read_texts(file, path) : std::vector<std::string>();
  };
  run.residual = names(Axis::points);
  run.blocks = names(Axis::blocks);
  run.heads = names(Axis::heads);
  run.norms = names(Axis::norms);
}

void read_steps(hid_t file, RunData& run) {
  const std::vector<ColumnInfo> statistics = run_layout::statistics_of(file);
  const RowTable table(file, run_layout::step_columns(), statistics);
  const hsize_t rows = table.rows();
  run.step = table.read<std::int64_t>(0, rows);
  run.epoch = table.read<std::int64_t>(1, rows);
  run.tokens = table.read<std::int64_t>(2, rows);
  run.elapsed_s = table.read<double>(3, rows);
  run.loss = table.read<double>(4, rows);
  run.lr = table.read<double>(5, rows);
  run.grad_norm = table.read<double>(6, rows);
  run.clip_coef = table.read<double>(7, rows);
  for (std::size_t i = 0; i < statistics.size(); ++i) {
    const std::size_t column = run_layout::step_columns().size() + i;
    run.columns.push_back({statistics[i], table.width(column), table.read<float>(column, rows)});
  }
}

void read_evals(hid_t file, RunData& run) {
  const RowTable table(file, run_layout::eval_columns());
  const auto step = table.read<std::int64_t>(0, table.rows());
  const auto train = table.read<double>(1, table.rows());
  const auto val = table.read<double>(2, table.rows());
  const auto exact = table.read<std::uint8_t>(3, table.rows());
  for (std::size_t i = 0; i < step.size(); ++i) run.evals.push_back({step[i], train[i], val[i], exact[i] != 0});
}

void read_epochs(hid_t file, RunData& run) {
  const RowTable table(file, run_layout::epoch_columns());
  const auto epoch = table.read<std::int64_t>(0, table.rows());
  const auto complete = table.read<std::uint8_t>(1, table.rows());
  const auto loss = table.read<double>(2, table.rows());
  const auto norm = table.read<double>(3, table.rows());
  const auto param = table.read<float>(4, table.rows());
  const auto residual = table.read<float>(5, table.rows());
  const auto row_of = [](const std::vector<float>& matrix, std::size_t row, hsize_t width) {
    const auto begin = matrix.begin() + static_cast<std::ptrdiff_t>(row * width);
    return std::vector<float>(begin, begin + static_cast<std::ptrdiff_t>(width));
  };
  for (std::size_t i = 0; i < epoch.size(); ++i) {
    run.epochs.push_back({epoch[i], complete[i] != 0, loss[i], norm[i], row_of(param, i, table.width(4)),
                          row_of(residual, i, table.width(5))});
  }
}

// A file that is being written, or was when its writer was killed, opens under SWMR only.
Handle open_for_reading(const std::string& path) {
  try {
    return hdf5::open_file(path, Open::read);
  } catch (const Failure&) {
    if (!hdf5::marked_as_swmr(path)) throw;
    return hdf5::open_file(path, Open::read_swmr);
  }
}

}  // namespace

const Matrix& RunData::column(const std::string& name) const {
  std::string names;
  for (const Matrix& matrix : columns) {
    if (matrix.info.name == name) return matrix;
    names += (names.empty() ? "" : ", ") + matrix.info.name;
  }
  throw UsageError(fmt::format("'{}' has no column '{}'; available: {}", path, name, names.empty() ? "none" : names));
}

std::vector<std::string> RunData::names_of(Axis axis) const {
  switch (axis) {
    case Axis::one:
      return {""};
    case Axis::params: {
      std::vector<std::string> names;
      for (const ParamInfo& param : params) names.push_back(param.name);
      return names;
    }
    case Axis::points:
      return residual;
    case Axis::blocks:
      return blocks;
    case Axis::heads:
      return heads;
    case Axis::norms:
      return norms;
  }
  return {};
}

RunData read_run(const std::string& path) {
  std::error_code error;
  if (std::filesystem::is_directory(path, error)) run_layout::fail_reading(path, "it is a directory");
  const hdf5::CrashGuard guard(path);
  static constexpr int kAttempts = 4;
  for (int attempt = 1;; ++attempt) {
    try {
      RunData run;
      run.path = path;
      Handle file = open_for_reading(path);
      run_layout::require_run(file, path);
      read_attributes(file, run);
      read_axes(file, run);
      read_evals(file, run);
      read_epochs(file, run);
      read_steps(file, run);  // last: an epoch's row never comes before its steps
      return run;
    } catch (const Failure& failure) {
      // A writer that starts or ends holds the file plainly for a moment.
      if (attempt == kAttempts || !std::filesystem::exists(path, error)) run_layout::fail_reading(path, failure.what());
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(30));
  }
}

}  // namespace normscope
