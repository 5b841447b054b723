#pragma once
// Output folders and files that are whole or not there at all.
#include <filesystem>
#include <optional>
#include <string>

namespace normscope {

/// Makes the folder and its parents; an existing folder is fine. Raises Error when it is a file, cannot be made or
/// cannot be written to.
void create_output_dir(const std::string& path);

/// Where a file named `path` must really be written: the target of a symbolic link, else `path` itself. Raises Error
/// when something that is no regular file (a folder, a device) stands there, since a rename would replace it.
std::string output_file_target(const std::string& path);

/// Writes `text` to `path` + ".tmp", fsyncs, renames, fsyncs the folder. Raises Error and leaves nothing half-written.
void write_text_atomically(const std::string& path, const std::string& text);

/// fsyncs `temporary`, renames it to `path` and fsyncs the folder. Raises Error; `temporary` is then removed.
void rename_durably(const std::string& temporary, const std::string& path);

/// A new folder in TMPDIR (/tmp where that is no folder); what is in it goes away with it.
class ScratchFolder {
 public:
  /// Raises Error when it cannot be made.
  ScratchFolder();
  ~ScratchFolder();
  ScratchFolder(const ScratchFolder&) = delete;
  ScratchFolder& operator=(const ScratchFolder&) = delete;
  std::filesystem::path path;
};

/// Holds a run folder (flock on DIR/.lock) so that no second process writes the same run. Released when destroyed, and
/// by the kernel when the process dies.
class FolderLock {
 public:
  /// Raises UsageError when another process holds the folder, and says which.
  explicit FolderLock(const std::string& folder);
  ~FolderLock();
  FolderLock(const FolderLock&) = delete;
  FolderLock& operator=(const FolderLock&) = delete;

  /// The process that holds the folder now, if any: tells a running run from a crashed one.
  static std::optional<long> holder(const std::string& folder);

 private:
  std::string path_;
  int descriptor_ = -1;
};

}  // namespace normscope
