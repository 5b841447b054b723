// .npz files: every type, order and version as NumPy writes them; anything else is one sentence.
#include "io/npz_file.h"

#include <zip.h>

#include <cmath>
#include <cstdlib>

#include "files.h"
#include "messages.h"

namespace normscope {
namespace {

using messages::expect_says;
using messages::message_of;
using test_files::read_text;
using test_files::TemporaryFolder;
using test_files::write_text;

/// A .npy file: `header` is the dict, `data` the elements.
std::string npy(const std::string& header, const std::string& data, char version = 1) {
  const std::size_t length = header.size() + 1;
  std::string bytes = std::string("\x93NUMPY") + version + '\0';
  for (int i = 0; i < (version == 1 ? 2 : 4); ++i) bytes += static_cast<char>(length >> (8 * i) & 255);
  return bytes + header + "\n" + data;
}

template <class T>
std::string bytes_of(const std::vector<T>& values) {
  return {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T)};
}

std::string header(const std::string& descr, const std::string& shape, const std::string& fortran = "False") {
  return "{'descr': '" + descr + "', 'fortran_order': " + fortran + ", 'shape': " + shape + ", }";
}

void write_zip(const std::string& path, const std::vector<std::pair<std::string, std::string>>& members,
               zip_int32_t method) {
  zip_t* zip = zip_open(path.c_str(), ZIP_CREATE | ZIP_TRUNCATE, nullptr);
  ASSERT_NE(zip, nullptr);
  for (const auto& [name, bytes] : members) {
    const zip_int64_t at =
        zip_file_add(zip, name.c_str(), zip_source_buffer(zip, bytes.data(), bytes.size(), 0), ZIP_FL_OVERWRITE);
    ASSERT_GE(at, 0);
    zip_set_file_compression(zip, static_cast<zip_uint64_t>(at), method, 0);
  }
  ASSERT_EQ(zip_close(zip), 0);
}

TEST(Npz, EveryTypeAndVersion) {
  const std::vector<double> want{1, -2.5, 0.125};
  EXPECT_EQ(parse_npy(npy(header("<f8", "(3,)"), bytes_of<double>({1, -2.5, 0.125}))).values, want);
  EXPECT_EQ(parse_npy(npy(header("<f4", "(3,)"), bytes_of<float>({1, -2.5, 0.125}), 2)).values, want);
  const NpzArray half = parse_npy(npy(header("<f2", "(3,)"), bytes_of<std::uint16_t>({0x3C00, 0xC100, 0x3000}), 3));
  EXPECT_EQ(half.values, want);
  EXPECT_EQ(half.dtype, "float16");
  EXPECT_EQ(parse_npy(npy(header("<i2", "(2,)"), bytes_of<std::int16_t>({-3, 9}))).values,
            (std::vector<double>{-3, 9}));
  EXPECT_EQ(parse_npy(npy(header("|u1", "(2,)"), bytes_of<std::uint8_t>({255, 9}))).values,
            (std::vector<double>{255, 9}));
}

TEST(Npz, HalfPrecisionIsExactAtItsEdges) {
  const auto halves = parse_npy(
      npy(header("<f2", "(7,)"), bytes_of<std::uint16_t>({0x0001, 0x03FF, 0x0400, 0x7BFF, 0x8000, 0xFC00, 0x7E00})));
  EXPECT_EQ(halves.values[0], std::ldexp(1, -24));
  EXPECT_EQ(halves.values[1], std::ldexp(1023, -24));
  EXPECT_EQ(halves.values[2], std::ldexp(1, -14));
  EXPECT_EQ(halves.values[3], 65504);
  EXPECT_TRUE(std::signbit(halves.values[4]));
  EXPECT_EQ(halves.values[5], -HUGE_VAL);
  EXPECT_TRUE(std::isnan(halves.values[6]));
}

TEST(Npz, ShapesAndOrders) {
  EXPECT_EQ(parse_npy(npy(header("<f8", "()"), bytes_of<double>({1e-5}))).shape, (std::vector<std::int64_t>{}));
  EXPECT_EQ(parse_npy(npy(header("<f8", "(2, 0)"), "")).values.size(), 0u);
  const auto c = parse_npy(npy(header("<f8", "(2, 3)"), bytes_of<double>({1, 2, 3, 4, 5, 6})));
  const auto fortran = parse_npy(npy(header("<f8", "(2, 3)", "True"), bytes_of<double>({1, 4, 2, 5, 3, 6})));
  EXPECT_EQ(c.values, fortran.values);
  EXPECT_EQ(c.shape, fortran.shape);
}

TEST(Npz, MalformedArraysAreRefused) {
  const std::string data = bytes_of<double>({1, 2, 3});
  const auto says = [](const std::string& bytes, const std::string& text) {
    expect_says(message_of<Error>([&] { parse_npy(bytes); }), {text});
  };
  says("", "not a .npy array");
  says("hello, hello, hello", "not a .npy array");
  says(npy(header("<f8", "(3,)"), data, 4), "version 4");
  says(npy(header("<f8", "(4,)"), data), "do not match its 24 bytes");
  says(npy(header("<f8", "(3,)"), data + "x"), "do not match");
  says(npy(header("<f8", "(9223372036854775807, 9223372036854775807)"), data), "do not match");
  says(npy(header("<f8", "(4294967296, 4294967296, 0, 3)"), data), "do not match");
  says(npy(header("<f8", "(-3,)"), data), "header is malformed");
  says(npy(header("<f8", "(3"), data), "header is malformed");
  says(npy("{'descr': '<f8', 'shape': (3,)}", data), "header is malformed");
  says(npy(header("<f8", "(3,)", "Maybe"), data), "header is malformed");
  says(npy(header("<f8", "(3,)") + "x", data), "header is malformed");
  says(npy(header("|O", "(3,)"), data), "Python objects");
  says(npy(header(">f8", "(3,)"), data), "big-endian");
  says(npy(header("<c16", "(3,)"), data), "'<c16' is not supported");
  says(npy(header("|V2", "(3,)"), data), "'|V2' is not supported");
  says(npy("{'descr': [('a', '<f8')], 'fortran_order': False, 'shape': (3,)}", data), "named fields");
  const std::string whole = npy(header("<f8", "(3,)"), data);
  for (std::size_t size = 0; size < whole.size(); ++size) message_of<Error>([&] { parse_npy(whole.substr(0, size)); });
}

TEST(Npz, StoredAndDeflated) {
  const TemporaryFolder folder;
  const std::string x = npy(header("<f8", "(2, 2)"), bytes_of<double>({1, 2, 3, 4}));
  for (const zip_int32_t method : {ZIP_CM_STORE, ZIP_CM_DEFLATE}) {
    write_zip(folder / "a.npz", {{"x.npy", x}, {"eps.npy", npy(header("<f8", "()"), bytes_of<double>({0.5}))}}, method);
    const auto arrays = read_npz(folder / "a.npz");
    ASSERT_EQ(arrays.size(), 2u);
    EXPECT_EQ(arrays.at("x").values, (std::vector<double>{1, 2, 3, 4}));
    EXPECT_EQ(arrays.at("eps").values, (std::vector<double>{0.5}));
  }
}

TEST(Npz, BadFilesAreOneSentenceThatNamesThem) {
  const TemporaryFolder folder;
  const std::string x = npy(header("<f8", "(64,)"), bytes_of(std::vector<double>(64, 1.5)));
  write_zip(folder / "good", {{"x.npy", x}}, ZIP_CM_STORE);
  write_zip(folder / "text", {{"readme.txt", "hello"}}, ZIP_CM_STORE);
  write_zip(folder / "object", {{"x.npy", npy(header("|O", "(1,)"), "12345678")}}, ZIP_CM_DEFLATE);
  const std::string good = read_text(folder / "good");
  write_text(folder / "empty", "");
  write_text(folder / "no_zip", "hello\n");
  write_text(folder / "cut", good.substr(0, good.size() / 2));
  std::string flipped = good;
  flipped[good.size() / 2] = static_cast<char>(flipped[good.size() / 2] ^ 1);  // in the data: the CRC finds it
  write_text(folder / "flipped", flipped);
  const std::pair<const char*, const char*> files[] = {
      {"text", "'readme.txt' is not a .npy array"},
      {"object", "array 'x' cannot be used: it contains Python objects"},
      {"empty", "the file is empty"},
      {"no_zip", "not a readable .npz"},
      {"cut", "not a readable .npz"},
      {"flipped", "damaged"},
      {"missing", "No such file"}};
  for (const auto& [name, says] : files)
    expect_says(message_of<UsageError>([&, file = name] { read_npz(folder / file); }), {folder / name, says});
  expect_says(message_of<UsageError>([&] { read_npz(folder.path()); }), {"directory"});
}

/// No byte that changes makes it crash: it is read, or refused in one sentence.
TEST(Npz, AnyDamageIsReadOrRefused) {
  const TemporaryFolder folder;
  write_zip(folder / "good", {{"x.npy", npy(header("<f4", "(4,)"), bytes_of<float>({1, 2, 3, 4}))}}, ZIP_CM_DEFLATE);
  const std::string good = read_text(folder / "good");
  int refused = 0;
  for (std::size_t i = 0; i < good.size(); ++i)
    for (const int flip : {1, 0x80, 0xFF}) {
      std::string bad = good;
      bad[i] = static_cast<char>(bad[i] ^ flip);
      write_text(folder / "bad", bad);
      try {
        read_npz(folder / "bad");
      } catch (const UsageError&) {
        ++refused;
      }
    }
  EXPECT_GT(refused, static_cast<int>(good.size()));
}

TEST(Npz, WhatNumpyWrites) {
  std::string python;
  for (const char* name : {"python3", "/usr/bin/python3"})
    if (std::system((std::string(name) + " -c 'import numpy' 2>/dev/null").c_str()) == 0) python = name;
  if (python.empty()) GTEST_SKIP() << "no Python has numpy: apt-get install python3-numpy";
  const TemporaryFolder folder;
  write_text(folder / "write.py",
             "import numpy as np\n"
             "x = np.arange(12, dtype=np.float32).reshape(3, 4)\n"
             "for save in np.savez, np.savez_compressed:\n"
             "    save(save.__name__ + '.npz', x=x, t=x.T, half=x.astype(np.float16), eps=1e-5)\n");
  ASSERT_EQ(std::system(("cd '" + folder.path().string() + "' && " + python + " write.py").c_str()), 0);
  for (const char* name : {"savez.npz", "savez_compressed.npz"}) {
    const auto arrays = read_npz(folder / name);
    ASSERT_EQ(arrays.size(), 4u);
    EXPECT_EQ(arrays.at("x").values, arrays.at("half").values);
    EXPECT_EQ(arrays.at("x").values[7], 7);
    EXPECT_EQ(arrays.at("t").shape, (std::vector<std::int64_t>{4, 3}));
    EXPECT_EQ(arrays.at("t").values[1], 4) << "Fortran order";
    EXPECT_EQ(arrays.at("eps").values, (std::vector<double>{1e-5}));
  }
}

}  // namespace
}  // namespace normscope
