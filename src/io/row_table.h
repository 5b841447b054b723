#pragma once
// Datasets that grow together by rows, with the rows that are not written yet.
#include <cstring>
#include <span>
#include <vector>

#include "io/run_layout.h"

namespace normscope {

class RowTable {
 public:
  RowTable() = default;
  /// Opens the datasets; `statistics` are further float columns. Throws hdf5::Failure.
  RowTable(hid_t file, std::span<const run_layout::Column> columns, const std::vector<ColumnInfo>& statistics = {});

  /// Rows that all columns have: fewer than some have when a writer was killed.
  hsize_t rows() const { return rows_; }
  hsize_t width(std::size_t column) const { return columns_[column].width; }
  std::size_t columns() const { return columns_.size(); }
  const std::string& path(std::size_t column) const { return columns_[column].path; }

  /// Adds one row's value or values to column `column`; end_row() after all of them.
  template <class T>
  void put(std::size_t column, T value) {
    put_bytes(column, &value, sizeof value);
  }
  void put(std::size_t column, std::span<const float> values);  ///< NaN for all when empty
  void end_row() { ++pending_; }

  bool has_pending() const { return pending_ > 0; }
  /// Writes the pending rows of all columns but the key; then write_key() makes them count.
  void write_values();
  void write_key();
  /// Cuts every column to its first `rows` rows.
  void truncate(hsize_t rows);
  /// Reads `rows` rows of a column. Throws hdf5::Failure.
  template <class T>
  std::vector<T> read(std::size_t column, hsize_t rows) const {
    std::vector<T> values(rows * columns_[column].width);
    read_block(columns_[column], rows, values.data());
    return values;
  }

 private:
  struct Column {
    std::string path;
    run_layout::Kind kind;
    hsize_t width = 1;
    bool matrix = false;
    hdf5::Handle set;
    std::vector<char> pending;  // capacity is kept from block to block
  };
  void open(hid_t file, const std::string& path, run_layout::Kind kind);
  void put_bytes(std::size_t column, const void* data, std::size_t size) {
    std::vector<char>& pending = columns_[column].pending;
    const auto* bytes = static_cast<const char*>(data);
    pending.insert(pending.end(), bytes, bytes + size);
  }
  void write_column(Column& column);
  static void read_block(const Column& column, hsize_t rows, void* data);

  std::vector<Column> columns_;
  hsize_t rows_ = 0, pending_ = 0;
};

}  // namespace normscope
