// Array files: whole or not there, every type and shape back bit for bit, bad files named.
#include "io/array_file.h"

#include <signal.h>
#include <sys/resource.h>

#include "io_helpers.h"
#include <normscope/core/error.h>

namespace normscope {
namespace {

using namespace io_test;
using Type = Array::Type;

TEST(ArrayFile, RoundTripOfEveryTypeAndShape) {
  const TemporaryFolder folder;
  const std::vector<std::pair<std::string, Array>> arrays = [] {
    std::vector<std::pair<std::string, Array>> list;
    std::uint8_t seed = 1;
    for (const Type type : {Type::f32, Type::f64, Type::i32, Type::i64, Type::u8, Type::u16}) {
      for (const auto& shape : std::vector<std::vector<std::int64_t>>{{}, {5}, {2, 3, 4}, {0}, {3, 0}}) {
        Array array{type, shape, {}};
        array.bytes.resize(static_cast<std::size_t>(array.numel()) * Array::size_of(type));
        for (std::uint8_t& byte : array.bytes) byte = seed = static_cast<std::uint8_t>(seed * 13 + 7);
        list.emplace_back("grads/blocks." + std::to_string(list.size()) + ".attn_norm.gain", array);
      }
    }
    return list;
  }();
  ArrayFileWriter writer(folder / "dump.h5");
  writer.attribute("config_json", R"({"a":1})");
  writer.attribute("empty", "");
  for (const auto& [name, array] : arrays) writer.write(name, array.type, array.shape, array.bytes.data());
  EXPECT_FALSE(std::filesystem::exists(folder / "dump.h5")) << "there before commit()";
  writer.commit();

  const ArrayFileReader reader(folder / "dump.h5");
  EXPECT_EQ(reader.attributes(), (std::map<std::string, std::string>{{"config_json", R"({"a":1})"}, {"empty", ""}}));
  EXPECT_EQ(reader.names().size(), arrays.size());
  for (const auto& [name, want] : arrays) {
    ASSERT_TRUE(reader.has(name)) << name;
    const Array got = reader.read(name);
    EXPECT_EQ(got.type, want.type) << name;
    EXPECT_EQ(got.shape, want.shape) << name;
    EXPECT_EQ(got.bytes, want.bytes) << name;
  }
  EXPECT_FALSE(reader.has("grads"));
  EXPECT_FALSE(reader.has("nowhere/at/all"));
  EXPECT_FALSE(reader.has(""));
  const std::string text = message_of<UsageError>([&] { reader.read("loss"); });
  EXPECT_NE(text.find("no dataset 'loss'"), std::string::npos) << text;
  EXPECT_EQ(folder.count(), 1u);
}

TEST(ArrayFile, WithoutCommitNothingRemainsAndTheOldFileStays) {
  const TemporaryFolder folder;
  const float one = 1, two = 2;
  {
    ArrayFileWriter writer(folder / "a.h5");
    writer.write("x", Type::f32, {}, &one);
    writer.commit();
  }
  {
    ArrayFileWriter writer(folder / "a.h5");
    writer.write("x", Type::f32, {}, &two);
  }
  EXPECT_EQ(folder.count(), 1u);
  const Array array = ArrayFileReader(folder / "a.h5").read("x");
  EXPECT_EQ(*reinterpret_cast<const float*>(array.bytes.data()), 1.0f);
}

TEST(ArrayFile, FollowsALinkInsteadOfReplacingIt) {
  const TemporaryFolder folder;
  std::filesystem::create_directory(folder / "far");
  write_text(folder / "far/a.h5", "old");
  std::filesystem::create_symlink(folder / "far/a.h5", folder / "a.h5");
  ArrayFileWriter writer(folder / "a.h5");
  const double value = 2.5;
  writer.write("x", Type::f64, {}, &value);
  writer.commit();
  EXPECT_TRUE(std::filesystem::is_symlink(folder / "a.h5"));
  EXPECT_TRUE(ArrayFileReader(folder / "far/a.h5").has("x"));
}

TEST(ArrayFile, BadInputIsNamed) {
  const TemporaryFolder folder;
  const std::vector<double> values(5000, 1.25);
  {
    ArrayFileWriter writer(folder / "whole.h5");
    writer.write("x", Type::f64, {5000}, values.data());
    writer.commit();
  }
  const std::string whole = read_text(folder / "whole.h5");
  write_text(folder / "empty.h5", "");
  write_text(folder / "text.h5", "hello\n");
  for (const std::size_t size : {std::size_t{20}, std::size_t{500}, whole.size() / 2, whole.size() - 1}) {
    write_text(folder / ("cut" + std::to_string(size)), whole.substr(0, size));
  }
  for (const auto& entry : std::filesystem::directory_iterator(folder.path())) {
    if (entry.path().filename() == "whole.h5") continue;
    const std::string path = entry.path().string();
    const std::string text = message_of<UsageError>([&] { ArrayFileReader reader(path); });
    EXPECT_NE(text.find(path), std::string::npos) << text;
    EXPECT_EQ(text.find('\n'), std::string::npos) << text;
  }
  const std::string missing = message_of<UsageError>([&] { ArrayFileReader r(folder / "none"); });
  EXPECT_NE(missing.find("No such file"), std::string::npos) << missing;
  message_of<UsageError>([&] { ArrayFileReader r(folder.path()); });
}

TEST(ArrayFile, OutputThatCannotBeWritten) {
  const TemporaryFolder folder;
  write_text(folder / "file", "x");
  for (const std::string& path : {folder / "file/a.h5", folder / "none/a.h5", std::string("/proc/a.h5"),
                                  std::string("/dev/full"), folder.path().string(), std::string()}) {
    const std::string text = message_of<Error>([&] { ArrayFileWriter writer(path); });
    EXPECT_NE(text.find(path), std::string::npos) << text;
  }
  EXPECT_TRUE(std::filesystem::is_character_file("/dev/full")) << "a device was replaced by a file";
  EXPECT_EQ(folder.count(), 1u);
}

TEST(ArrayFile, FullDiskLeavesNothingBehind) {
  const TemporaryFolder folder;
  const std::string path = folder / "a.h5";
  const int status = wait_for(in_child([&] {
    signal(SIGXFSZ, SIG_IGN);
    const rlimit limit{1'000'000, 1'000'000};
    setrlimit(RLIMIT_FSIZE, &limit);
    const std::vector<float> values(50'000, 1.0f);
    const std::string text = message_of<Error>([&] {
      ArrayFileWriter writer(path);
      for (int i = 0; i < 10; ++i) writer.write("x" + std::to_string(i), Type::f32, {50'000}, values.data());
      writer.commit();
    });
    if (text.find(path) == std::string::npos || text.find("File too large") == std::string::npos) {
      throw std::runtime_error("message: " + text);
    }
  }));
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << status;
  EXPECT_EQ(folder.count(), 0u);
}

}  // namespace
}  // namespace normscope
