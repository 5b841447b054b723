// The layer rules of ARCHITECTURE.md, read from the #include lines of include/, src/ and models/.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <map>
#include <regex>
#include <string>
#include <vector>

namespace normscope {
namespace {

namespace fs = std::filesystem;

/// The rooms and their rank: a file may include rooms of its own rank or below.
const std::map<std::string, int> kRank{
    {"core", 0},  {"machine", 1}, {"kernels", 1},     {"autograd", 2}, {"ops", 3},      {"norms", 4},   {"nn", 4},
    {"optim", 4}, {"data", 4},    {"io", 4},          {"config", 5},   {"models", 5},   {"stats", 6},   {"run", 6},
    {"study", 6}, {"train", 7},   {"normscope.h", 7}, {"jobs", 8},     {"commands", 9}, {"foreign", 9}, {"cli", 10}};

/// Libraries that only some rooms may know.
struct Fence {
  const char* prefix;
  std::vector<std::string> rooms;
};
const std::vector<Fence> kFences{
    {"hwy/", {"kernels", "machine"}},
    {"oneapi/", {"kernels", "machine"}},
    {"dnnl", {"kernels"}},
    {"cblas", {"kernels", "machine"}},
    {"omp.h", {"core"}},
    {"hdf5", {"io"}},
    {"zip.h", {"io"}},
    {"toml++/", {"data", "io", "config", "run", "study", "commands", "cli"}},
    {"nlohmann/", {"data", "io", "config", "run", "train", "study", "commands", "cli"}},
    {"spdlog/", {"run", "train", "study", "commands", "cli"}},
    {"CLI/", {"cli"}},
};

constexpr int kMostLines = 400;

/// The room of a file of ours ("src/ops/x.cpp", "models/x.h", "include/normscope/nn/x.h"), or "" for a stranger.
std::string room_of_file(const std::string& file) {
  const fs::path path(file);
  const auto first = path.begin();
  if (*first == "models") return "models";
  return std::next(first, *first == "include" ? 2 : 1)->string();
}

/// The room an include line leads to, or "" when it is no file of ours.
std::string room_of_include(const std::string& target) {
  const fs::path path(target);
  const auto first = path.begin();
  if (!path.has_parent_path()) return "";
  const std::string room = *first == "normscope" ? std::next(first)->string() : first->string();
  return kRank.count(room) ? room : "";
}

/// What is wrong with one include line; "" when nothing is.
std::string fault(const std::string& file, const std::string& target) {
  const std::string from = room_of_file(file);
  if (!kRank.count(from)) return file + ": no known room; add the folder or header to the tables of layers_test.cpp";
  for (const Fence& fence : kFences) {
    const bool allowed = std::find(fence.rooms.begin(), fence.rooms.end(), from) != fence.rooms.end();
    if (target.rfind(fence.prefix, 0) == 0 && !allowed)
      return file + " includes " + target + ", which " + from + " may not know";
  }
  if (target.rfind("norms/", 0) == 0 && (from == "nn" || from == "models"))
    return file + " includes a concrete norm, " + target + "; nn and models see norm.h only";
  const std::string to = room_of_include(target);
  if (to.empty() && target.rfind("normscope/", 0) == 0)
    return file + " includes " + target + ", which is in no room of layers_test.cpp";
  if (!to.empty() && kRank.at(to) > kRank.at(from))
    return file + " (" + from + ") includes " + target + " (" + to + "): upward";
  return "";
}

std::vector<std::string> files_below(const std::vector<std::string>& folders) {
  std::vector<std::string> files;
  const fs::path root(NORMSCOPE_SOURCE);
  for (const std::string& folder : folders)
    for (const auto& entry : fs::recursive_directory_iterator(root / folder)) {
      const std::string extension = entry.path().extension().string();
      const bool source = extension == ".cpp" || extension == ".h" || extension == ".def";
      if (entry.is_regular_file() && source) files.push_back(fs::relative(entry.path(), root).string());
    }
  return files;
}

std::vector<std::string> lines_of(const std::string& file) {
  std::ifstream in(fs::path(NORMSCOPE_SOURCE) / file);
  std::vector<std::string> lines;
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  return lines;
}

TEST(Layers, TheRulesBite) {
  EXPECT_EQ(fault("src/ops/x.cpp", "kernels/kernels.h"), "");
  EXPECT_EQ(fault("src/nn/x.cpp", "normscope/norms/norm.h"), "");
  EXPECT_EQ(fault("src/cli/x.cpp", "study/study.h"), "");
  EXPECT_EQ(fault("src/config/x.cpp", "norms/norms.def"), "");
  EXPECT_EQ(fault("src/data/x.cpp", "core/text.h"), "");
  EXPECT_EQ(fault("src/kernels/x.cpp", "hwy/highway.h"), "");
  EXPECT_NE(fault("src/ops/x.cpp", "config/config.h"), "");
  EXPECT_NE(fault("src/data/x.cpp", "config/config_text.h"), "");
  EXPECT_NE(fault("src/io/x.cpp", "models/transformer.h"), "");
  EXPECT_NE(fault("include/normscope/core/tensor.h", "normscope/autograd/variable.h"), "");
  EXPECT_NE(fault("models/x.cpp", "norms/row_norm.h"), "");
  EXPECT_NE(fault("src/ops/x.cpp", "hwy/highway.h"), "");
  EXPECT_NE(fault("src/train/x.cpp", "hdf5.h"), "");
  EXPECT_NE(fault("src/io/x.cpp", "spdlog/spdlog.h"), "");
  EXPECT_NE(fault("src/nn/x.cpp", "nlohmann/json.hpp"), "");
  EXPECT_NE(fault("src/kernels/x.cpp", "normscope/unheard_of.h"), "");
  EXPECT_NE(fault("src/attic/x.cpp", "vector"), "");
}

TEST(Layers, IncludesPointDown) {
  static const std::regex include(R"(^\s*#\s*include\s*[<"]([^>"]+)[>"].*)");
  int seen = 0;
  for (const std::string& file : files_below({"include", "src", "models"}))
    for (const std::string& line : lines_of(file)) {
      std::smatch match;
      if (!std::regex_match(line, match, include)) continue;
      ++seen;
      const std::string message = fault(file, match[1]);
      EXPECT_EQ(message, "");
    }
  EXPECT_GT(seen, 200);
}

TEST(Layers, FilesAreShort) {
  for (const std::string& file : files_below({"include", "src", "models", "tests"}))
    EXPECT_LE(lines_of(file).size(), kMostLines) << file;
}

}  // namespace
}  // namespace normscope
