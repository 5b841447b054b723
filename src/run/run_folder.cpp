#include "run/run_folder.h"

#include <algorithm>

#include <normscope/core/error.h>

#include "config/resume_check.h"
#include "run/checkpoint.h"

namespace normscope {

namespace fs = std::filesystem;

namespace {
/// A run without a checkpoint is started afresh, but only with its own configuration.
void check_same_run(const std::string& file, const Config& config, const std::string& data_sha256) {
  RunData old;
  try {
    old = read_run(file);
  } catch (const Error&) {
    return;  // killed while it was being made
  }
  check_resumable(config, Config::from_json(old.config_json), old.data_sha256, data_sha256);
}
}  // namespace

RunFolder::RunFolder(const std::string& path) : path_(path) {
  std::vector<fs::path> missing;
  std::error_code ignored;
  for (fs::path p = path; !p.empty() && !fs::exists(p, ignored); p = p.parent_path()) missing.push_back(p);
  create_output_dir(path);
  lock_.emplace(path);
  // Only now: two runs may have made the folder at once, and the other may have used it.
  const auto strange = [](const fs::directory_entry& entry) { return entry.path().filename() != ".lock"; };
  if (std::none_of(fs::directory_iterator(path), fs::directory_iterator(), strange)) made_ = missing;
}

std::string RunFolder::file_path() const { return (fs::path(path_) / "run.h5").string(); }

std::optional<std::string> RunFolder::find_checkpoint(const Config& config, const std::string& data_sha256,
                                                      bool overwrite) {
  const bool resume = config.init_from == "resume", has_run = fs::exists(file_path());
  const auto newest = newest_checkpoint(path_);
  if (resume && newest && has_run) return newest;
  if (overwrite) return std::nullopt;
  if (has_run && !resume)
    throw UsageError(path_ +
                     " holds a run already; add --overwrite to replace it, --init_from resume to continue it, or name "
                     "another folder with --out_dir");
  if (newest && !has_run)
    throw UsageError(path_ +
                     " holds a checkpoint but no run.h5; put run.h5 back to resume, add --overwrite to replace both, "
                     "or name another folder with --out_dir");
  if (has_run) check_same_run(file_path(), config, data_sha256);
  return std::nullopt;
}

void RunFolder::start(const Config& config, const RunHeader& header) {
  const fs::path dir = path_;
  remove_run_files(path_);
  fresh_ = true;
  create_output_dir((dir / "checkpoints").string());
  write_text_atomically((dir / "config.toml").string(), config.to_toml());
  file_ = RunFile::create(file_path(), header);
  metrics_ = MetricsLog::create((dir / "metrics.jsonl").string());
}

void RunFolder::resume(const Config& config, std::int64_t next) {
  const fs::path dir = path_;
  write_text_atomically((dir / "config.toml").string(), config.to_toml());
  file_ = RunFile::resume(file_path(), next, config.to_json());
  metrics_ = MetricsLog::resume((dir / "metrics.jsonl").string(), next);
}

void RunFolder::discard() {
  file_.reset();
  metrics_.reset();
  if (fresh_) remove_run_files(path_);
  std::error_code ignored;
  if (!made_.empty()) fs::remove_all(path_, ignored);
  for (const fs::path& folder : made_) fs::remove(folder, ignored);  // only where empty
}

}  // namespace normscope
