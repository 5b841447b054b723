#pragma once
// What tests do with files: a folder that goes away with the test, whole files as strings.
#include "io/file_util.h"

#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

namespace normscope::test_files {

class TemporaryFolder {
 public:
  std::string operator/(const std::string& name) const { return (path() / name).string(); }
  const std::filesystem::path& path() const { return folder_.path; }
  /// How many files and folders lie in it.
  std::size_t count() const {
    return static_cast<std::size_t>(std::distance(std::filesystem::directory_iterator(path()), {}));
  }

 private:
  ScratchFolder folder_;
};

inline std::string read_text(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

/// Returns `path`.
inline std::string write_text(const std::string& path, const std::string& text) {
  std::ofstream(path, std::ios::binary) << text;
  return path;
}

}  // namespace normscope::test_files
