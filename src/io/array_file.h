#pragma once
// Named arrays in one HDF5 file: what `dump` and checkpoints are made of.
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace normscope {

/// A dense row-major array of any element type the formats use.
struct Array {
  enum class Type { f32, f64, i32, i64, u8, u16 };
  Type type = Type::f32;
  std::vector<std::int64_t> shape;  ///< empty: scalar
  std::vector<std::uint8_t> bytes;  ///< little-endian elements

  std::int64_t numel() const;
  static std::size_t size_of(Type type);
};

/// Writes to `path` + ".tmp", fsyncs, renames and fsyncs the folder: the file is whole or not there. Names are full
/// paths below the root ("grads/blocks.3.attn_norm.gain": dots are kept, slashes make groups).
class ArrayFileWriter {
 public:
  explicit ArrayFileWriter(const std::string& path);  ///< raises Error when it cannot be written
  ~ArrayFileWriter();                                 ///< without commit(): removes the temporary file
  void attribute(const std::string& name, const std::string& value);
  /// `data` holds the elements of `shape`; no copy is kept.
  void write(const std::string& name, Array::Type type, const std::vector<std::int64_t>& shape, const void* data);
  void commit();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

class ArrayFileReader {
 public:
  explicit ArrayFileReader(const std::string& path);  ///< raises UsageError: missing, not HDF5, truncated
  ~ArrayFileReader();
  std::map<std::string, std::string> attributes() const;
  std::vector<std::string> names() const;  ///< full paths of all datasets
  bool has(const std::string& name) const;
  Array read(const std::string& name) const;  ///< raises UsageError when missing

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace normscope
