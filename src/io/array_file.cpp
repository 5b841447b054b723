#include "io/array_file.h"

#include <fmt/format.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <numeric>

#include "io/hdf5_handle.h"
#include <normscope/core/error.h>
#include "io/file_util.h"

namespace normscope {

using hdf5::check;
using hdf5::Failure;
using hdf5::Handle;
using Type = Array::Type;

namespace {

// The types are the same in memory: every supported machine is little-endian.
hid_t hdf5_type(Type type) {
  switch (type) {
    case Type::f32:
      return H5T_IEEE_F32LE;
    case Type::f64:
      return H5T_IEEE_F64LE;
    case Type::i32:
      return H5T_STD_I32LE;
    case Type::i64:
      return H5T_STD_I64LE;
    case Type::u8:
      return H5T_STD_U8LE;
    case Type::u16:
      return H5T_STD_U16LE;
  }
  return -1;
}

// The type that holds every value of a file's type: int16 becomes int32, float16 float32, h5py's bool (an enum) uint8.
Type type_for(hid_t stored, const std::string& name) {
  const std::size_t size = H5Tget_size(stored);
  switch (H5Tget_class(stored)) {
    case H5T_FLOAT:
      return size <= 4 ? Type::f32 : Type::f64;
    case H5T_ENUM:
      return Type::u8;
    case H5T_INTEGER:
      if (H5Tget_sign(stored) == H5T_SGN_NONE) {
        return size == 1 ? Type::u8 : size == 2 ? Type::u16 : Type::i64;
      }
      return size <= 4 ? Type::i32 : Type::i64;
    default:
      throw Failure("dataset '" + name + "' contains no numbers");
  }
}

[[noreturn]] void fail_writing(const std::string& path, const std::string& reason) {
  throw Error(
      fmt::format("[array_file] cannot write '{}': {}; free disk space or choose another path with --out or --out_dir",
                  path, reason));
}

[[noreturn]] void fail_reading(const std::string& path, const std::string& reason) {
  throw UsageError(fmt::format("[array_file] cannot read '{}': {}; give a complete HDF5 file (a checkpoint or a dump)",
                               path, reason));
}

herr_t collect_link(hid_t, const char* name, const H5L_info_t*, void* list) {
  static_cast<std::vector<std::string>*>(list)->emplace_back(name);
  return 0;
}

}  // namespace

std::int64_t Array::numel() const {
  return std::accumulate(shape.begin(), shape.end(), std::int64_t{1}, std::multiplies<>());
}

std::size_t Array::size_of(Type type) { return H5Tget_size(hdf5_type(type)); }

struct ArrayFileWriter::Impl {
  std::string path, target, temporary;
  Handle file;
  bool committed = false;

  // Every failure ends here: the exception names the path, the temporary file goes away.
  template <class F>
  void guarded(F&& action) {
    try {
      action();
    } catch (const Failure& failure) {
      const std::string reason = failure.what();
      discard();
      fail_writing(path, reason);
    }
  }

  void discard() {
    if (file.is_open()) hdf5::abandon(file);  // a full disk must not be tried again
    file = Handle();
    std::remove(temporary.c_str());
    committed = true;
  }
};

ArrayFileWriter::ArrayFileWriter(const std::string& path) : impl_(std::make_unique<Impl>()) {
  impl_->path = path;
  impl_->target = output_file_target(path);
  impl_->temporary = impl_->target + ".tmp";
  impl_->guarded([&] { impl_->file = hdf5::create_file(impl_->temporary); });
}

ArrayFileWriter::~ArrayFileWriter() {
  if (!impl_->committed) impl_->discard();
}

void ArrayFileWriter::attribute(const std::string& name, const std::string& value) {
  impl_->guarded([&] {
    Handle root(H5Gopen2(impl_->file, "/", H5P_DEFAULT), H5Gclose);
    hdf5::write_attribute(root, name, value);
  });
}

void ArrayFileWriter::write(const std::string& name, Type type, const std::vector<std::int64_t>& shape,
                            const void* data) {
  impl_->guarded([&] {
    const std::vector<hsize_t> dims(shape.begin(), shape.end());
    const int rank = static_cast<int>(dims.size());
    Handle space(rank == 0 ? H5Screate(H5S_SCALAR) : H5Screate_simple(rank, dims.data(), nullptr), H5Sclose);
    Handle links(H5Pcreate(H5P_LINK_CREATE), H5Pclose);
    check(H5Pset_create_intermediate_group(links, 1));
    Handle set(H5Dcreate2(impl_->file, name.c_str(), hdf5_type(type), space, links, H5P_DEFAULT, H5P_DEFAULT),
               H5Dclose);
    if (H5Sget_simple_extent_npoints(space) > 0) {
      check(H5Dwrite(set, hdf5_type(type), H5S_ALL, H5S_ALL, H5P_DEFAULT, data));
    }
    set.close();
  });
}

void ArrayFileWriter::commit() {
  impl_->guarded([&] {
    check(H5Fflush(impl_->file, H5F_SCOPE_LOCAL));
    impl_->file.close();
  });
  impl_->committed = true;
  rename_durably(impl_->temporary, impl_->target);
}

struct ArrayFileReader::Impl {
  std::string path;
  Handle file;

  template <class F>
  auto guarded(F&& action) {
    const hdf5::CrashGuard guard(path);
    try {
      return action();
    } catch (const Failure& failure) {
      fail_reading(path, failure.what());
    }
  }
};

ArrayFileReader::ArrayFileReader(const std::string& path) : impl_(std::make_unique<Impl>()) {
  impl_->path = path;
  std::error_code error;
  if (std::filesystem::is_directory(path, error)) fail_reading(path, "it is a directory");
  if (std::filesystem::is_regular_file(path, error) && std::filesystem::file_size(path, error) == 0) {
    fail_reading(path, "the file is empty");
  }
  impl_->file = impl_->guarded([&] { return hdf5::open_file(path, hdf5::Open::read); });
}

ArrayFileReader::~ArrayFileReader() = default;

std::map<std::string, std::string> ArrayFileReader::attributes() const {
  return impl_->guarded([&] {
    Handle root(H5Gopen2(impl_->file, "/", H5P_DEFAULT), H5Gclose);
    const auto list = hdf5::read_attributes(root);
    return std::map<std::string, std::string>(list.begin(), list.end());
  });
}

std::vector<std::string> ArrayFileReader::names() const {
  return impl_->guarded([&] {
    std::vector<std::string> list;
    check(H5Lvisit(impl_->file, H5_INDEX_NAME, H5_ITER_INC, collect_link, &list));
    std::erase_if(list, [&](const std::string& name) { return !has(name); });  // groups
    return list;
  });
}

// H5Lexists fails on "a/b" when "a" is missing, so the path is walked.
bool ArrayFileReader::has(const std::string& name) const {
  const hdf5::CrashGuard guard(impl_->path);
  for (std::size_t slash = name.find('/'); slash != std::string::npos; slash = name.find('/', slash + 1)) {
    if (slash > 0 && H5Lexists(impl_->file, name.substr(0, slash).c_str(), H5P_DEFAULT) <= 0) return false;
  }
  if (name.empty() || H5Lexists(impl_->file, name.c_str(), H5P_DEFAULT) <= 0) return false;
  const hid_t object = H5Oopen(impl_->file, name.c_str(), H5P_DEFAULT);
  const bool is_dataset = object >= 0 && H5Iget_type(object) == H5I_DATASET;
  if (object >= 0) H5Oclose(object);
  return is_dataset;
}

Array ArrayFileReader::read(const std::string& name) const {
  if (!has(name)) {
    throw UsageError(fmt::format(
        "[array_file] '{}' has no dataset '{}'; `normscope inspect` lists the content of a file", impl_->path, name));
  }
  return impl_->guarded([&] {
    Array array;
    Handle set = hdf5::open_dataset(impl_->file, name);
    Handle stored(H5Dget_type(set), H5Tclose);
    array.type = type_for(stored, name);
    const std::vector<hsize_t> dims = hdf5::extents(set);
    array.shape.assign(dims.begin(), dims.end());
    array.bytes.resize(static_cast<std::size_t>(array.numel()) * Array::size_of(array.type));
    if (!array.bytes.empty()) {
      check(H5Dread(set, hdf5_type(array.type), H5S_ALL, H5S_ALL, H5P_DEFAULT, array.bytes.data()));
    }
    return array;
  });
}

}  // namespace normscope
