#include "io/row_table.h"

#include <algorithm>
#include <limits>

namespace normscope {

using hdf5::check;
using hdf5::Handle;
using run_layout::Kind;

RowTable::RowTable(hid_t file, std::span<const run_layout::Column> columns, const std::vector<ColumnInfo>& statistics) {
  rows_ = std::numeric_limits<hsize_t>::max();
  for (const run_layout::Column& column : columns) open(file, column.path, column.kind);
  for (const ColumnInfo& info : statistics) open(file, info.path, Kind::f32);
}

void RowTable::open(hid_t file, const std::string& path, Kind kind) {
  Handle access(H5Pcreate(H5P_DATASET_ACCESS), H5Pclose);
  // Two chunks are enough for appends; HDF5's default is a megabyte a dataset.
  check(H5Pset_chunk_cache(access, 31, 256 * 1024, 1.0));
  Column column;
  column.path = path;
  column.kind = kind;
  column.set = Handle(H5Dopen2(file, path.c_str(), access), H5Dclose);
  const std::vector<hsize_t> dims = hdf5::extents(column.set);
  if (dims.empty() || dims.size() > 2) throw hdf5::Failure("dataset '" + path + "' has the wrong number of axes");
  column.matrix = dims.size() == 2;
  if (column.matrix) column.width = dims[1];
  rows_ = std::min(rows_, dims[0]);
  columns_.push_back(std::move(column));
}

void RowTable::put(std::size_t column, std::span<const float> values) {
  if (!values.empty()) return put_bytes(column, values.data(), values.size_bytes());
  for (hsize_t i = 0; i < width(column); ++i) put(column, std::numeric_limits<float>::quiet_NaN());
}

void RowTable::write_column(Column& column) {
  const hsize_t whole[] = {rows_ + pending_, column.width};
  check(H5Dset_extent(column.set, whole));
  if (column.width == 0) return;
  const hsize_t start[] = {rows_, 0}, count[] = {pending_, column.width};
  const int rank = column.matrix ? 2 : 1;
  Handle target(H5Dget_space(column.set), H5Sclose);
  check(H5Sselect_hyperslab(target, H5S_SELECT_SET, start, nullptr, count, nullptr));
  Handle source(H5Screate_simple(rank, count, nullptr), H5Sclose);
  check(H5Dwrite(column.set, run_layout::memory_type(column.kind), source, target, H5P_DEFAULT, column.pending.data()));
  column.pending.clear();
}

void RowTable::write_values() {
  if (pending_ == 0) return;
  for (std::size_t i = 1; i < columns_.size(); ++i) write_column(columns_[i]);
}

void RowTable::write_key() {
  if (pending_ == 0) return;
  write_column(columns_[0]);
  rows_ += pending_;
  pending_ = 0;
}

void RowTable::truncate(hsize_t rows) {
  for (Column& column : columns_) {
    const hsize_t whole[] = {rows, column.width};
    check(H5Dset_extent(column.set, whole));
  }
  rows_ = rows;
}

void RowTable::read_block(const Column& column, hsize_t rows, void* data) {
  if (rows == 0 || column.width == 0) return;
  const hsize_t start[] = {0, 0}, count[] = {rows, column.width};
  Handle source(H5Dget_space(column.set), H5Sclose);
  check(H5Sselect_hyperslab(source, H5S_SELECT_SET, start, nullptr, count, nullptr));
  Handle target(H5Screate_simple(column.matrix ? 2 : 1, count, nullptr), H5Sclose);
  check(H5Dread(column.set, run_layout::memory_type(column.kind), target, source, H5P_DEFAULT, data));
}

}  // namespace normscope
