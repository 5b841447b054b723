#include "study/process.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <normscope/core/error.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstring>
#include <filesystem>
#include <fstream>

namespace normscope {
namespace {

volatile std::sig_atomic_t stop_signal = 0;

void on_signal(int number) { stop_signal = number; }

ExitStatus decode(int status) {
  if (WIFSIGNALED(status)) return {-1, WTERMSIG(status)};
  return {WEXITSTATUS(status), 0};
}

}  // namespace

struct StopGuard::Old {
  struct sigaction interrupt, terminate;
};

StopGuard::StopGuard() : old_(new Old) {
  stop_signal = 0;
  struct sigaction action{};
  action.sa_handler = on_signal;
  sigemptyset(&action.sa_mask);
  sigaction(SIGINT, &action, &old_->interrupt);
  sigaction(SIGTERM, &action, &old_->terminate);
}

StopGuard::~StopGuard() {
  sigaction(SIGINT, &old_->interrupt, nullptr);
  sigaction(SIGTERM, &old_->terminate, nullptr);
  delete old_;
}

bool StopGuard::stopped() { return stop_signal != 0; }

pid_t start_process(const std::vector<std::string>& argv, const std::string& log, bool append) {
  std::vector<char*> words;
  for (const std::string& word : argv) words.push_back(const_cast<char*>(word.c_str()));
  words.push_back(nullptr);
  const int out = open(log.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC | (append ? O_APPEND : O_TRUNC), 0666);
  if (out < 0) throw Error(fmt::format("[process] cannot write {}: {}", log, std::strerror(errno)));
  int report[2];  // the child's errno when exec fails; closed by a successful exec
  if (pipe2(report, O_CLOEXEC) != 0) {
    close(out);
    throw Error(fmt::format("[process] cannot start {}: {}", argv[0], std::strerror(errno)));
  }
  const pid_t parent = getpid();
  const pid_t pid = fork();
  if (pid == 0) {   // only async-signal-safe calls until exec
    setpgid(0, 0);  // Ctrl-C reaches the study alone, which then asks each child once
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (getppid() != parent) _exit(130);
    const int null = open("/dev/null", O_RDONLY);
    dup2(null, STDIN_FILENO);
    dup2(out, STDOUT_FILENO);
    dup2(out, STDERR_FILENO);
    execvp(words[0], words.data());
    const int error = errno;
    [[maybe_unused]] const auto written = write(report[1], &error, sizeof error);
    _exit(127);
  }
  const int fork_error = errno;
  close(out);
  close(report[1]);
  int error = pid < 0 ? fork_error : 0;
  if (pid > 0 && read(report[0], &error, sizeof error) > 0) waitpid(pid, nullptr, 0);
  close(report[0]);
  if (error != 0) throw Error(fmt::format("[process] cannot start {}: {}", argv[0], std::strerror(error)));
  return pid;
}

bool poll_process(pid_t pid, ExitStatus* status) {
  int raw = 0;
  if (waitpid(pid, &raw, WNOHANG) != pid) return false;
  *status = decode(raw);
  return true;
}

ExitStatus wait_process(pid_t pid) {
  int raw = 0;
  while (waitpid(pid, &raw, 0) < 0 && errno == EINTR) {
  }
  return decode(raw);
}

std::string last_line(const std::string& path) {
  std::ifstream in(path);
  std::string line, last;
  while (std::getline(in, line)) {
    const auto carriage = line.find_last_of('\r', line.size() > 1 ? line.size() - 2 : 0);
    if (carriage != std::string::npos && line.size() > 1) line = line.substr(carriage + 1);
    std::erase_if(line, [](char c) { return static_cast<unsigned char>(c) < 32; });
    if (line.find_first_not_of(' ') != std::string::npos) last = line;
  }
  return last.size() > 300 ? last.substr(0, 300) + "..." : last;
}

std::string own_program() { return std::filesystem::read_symlink("/proc/self/exe").string(); }

}  // namespace normscope
