#pragma once
// Child processes: start, ask, stop. Children stop when this program dies.
#include <sys/types.h>

#include <string>
#include <vector>

namespace normscope {

struct ExitStatus {
  int code = 0;    ///< exit code, or -1
  int signal = 0;  ///< the signal that ended it, or 0
};

/// Starts argv[0] (searched on PATH) in a process group of its own with stdout and stderr in `log`; raises Error when
/// it cannot be started.
pid_t start_process(const std::vector<std::string>& argv, const std::string& log, bool append);
/// True when it has ended.
bool poll_process(pid_t pid, ExitStatus* status);
ExitStatus wait_process(pid_t pid);
/// The last line of a text file that is not empty, without control characters.
std::string last_line(const std::string& path);
/// The path of this program.
std::string own_program();

/// While it lives, SIGINT and SIGTERM set a flag instead of ending the program.
class StopGuard {
 public:
  StopGuard();
  ~StopGuard();
  static bool stopped();

 private:
  struct Old;
  Old* old_;
};

}  // namespace normscope
