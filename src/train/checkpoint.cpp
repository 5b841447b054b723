#include "train/checkpoint.h"

#include <algorithm>
#include <filesystem>
#include <vector>

#include <fmt/format.h>

namespace normscope {

namespace fs = std::filesystem;

namespace {
std::vector<fs::path> checkpoints(const fs::path& run_dir) {
  std::vector<fs::path> found;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(run_dir / "checkpoints", error))
    if (entry.path().extension() == ".h5" && entry.path().filename().string().starts_with("step_"))
      found.push_back(entry.path());
  std::sort(found.begin(), found.end(), [](const fs::path& a, const fs::path& b) {
    const auto x = a.filename().string(), y = b.filename().string();
    return x.size() != y.size() ? x.size() < y.size() : x < y;   // numbers of any length
  });
  return found;
}
}  // namespace

std::string checkpoint_path(const std::string& run_dir, std::int64_t steps) {
  return (fs::path(run_dir) / "checkpoints" / fmt::format("step_{:06}.h5", steps)).string();
}

std::optional<std::string> newest_checkpoint(const std::string& run) {
  if (fs::is_regular_file(run)) {
    if (fs::path(run).filename() == "run.h5") return newest_checkpoint(fs::path(run).parent_path().string());
    return run;
  }
  const auto found = checkpoints(run);
  if (found.empty()) return std::nullopt;
  return found.back().string();
}

void remove_older_checkpoints(const std::string& run_dir) {
  auto found = checkpoints(run_dir);
  if (!found.empty()) found.pop_back();
  std::error_code error;
  for (const auto& path : found) fs::remove(path, error);
}

}  // namespace normscope
