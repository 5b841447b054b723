#include "io/npz_file.h"

#include <zip.h>

#include <algorithm>
#include <array>
#include <bit>
#include <charconv>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <memory>
#include <optional>
#include <string_view>

#include <fmt/format.h>

#include <normscope/core/error.h>

namespace normscope {
namespace {

constexpr std::uint64_t kLargest = std::uint64_t{1} << 32;  // bytes of one array

/// Half precision: 1 sign, 5 exponent, 10 fraction bits (IEEE 754).
double half(std::uint16_t bits) {
  const int exponent = (bits >> 10) & 31, fraction = bits & 1023;
  const double size = exponent == 31  ? (fraction ? NAN : HUGE_VAL)
                      : exponent == 0 ? std::ldexp(fraction, -24)
                                      : std::ldexp(1024 + fraction, exponent - 25);
  return bits & 0x8000 ? -size : size;
}

template <class T>
double number_at(const char* from) {
  T value;
  std::memcpy(&value, from, sizeof value);
  return static_cast<double>(value);
}

struct ElementType {
  const char *descr, *name;
  std::size_t size;
  double (*read)(const char* from);
};
constexpr ElementType kTypes[] = {
    {"f2", "float16", 2,
     [](const char* p) {
       std::uint16_t b;
       std::memcpy(&b, p, 2);
       return half(b);
     }},
    {"f4", "float32", 4, number_at<float>},
    {"f8", "float64", 8, number_at<double>},
    {"i1", "int8", 1, number_at<std::int8_t>},
    {"i2", "int16", 2, number_at<std::int16_t>},
    {"i4", "int32", 4, number_at<std::int32_t>},
    {"i8", "int64", 8, number_at<std::int64_t>},
    {"u1", "uint8", 1, number_at<std::uint8_t>},
    {"u2", "uint16", 2, number_at<std::uint16_t>},
    {"u4", "uint32", 4, number_at<std::uint32_t>},
    {"u8", "uint64", 8, number_at<std::uint64_t>},
};

const ElementType& element_type(const std::string& descr) {
  if (descr.find('O') != std::string::npos) throw Error("it contains Python objects; save arrays of numbers");
  if (descr.starts_with('>')) throw Error("it is big-endian (" + descr + "); save it as little-endian");
  for (const ElementType& type : kTypes)
    if (descr == (type.size == 1 ? "|" : "<") + std::string(type.descr)) return type;
  throw Error("its dtype '" + descr + "' is not supported; save it as float16, float32 or float64");
}

/// The header, a Python dict: {'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), }
class HeaderParser {
 public:
  explicit HeaderParser(std::string_view text) : rest_(text) {}

  std::optional<std::string> descr;
  std::optional<bool> fortran;
  std::optional<std::vector<std::int64_t>> shape;

  void parse() {
    expect('{');
    while (!take('}')) {
      const std::string key = quoted();
      expect(':');
      if (key == "descr" && !descr)
        descr = description();
      else if (key == "fortran_order" && !fortran)
        fortran = boolean();
      else if (key == "shape" && !shape)
        shape = tuple();
      else
        fail();
      if (!take(',') && peek() != '}') fail();
    }
    if (peek() != '\0' || !descr || !fortran || !shape) fail();
  }

 private:
  [[noreturn]] static void fail() { throw Error("its .npy header is malformed"); }
  char peek() {
    rest_.remove_prefix(std::min(rest_.find_first_not_of(" \n\t"), rest_.size()));
    return rest_.empty() ? '\0' : rest_.front();
  }
  bool take(char c) {
    if (peek() != c) return false;
    rest_.remove_prefix(1);
    return true;
  }
  void expect(char c) {
    if (!take(c)) fail();
  }
  std::string quoted() {
    const char quote = peek();
    if (quote != '\'' && quote != '"') fail();
    const auto end = rest_.find(quote, 1);
    if (end == std::string_view::npos) fail();
    const std::string text(rest_.substr(1, end - 1));
    rest_.remove_prefix(end + 1);
    return text;
  }
  std::string description() {
    if (peek() == '[') throw Error("it has named fields; save each as its own array");
    return quoted();
  }
  bool boolean() {
    peek();
    for (const std::string_view word : {"True", "False"})
      if (rest_.starts_with(word)) {
        rest_.remove_prefix(word.size());
        return word == "True";
      }
    fail();
  }
  std::vector<std::int64_t> tuple() {
    std::vector<std::int64_t> extents;
    expect('(');
    while (!take(')')) {
      peek();
      std::int64_t extent = -1;
      const auto [end, error] = std::from_chars(rest_.data(), rest_.data() + rest_.size(), extent);
      if (error != std::errc() || extent < 0) fail();
      rest_.remove_prefix(static_cast<std::size_t>(end - rest_.data()));
      extents.push_back(extent);
      if (!take(',') && peek() != ')') fail();
    }
    return extents;
  }

  std::string_view rest_;
};

/// How many elements; Error when so many cannot lie in `bytes`.
std::size_t elements(const std::vector<std::int64_t>& shape, std::size_t size, std::size_t bytes) {
  std::uint64_t count = 1;
  for (const std::int64_t extent : shape)
    if (__builtin_mul_overflow(count, static_cast<std::uint64_t>(extent), &count)) count = kLargest;
  if (count > bytes || count * size != bytes)
    throw Error(fmt::format("its shape and dtype do not match its {} bytes of data", bytes));
  return count;
}

/// Fortran order: the first index runs fastest.
std::vector<double> row_major(const std::vector<double>& values, const std::vector<std::int64_t>& shape) {
  std::vector<double> out(values.size());
  std::vector<std::int64_t> index(shape.size(), 0);
  for (double& value : out) {
    std::int64_t at = 0;
    for (std::size_t k = shape.size(); k-- > 0;) at = at * shape[k] + index[k];
    value = values[static_cast<std::size_t>(at)];
    for (std::size_t k = shape.size(); k-- > 0;) {
      if (++index[k] < shape[k]) break;
      index[k] = 0;
    }
  }
  return out;
}

struct Archive {
  zip_t* zip = nullptr;
  ~Archive() {
    if (zip) zip_discard(zip);
  }
};

std::string zip_reason(int code) {
  zip_error_t error;
  zip_error_init_with_code(&error, code);
  const std::string reason = zip_error_strerror(&error);
  zip_error_fini(&error);
  return reason;
}

/// A whole member; libzip checks its CRC.
std::string read_member(zip_t* zip, zip_uint64_t index, const zip_stat_t& facts) {
  if (!(facts.valid & ZIP_STAT_SIZE) || facts.size > kLargest) throw Error("it is larger than 4 GiB");
  const std::unique_ptr<zip_file_t, int (*)(zip_file_t*)> file(zip_fopen_index(zip, index, 0), zip_fclose);
  if (!file) throw Error(fmt::format("it cannot be unpacked ({})", zip_strerror(zip)));
  std::string bytes;
  std::array<char, 1 << 16> part;
  // To the end, and no further than announced: only then is the CRC checked, and a lying size found.
  while (const zip_int64_t count = zip_fread(file.get(), part.data(), part.size())) {
    if (count < 0) throw Error(fmt::format("it is damaged ({})", zip_error_strerror(zip_file_get_error(file.get()))));
    bytes.append(part.data(), static_cast<std::size_t>(count));
    if (bytes.size() > facts.size) throw Error("it is longer than the zip entry states");
  }
  if (bytes.size() != facts.size) throw Error("it is shorter than the zip entry states");
  return bytes;
}

}  // namespace

NpzArray parse_npy(const std::string& bytes) {
  if (bytes.size() < 10 || !bytes.starts_with("\x93NUMPY")) throw Error("it is not a .npy array");
  const auto byte = [&](std::size_t i) { return static_cast<std::size_t>(static_cast<unsigned char>(bytes[i])); };
  const std::size_t version = byte(6);
  if (version < 1 || version > 3) throw Error(fmt::format("its .npy version {} is not supported", version));
  const std::size_t begin = version == 1 ? 10 : 12;
  if (bytes.size() < begin) throw Error("its .npy header is malformed");
  std::size_t length = byte(8) | byte(9) << 8;
  if (version > 1) length |= byte(10) << 16 | byte(11) << 24;
  if (length > bytes.size() - begin) throw Error("its .npy header is malformed");
  HeaderParser header(std::string_view(bytes).substr(begin, length));
  header.parse();
  const ElementType& type = element_type(*header.descr);
  const std::size_t start = begin + length;
  NpzArray array{type.name, *header.shape, {}};
  array.values.resize(elements(array.shape, type.size, bytes.size() - start));
  const char* from = bytes.data() + start;
  for (double& value : array.values) {
    value = type.read(from);
    from += type.size;
  }
  if (*header.fortran && array.shape.size() > 1) array.values = row_major(array.values, array.shape);
  return array;
}

std::map<std::string, NpzArray> read_npz(const std::string& path) {
  static_assert(std::endian::native == std::endian::little);
  const auto refuse = [&](const std::string& why) {
    throw UsageError(fmt::format("'{}' is not a readable .npz file: {}; write one with numpy.savez", path, why));
  };
  std::error_code ignored;
  if (std::filesystem::is_directory(path, ignored)) refuse("it is a directory");
  if (std::filesystem::is_regular_file(path, ignored) && std::filesystem::file_size(path, ignored) == 0)
    refuse("the file is empty");  // libzip takes it for an archive of nothing
  int code = 0;
  const Archive archive{zip_open(path.c_str(), ZIP_RDONLY, &code)};
  if (!archive.zip) refuse(zip_reason(code));
  std::map<std::string, NpzArray> arrays;
  for (zip_uint64_t i = 0; i < static_cast<zip_uint64_t>(zip_get_num_entries(archive.zip, 0)); ++i) {
    zip_stat_t facts;
    if (zip_stat_index(archive.zip, i, 0, &facts) != 0 || !(facts.valid & ZIP_STAT_NAME))
      refuse("a member has no name");
    std::string name = facts.name;
    if (!name.ends_with(".npy")) refuse("'" + name + "' is not a .npy array");
    name.resize(name.size() - 4);
    if (arrays.contains(name)) refuse("'" + name + "' occurs twice");
    try {
      arrays[name] = parse_npy(read_member(archive.zip, i, facts));
    } catch (const Error& error) {
      throw UsageError(fmt::format("'{}': array '{}' cannot be used: {}", path, name, error.what()));
    }
  }
  return arrays;
}

}  // namespace normscope
