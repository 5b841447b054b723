#include "io/file_util.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <vector>

#include <normscope/core/error.h>

namespace normscope {
namespace fs = std::filesystem;
namespace {

[[noreturn]] void fail_output(const std::string& path, const std::string& reason) {
  throw Error(fmt::format(
      "[output] cannot write '{}': {}; free disk space or choose another path with --out or --out_dir", path, reason));
}

class Descriptor {
 public:
  Descriptor(const std::string& path, int flags) : value_(::open(path.c_str(), flags | O_CLOEXEC, 0666)) {}
  ~Descriptor() { close(); }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int get() const { return value_; }
  bool close() {
    const int value = value_;
    value_ = -1;
    return value < 0 || ::close(value) == 0;
  }

 private:
  int value_;
};

// Some file systems cannot sync a folder (EINVAL): the rename itself is still atomic there.
void sync_folder_of(const std::string& path) {
  const fs::path parent = fs::path(path).parent_path();
  Descriptor folder(parent.empty() ? "." : parent.string(), O_RDONLY | O_DIRECTORY);
  if (folder.get() >= 0) ::fsync(folder.get());
}

bool write_all(int descriptor, const std::string& text) {
  std::size_t done = 0;
  while (done < text.size()) {
    const ssize_t count = ::write(descriptor, text.data() + done, text.size() - done);
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return false;
    done += static_cast<std::size_t>(count);
  }
  return true;
}

}  // namespace

ScratchFolder::ScratchFolder() {
  std::error_code error;
  const fs::path place = fs::temp_directory_path(error);  // fails when TMPDIR names no folder
  std::string pattern = ((error ? fs::path("/tmp") : place) / "normscope-XXXXXX").string();
  if (!mkdtemp(pattern.data()))
    throw Error(fmt::format("cannot create a temporary folder {} ({}); set TMPDIR to a folder with free space", pattern,
                            std::strerror(errno)));
  path = pattern;
}
ScratchFolder::~ScratchFolder() {
  std::error_code ignored;
  fs::remove_all(path, ignored);
}

void create_output_dir(const std::string& path) {
  std::error_code error;
  if (path.empty()) throw Error("[output] the output folder has an empty name; set --out_dir DIR");
  if (fs::exists(path, error) && !fs::is_directory(path, error)) {
    fail_output(path, "a file of that name exists");
  }
  std::vector<fs::path> missing;  // deepest first
  for (fs::path part = fs::path(path); !part.empty() && !fs::exists(part, error); part = part.parent_path()) {
    missing.push_back(part);
    if (part == part.parent_path()) break;
  }
  if (!fs::create_directories(path, error) && error) {
    const std::string reason = error.message();
    for (const fs::path& part : missing) fs::remove(part, error);  // removes empty folders only
    fail_output(path, reason);
  }
  if (::access(path.c_str(), W_OK | X_OK) != 0) fail_output(path, std::strerror(errno));
}

std::string output_file_target(const std::string& path) {
  std::error_code error;
  if (path.empty()) throw Error("[output] the output file has an empty name; set --out FILE");
  const std::string target = fs::is_symlink(path, error) ? fs::weakly_canonical(path, error).string() : path;
  const fs::file_status status = fs::status(target, error);
  if (fs::is_directory(status)) fail_output(path, "it is a directory");
  if (fs::exists(status) && !fs::is_regular_file(status)) fail_output(path, "it is not a regular file");
  return target;
}

void rename_durably(const std::string& temporary, const std::string& path) {
  Descriptor file(temporary, O_RDWR);
  const bool written =
      file.get() >= 0 && ::fsync(file.get()) == 0 && file.close() && std::rename(temporary.c_str(), path.c_str()) == 0;
  if (!written) {
    const std::string reason = std::strerror(errno);
    ::unlink(temporary.c_str());
    fail_output(path, reason);
  }
  sync_folder_of(path);
}

void write_text_atomically(const std::string& path, const std::string& text) {
  const std::string target = output_file_target(path);
  const std::string temporary = target + ".tmp";
  Descriptor file(temporary, O_WRONLY | O_CREAT | O_TRUNC);
  if (file.get() < 0) fail_output(path, std::strerror(errno));
  if (!write_all(file.get(), text) || !file.close()) {
    const std::string reason = std::strerror(errno);
    ::unlink(temporary.c_str());
    fail_output(path, reason);
  }
  rename_durably(temporary, target);
}

FolderLock::FolderLock(const std::string& folder) : path_((fs::path(folder) / ".lock").string()) {
  // The holder removes the file when it ends: lock until the locked inode is the one that stands under the name.
  while (true) {
    descriptor_ = ::open(path_.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    if (descriptor_ < 0) fail_output(folder, std::strerror(errno));
    if (::flock(descriptor_, LOCK_EX | LOCK_NB) != 0) {
      const bool busy = errno == EWOULDBLOCK;
      if (!busy) return;  // a file system without locks: nothing to hold
      ::close(descriptor_);
      const long other = holder(folder).value_or(0);
      throw UsageError(fmt::format(
          "[run] '{}' is being written by process {}; wait for it, stop it (kill {}), or choose another --out_dir",
          folder, other, other));
    }
    struct stat held{}, named{};
    if (::fstat(descriptor_, &held) == 0 && ::stat(path_.c_str(), &named) == 0 && held.st_ino == named.st_ino) break;
    ::close(descriptor_);
  }
  const std::string text = fmt::format("{}\n", ::getpid());
  if (::ftruncate(descriptor_, 0) != 0 || !write_all(descriptor_, text)) {
    const std::string reason = std::strerror(errno);
    ::unlink(path_.c_str());
    ::close(descriptor_);
    fail_output(folder, reason);
  }
}

FolderLock::~FolderLock() {
  if (descriptor_ < 0) return;
  ::unlink(path_.c_str());
  ::flock(descriptor_, LOCK_UN);  // a forked child may hold a copy of the descriptor
  ::close(descriptor_);
}

std::optional<long> FolderLock::holder(const std::string& folder) {
  Descriptor file((fs::path(folder) / ".lock").string(), O_RDONLY);
  if (file.get() < 0) return std::nullopt;
  if (::flock(file.get(), LOCK_SH | LOCK_NB) == 0 || errno != EWOULDBLOCK) return std::nullopt;
  char text[32] = {};
  if (::read(file.get(), text, sizeof text - 1) <= 0) return 0;
  return std::strtol(text, nullptr, 10);
}

}  // namespace normscope
