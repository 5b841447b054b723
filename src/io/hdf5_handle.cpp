#include "io/hdf5_handle.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdint>
#include <cstring>
#include <fstream>
#include <iterator>

namespace normscope::hdf5 {
namespace {

// HDF5 prints its error stack to stderr unless told not to; the setting belongs to the thread in thread-safe builds.
void be_silent() {
  leave_exit_alone();
  H5Eset_auto2(H5E_DEFAULT, nullptr, nullptr);
}

herr_t keep_first(unsigned n, const H5E_error2_t* error, void* text) {
  if (n == 0 && error->desc != nullptr) *static_cast<std::string*>(text) = error->desc;
  return 0;
}

Handle access_properties() {
  Handle access(H5Pcreate(H5P_FILE_ACCESS), H5Pclose);
  // Not LATEST: a newer HDF5 would write what 1.10 cannot read.
  check(H5Pset_libver_bounds(access, H5F_LIBVER_V110, H5F_LIBVER_V110));
  check(H5Pset_file_locking(access, false, true));
  // Retries under SWMR sleep 1, 2, 4, ... ns: 25 of them are 30 ms, HDF5's 100 would never end on a broken file.
  check(H5Pset_metadata_read_attempts(access, 25));
  return access;
}

template <class T>
void write_scalar(hid_t object, const std::string& name, hid_t type, const T* value) {
  Handle space(H5Screate(H5S_SCALAR), H5Sclose);
  Handle attribute(H5Acreate2(object, name.c_str(), type, space, H5P_DEFAULT, H5P_DEFAULT), H5Aclose);
  check(H5Awrite(attribute, type, value));
}

std::string read_attribute_text(hid_t attribute, hid_t type) {
  Handle memory_type = text_type();
  if (H5Tis_variable_str(type) > 0) {
    char* text = nullptr;
    check(H5Tset_cset(memory_type, H5Tget_cset(type)));
    check(H5Aread(attribute, memory_type, &text));
    std::string value = text == nullptr ? "" : text;
    H5free_memory(text);
    return value;
  }
  std::string value(H5Tget_size(type), '\0');
  check(H5Aread(attribute, type, value.data()));
  value.resize(std::strlen(value.c_str()));
  return value;
}

herr_t collect_attribute(hid_t object, const char* name, const H5A_info_t*, void* list) try {
  Handle attribute(H5Aopen(object, name, H5P_DEFAULT), H5Aclose);
  Handle space(H5Aget_space(attribute), H5Sclose);
  Handle type(H5Aget_type(attribute), H5Tclose);
  if (H5Sget_simple_extent_npoints(space) != 1) return 0;
  std::string text;
  switch (H5Tget_class(type)) {
    case H5T_STRING:
      text = read_attribute_text(attribute, type);
      break;
    case H5T_INTEGER: {
      std::int64_t value = 0;  // the bits of an unsigned 64-bit seed survive
      const bool is_unsigned = H5Tget_sign(type) == H5T_SGN_NONE;
      check(H5Aread(attribute, is_unsigned ? H5T_NATIVE_UINT64 : H5T_NATIVE_INT64, &value));
      text = is_unsigned ? fmt::format("{}", static_cast<std::uint64_t>(value)) : fmt::format("{}", value);
      break;
    }
    case H5T_FLOAT: {
      double value = 0;
      check(H5Aread(attribute, H5T_NATIVE_DOUBLE, &value));
      text = fmt::format("{}", value);
      break;
    }
    default:
      return 0;
  }
  static_cast<std::vector<std::pair<std::string, std::string>>*>(list)->emplace_back(name, text);
  return 0;
} catch (const std::exception&) {  // nothing may be thrown through C code
  return -1;
}

}  // namespace

namespace {
constexpr int kCrashes[] = {SIGSEGV, SIGBUS, SIGFPE, SIGABRT};
char crash_text[4096];  // made before the crash: a handler may only write

void on_crash(int) {
  [[maybe_unused]] const auto written = ::write(STDERR_FILENO, crash_text, std::strlen(crash_text));
  ::_exit(2);
}
}  // namespace

struct CrashGuard::Old {
  struct sigaction actions[std::size(kCrashes)];
};

CrashGuard::CrashGuard(const std::string& path) : old_(std::make_unique<Old>()) {
  const auto end =
      fmt::format_to_n(crash_text, sizeof crash_text - 1,
                       "normscope: [hdf5] '{:.3000}' is damaged: HDF5 cannot read it; replace it by a copy "
                       "or create it again\n",
                       path);
  *end.out = '\0';
  struct sigaction action{};
  action.sa_handler = on_crash;
  sigemptyset(&action.sa_mask);
  for (std::size_t i = 0; i < std::size(kCrashes); ++i) sigaction(kCrashes[i], &action, &old_->actions[i]);
}

CrashGuard::~CrashGuard() {
  for (std::size_t i = 0; i < std::size(kCrashes); ++i) sigaction(kCrashes[i], &old_->actions[i], nullptr);
}

void leave_exit_alone() {
  static const herr_t done = H5dont_atexit();
  static_cast<void>(done);
}

std::string version() {
  leave_exit_alone();
  unsigned major = 0, minor = 0, release = 0;
  H5get_libversion(&major, &minor, &release);
  return fmt::format("{}.{}.{}", major, minor, release);
}

std::string innermost_error() {
  std::string text;
  H5Ewalk2(H5E_DEFAULT, H5E_WALK_UPWARD, keep_first, &text);
  H5Eclear2(H5E_DEFAULT);
  // The file driver says: "..., errno = 28, error message = 'No space left on device', ..."
  static constexpr char kMark[] = "error message = '";
  if (const auto at = text.find(kMark); at != std::string::npos) {
    const auto begin = at + sizeof kMark - 1;
    text = text.substr(begin, text.find('\'', begin) - begin);
  }
  return text.empty() ? "HDF5 gives no reason" : text;
}

void Handle::close() {
  const hid_t id = std::exchange(id_, -1);
  if (id >= 0 && closer_(id) < 0) throw Failure(innermost_error());
}

Handle open_file(const std::string& path, Open mode) {
  be_silent();
  const bool writing = mode == Open::write || mode == Open::write_swmr || mode == Open::recover;
  Handle access = access_properties();
  if (mode == Open::recover) {
    // What h5clear does: a killed writer leaves "open for writing" in the superblock, and perhaps a length that the
    // file never reached. A file that was closed must have its whole length.
    const hbool_t yes = true;
    if (H5Pexist(access, "clear_status_flags") > 0) check(H5Pset(access, "clear_status_flags", &yes));
    if (marked_as_swmr(path) && H5Pexist(access, "skip_eof_check") > 0) check(H5Pset(access, "skip_eof_check", &yes));
  }
  unsigned flags = writing ? H5F_ACC_RDWR : H5F_ACC_RDONLY;
  if (mode == Open::read_swmr) flags |= H5F_ACC_SWMR_READ;
  if (mode == Open::write_swmr) flags |= H5F_ACC_SWMR_WRITE;
  Handle file(H5Fopen(path.c_str(), flags, access), H5Fclose);
  // A killed writer's superblock may end before its last blocks: new ones must not be put on top of them.
  if (mode == Open::recover) check(H5Fincrement_filesize(file, 0));
  return file;
}

bool marked_as_swmr(const std::string& path) {
  // Superblock: signature (8 bytes), version, size of offsets, size of lengths, consistency flags.
  unsigned char head[12] = {};
  std::ifstream(path, std::ios::binary).read(reinterpret_cast<char*>(head), sizeof head);
  return std::memcmp(head, "\x89HDF\r\n\x1a\n", 8) == 0 && head[8] >= 3 && (head[11] & 4) != 0;
}

Handle create_file(const std::string& path) {
  be_silent();
  Handle access = access_properties();
  return Handle(H5Fcreate(path.c_str(), H5F_ACC_TRUNC, H5P_DEFAULT, access), H5Fclose);
}

void sync_to_disk(hid_t file) {
  void* descriptor = nullptr;
  check(H5Fget_vfd_handle(file, H5P_DEFAULT, &descriptor));
  if (::fsync(*static_cast<int*>(descriptor)) != 0) throw Failure(std::strerror(errno));
}

void abandon(hid_t file) {
  void* descriptor = nullptr;
  const int nowhere = ::open("/dev/null", O_RDWR | O_CLOEXEC);
  if (nowhere < 0) return;
  if (H5Fget_vfd_handle(file, H5P_DEFAULT, &descriptor) >= 0) ::dup2(nowhere, *static_cast<int*>(descriptor));
  ::close(nowhere);
}

Handle text_type() {
  Handle type(H5Tcopy(H5T_C_S1), H5Tclose);
  check(H5Tset_size(type, H5T_VARIABLE));
  check(H5Tset_cset(type, H5T_CSET_UTF8));
  return type;
}

Handle fixed_text_type(std::size_t size) {
  Handle type(H5Tcopy(H5T_C_S1), H5Tclose);
  check(H5Tset_size(type, std::max<std::size_t>(size, 1)));
  check(H5Tset_strpad(type, H5T_STR_NULLPAD));
  check(H5Tset_cset(type, H5T_CSET_UTF8));
  return type;
}

void write_attribute(hid_t object, const std::string& name, const std::string& value) {
  Handle type = text_type();
  const char* text = value.c_str();
  if (H5Aexists(object, name.c_str()) > 0) {
    Handle attribute(H5Aopen(object, name.c_str(), H5P_DEFAULT), H5Aclose);
    check(H5Awrite(attribute, type, &text));
  } else {
    write_scalar(object, name, type, &text);
  }
}

void write_attribute(hid_t object, const std::string& name, const std::vector<std::string>& values) {
  Handle type = text_type();
  std::vector<const char*> texts;
  for (const std::string& value : values) texts.push_back(value.c_str());
  const hsize_t count = values.size();
  Handle space(H5Screate_simple(1, &count, nullptr), H5Sclose);
  Handle attribute(H5Acreate2(object, name.c_str(), type, space, H5P_DEFAULT, H5P_DEFAULT), H5Aclose);
  check(H5Awrite(attribute, type, texts.data()));
}

void write_attribute(hid_t object, const std::string& name, std::int64_t value) {
  write_scalar(object, name, H5T_NATIVE_INT64, &value);
}
void write_attribute(hid_t object, const std::string& name, std::uint64_t value) {
  write_scalar(object, name, H5T_NATIVE_UINT64, &value);
}
void write_attribute(hid_t object, const std::string& name, double value) {
  write_scalar(object, name, H5T_NATIVE_DOUBLE, &value);
}

std::vector<std::pair<std::string, std::string>> read_attributes(hid_t object) {
  std::vector<std::pair<std::string, std::string>> list;
  check(H5Aiterate2(object, H5_INDEX_NAME, H5_ITER_INC, nullptr, collect_attribute, &list));
  return list;
}

Handle open_dataset(hid_t file, const std::string& path) {
  return Handle(H5Dopen2(file, path.c_str(), H5P_DEFAULT), H5Dclose);
}

std::vector<hsize_t> extents(hid_t dataset) {
  Handle space(H5Dget_space(dataset), H5Sclose);
  const int rank = H5Sget_simple_extent_ndims(space);
  if (rank < 0) throw Failure(innermost_error());
  std::vector<hsize_t> dims(static_cast<std::size_t>(rank));
  if (rank > 0) check(H5Sget_simple_extent_dims(space, dims.data(), nullptr));
  return dims;
}

Handle write_texts(hid_t file, const std::string& path, const std::vector<std::string>& values) {
  std::size_t width = 1;
  for (const std::string& value : values) width = std::max(width, value.size());
  std::string block(width * values.size(), '\0');
  for (std::size_t i = 0; i < values.size(); ++i) values[i].copy(block.data() + i * width, width);
  Handle type = fixed_text_type(width);
  const hsize_t count = values.size();
  Handle space(H5Screate_simple(1, &count, nullptr), H5Sclose);
  Handle set(H5Dcreate2(file, path.c_str(), type, space, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT), H5Dclose);
  if (count > 0) check(H5Dwrite(set, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, block.data()));
  return set;
}

std::vector<std::string> read_texts(hid_t file, const std::string& path) {
  Handle set = open_dataset(file, path);
  Handle type(H5Dget_type(set), H5Tclose);
  const std::size_t width = H5Tget_size(type);
  const std::vector<hsize_t> dims = extents(set);
  std::vector<std::string> values(dims.empty() ? 0 : dims[0]);
  std::string block(width * values.size(), '\0');
  if (!values.empty()) check(H5Dread(set, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, block.data()));
  for (std::size_t i = 0; i < values.size(); ++i) {
    const char* text = block.data() + i * width;
    values[i].assign(text, strnlen(text, width));
  }
  return values;
}

}  // namespace normscope::hdf5
