#include "run/run_folder.h"

#include <algorithm>

#include <normscope/core/error.h>

#include "config/resume_check.h"
#include "run/checkpoint.h"
#include "run/saved_run.h"

namespace normscope {

namespace fs = std::filesystem;

namespace {
/// init_from auto starts a run without a checkpoint afresh, but only with its own configuration.
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
  const std::string& from = config.init_from;
  if ((from == "resume" || from == "auto") && can_resume(path_)) return newest_checkpoint(path_);
  if (from == "resume") require_resumable(path_);
  check_run_folder(config, overwrite);  // again: another process may have used it until now
  if (!overwrite && fs::exists(file_path())) check_same_run(file_path(), config, data_sha256);
  return std::nullopt;
}

void RunFolder::start(const Config& config, const RunHeader& header) {
  const fs::path dir = path_;
  remove_run_files(path_);
  fresh_ = true;
  file_ = RunFile::create(file_path(), header);  // first: it tells that the folder is ours
  create_output_dir((dir / "checkpoints").string());
  write_text_atomically((dir / "config.toml").string(), config.to_toml());
  metrics_ = MetricsLog::create((dir / "metrics.jsonl").string());
}

void RunFolder::resume(const Config& config, std::int64_t next, const ColumnSet& statistics) {
  const fs::path dir = path_;
  // On a full disk nothing has changed yet.
  file_ = RunFile::resume(file_path(), next, config.to_json(), statistics);
  write_text_atomically((dir / "config.toml").string(), config.to_toml());
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
