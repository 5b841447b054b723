#pragma once
// A run's folder: its lock, its files, and whether a run in it is started, continued or taken back.
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "config/config.h"
#include "io/file_util.h"
#include "io/metrics_log.h"
#include "io/run_file.h"

namespace normscope {

class RunFolder {
 public:
  /// Makes the folder and takes its lock. Raises Error when it cannot be made, UsageError when another run holds it.
  explicit RunFolder(const std::string& path);

  /// The checkpoint to continue from, or nothing when the run starts afresh. Raises UsageError when the folder holds a
  /// run that `config` neither continues nor may replace.
  std::optional<std::string> find_checkpoint(const Config& config, const std::string& data_sha256, bool overwrite);
  /// Replaces what the folder holds of an older run by the files of a new one.
  void start(const Config& config, const RunHeader& header);
  /// Opens the files to continue at step `next`; rows from there on are dropped, columns that are new are added.
  void resume(const Config& config, std::int64_t next, const ColumnSet& statistics);
  /// Leaves nothing of a run that has no step, nor of folders that were made for it.
  void discard();

  RunFile& file() { return *file_; }
  MetricsLog& metrics() { return *metrics_; }
  const std::string& path() const { return path_; }
  std::string file_path() const;  ///< of run.h5

 private:
  std::string path_;
  std::optional<FolderLock> lock_;
  std::optional<RunFile> file_;
  std::optional<MetricsLog> metrics_;
  std::vector<std::filesystem::path> made_;  // folders, innermost first; empty when the run's folder was there
  bool fresh_ = false;                       // the files are this run's from its first step on
};

}  // namespace normscope
