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
void remove_halves(const fs::path& folder) {
  std::error_code error;
  std::vector<fs::path> halves;
  for (const auto& entry : fs::directory_iterator(folder, error))
    if (const auto name = entry.path().filename().string(); name.starts_with("step_") && name.ends_with(".h5.tmp"))
      halves.push_back(entry.path());
  for (const auto& path : halves) fs::remove(path, error);
}
}  // namespace

void remove_run_files(const std::string& run_dir) {
  std::error_code error;
  const fs::path dir = run_dir;
  for (const auto& path : checkpoints(dir)) fs::remove(path, error);
  remove_halves(dir / "checkpoints");
  fs::remove(dir / "checkpoints", error);  // only where empty: what is not the run's stays
  for (const char* name : {"run.h5", "run.h5.tmp", "metrics.jsonl", "config.toml", "config.toml.tmp"})
    fs::remove(dir / name, error);
}

void remove_older_checkpoints(const std::string& run_dir) {
  auto found = checkpoints(run_dir);
  if (!found.empty()) found.pop_back();
  std::error_code error;
  for (const auto& path : found) fs::remove(path, error);
  remove_halves(fs::path(run_dir) / "checkpoints");
}

}  // namespace normscope
