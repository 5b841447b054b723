#include "run/checkpoint.h"

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
    return x.size() != y.size() ? x.size() < y.size() : x < y;  // numbers of any length
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

namespace {
/// What a killed run was writing.
std::vector<fs::path> halves(const fs::path& run_dir) {
  std::vector<fs::path> found;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(run_dir / "checkpoints", error))
    if (const auto name = entry.path().filename().string(); name.starts_with("step_") && name.ends_with(".h5.tmp"))
      found.push_back(entry.path());
  return found;
}

void remove_all_of(const std::vector<fs::path>& files) {
  std::error_code error;
  for (const fs::path& path : files) fs::remove(path, error);
}
}  // namespace

std::vector<fs::path> run_files(const std::string& run_dir) {
  const fs::path dir = run_dir;
  std::vector<fs::path> files = checkpoints(dir);
  for (const fs::path& half : halves(dir)) files.push_back(half);
  for (const char* name : {"run.h5", "run.h5.tmp", "metrics.jsonl", "config.toml", "config.toml.tmp"})
    if (fs::exists(dir / name)) files.push_back(dir / name);
  return files;
}

void remove_run_files(const std::string& run_dir) {
  remove_all_of(run_files(run_dir));
  std::error_code error;
  fs::remove(fs::path(run_dir) / "checkpoints", error);  // only where empty: what is not the run's stays
}

void remove_older_checkpoints(const std::string& run_dir) {
  auto found = checkpoints(run_dir);
  if (!found.empty()) found.pop_back();
  remove_all_of(found);
  remove_all_of(halves(run_dir));
}

}  // namespace normscope
