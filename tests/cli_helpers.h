#pragma once
// Runs the built program in a folder of its own and keeps what it said.
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <stdexcept>
#include <string>

#include "files.h"

namespace normscope::cli_test {

using test_files::read_text;
using test_files::TemporaryFolder;
using test_files::write_text;

struct Outcome {
  int code = -1;  ///< exit code; 128 + signal when the program was killed
  std::string out, err;
  double peak_mb = 0;  ///< the most memory it had at once
};

/// `arguments` as in a shell (quote what needs it); runs in `folder`.
inline Outcome run(const TemporaryFolder& folder, const std::string& arguments) {
  const std::string out = folder / "stdout.txt", err = folder / "stderr.txt";
  const std::string command = "cd '" + folder.path().string() + "' && exec '" + NORMSCOPE_BINARY + "' " + arguments +
                              " >'" + out + "' 2>'" + err + "'";
  const pid_t child = fork();
  if (child < 0) throw std::runtime_error("no child process");
  if (child == 0) {
    execl("/bin/sh", "sh", "-c", command.c_str(), static_cast<char*>(nullptr));
    _exit(127);
  }
  int status = 0;
  rusage usage{};
  wait4(child, &status, 0, &usage);
  const int code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  return {code, read_text(out), read_text(err), static_cast<double>(usage.ru_maxrss) / 1024};
}

}  // namespace normscope::cli_test
