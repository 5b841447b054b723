#pragma once
// A thin layer over HDF5's C API: handles that close themselves, failures as exceptions, attributes as text.
// HDF5 is not thread-safe as Debian builds it: files are read and written by one thread at a time.
#include <hdf5.h>

#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace normscope::hdf5 {

/// A failed HDF5 call; what() is the innermost reason, the system's own words where HDF5 has them. Never leaves src/io:
/// the public functions turn it into Error or UsageError with the path.
class Failure : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// The innermost description on HDF5's error stack ("No space left on device"); clears the stack.
std::string innermost_error();

/// Owns one HDF5 identifier of any kind.
class Handle {
 public:
  using Closer = herr_t (*)(hid_t);
  Handle() = default;
  /// Throws Failure when `id` is the negative value of a failed call.
  Handle(hid_t id, Closer closer) : id_(id), closer_(closer) {
    if (id < 0) throw Failure(innermost_error());
  }
  Handle(Handle&& other) noexcept : id_(std::exchange(other.id_, -1)), closer_(other.closer_) {}
  Handle& operator=(Handle&& other) noexcept {
    std::swap(id_, other.id_);
    std::swap(closer_, other.closer_);
    return *this;
  }
  ~Handle() {
    if (id_ >= 0) closer_(id_);
  }
  operator hid_t() const { return id_; }
  bool is_open() const { return id_ >= 0; }
  /// Closes now and throws Failure if that fails: the last writes of a file happen here.
  void close();

 private:
  hid_t id_ = -1;
  Closer closer_ = nullptr;
};

/// Throws Failure when an HDF5 call returned a negative value.
inline void check(herr_t status) {
  if (status < 0) throw Failure(innermost_error());
}

enum class Open {
  read,        ///< a closed file
  read_swmr,   ///< a file that is being written
  write,       ///< plain writing
  write_swmr,  ///< appends that readers may watch
  recover,     ///< plain writing, after clearing the marks that a killed writer left
};
/// Opens an existing file. HDF5's file lock is not taken (the run folder has its own), so no reader blocks a writer.
Handle open_file(const std::string& path, Open mode);
/// Does the file say that a writer has it open under SWMR, or had when it was killed?
bool marked_as_swmr(const std::string& path);
/// Creates an empty file in the format that HDF5 1.10 reads and SWMR needs; replaces an existing one.
Handle create_file(const std::string& path);
/// HDF5 1.10 follows the addresses of a damaged file without a look: while one of these lives, a crash ends the program
/// with a sentence that names `path`, and exit 2.
class CrashGuard {
 public:
  explicit CrashGuard(const std::string& path);
  ~CrashGuard();
  CrashGuard(const CrashGuard&) = delete;
  CrashGuard& operator=(const CrashGuard&) = delete;

 private:
  struct Old;
  std::unique_ptr<Old> old_;
};

/// Comes before the first call of HDF5: a file that could not be closed (full disk) crashes HDF5's own clean-up at
/// exit.
void leave_exit_alone();
/// "1.10.8", of the library.
std::string version();
/// fsyncs an open file (HDF5's flush only hands the bytes to the kernel).
void sync_to_disk(hid_t file);

/// After a failed write: whatever HDF5 still writes, now or at exit, goes nowhere, and the file stays as a kill would
/// have left it. Closing it would mark a file as whole whose end is missing.
void abandon(hid_t file);

/// Variable-length UTF-8, what h5py reads as str.
Handle text_type();
/// UTF-8 of `size` bytes, padded with zeros.
Handle fixed_text_type(std::size_t size);

void write_attribute(hid_t object, const std::string& name, const std::string& value);
void write_attribute(hid_t object, const std::string& name, const std::vector<std::string>& values);
void write_attribute(hid_t object, const std::string& name, std::int64_t value);
void write_attribute(hid_t object, const std::string& name, std::uint64_t value);
void write_attribute(hid_t object, const std::string& name, double value);
/// All scalar attributes of an object as text (numbers printed).
std::vector<std::pair<std::string, std::string>> read_attributes(hid_t object);

Handle open_dataset(hid_t file, const std::string& path);
std::vector<hsize_t> extents(hid_t dataset);
/// A one-dimensional text dataset of fixed-length strings; an existing name is an error.
Handle write_texts(hid_t file, const std::string& path, const std::vector<std::string>& values);
std::vector<std::string> read_texts(hid_t file, const std::string& path);

}  // namespace normscope::hdf5
