#include "run/progress.h"

#include <unistd.h>

#include <cstdio>

#include <fmt/format.h>
#include <spdlog/spdlog.h>

namespace normscope {

StopSignals::StopSignals() {
  sigemptyset(&signals_);
  sigaddset(&signals_, SIGINT);
  sigaddset(&signals_, SIGTERM);
  pthread_sigmask(SIG_BLOCK, &signals_, &before_);
}
StopSignals::~StopSignals() {
  stopped();  // one that came while the end was being saved must not kill the process after it
  pthread_sigmask(SIG_SETMASK, &before_, nullptr);
}

bool StopSignals::stopped() {
  const timespec now{};
  while (sigtimedwait(&signals_, nullptr, &now) > 0) stopped_ = true;
  return stopped_;
}

Progress::Progress(bool quiet) : quiet_(quiet), terminal_(isatty(STDERR_FILENO) != 0) {}
Progress::~Progress() { clear_bar(); }

void Progress::clear_bar() {
  if (!bar_shown_) return;
  std::fputs("\r\033[K", stderr);
  std::fflush(stderr);
  bar_shown_ = false;
}

void Progress::note(const std::string& text) {
  if (quiet_) return;
  clear_bar();
  spdlog::info("{}", text);
}

void Progress::bar(std::int64_t done, std::int64_t total, const std::string& text) {
  if (quiet_ || !terminal_) return;
  constexpr std::int64_t kWidth = 30;
  const auto full = static_cast<std::size_t>(total > 0 ? kWidth * done / total : kWidth);
  const std::string drawn = std::string(full, '=') + std::string(kWidth - full, ' ');
  std::fputs(fmt::format("\r\033[K[{}] {}/{}  {}", drawn, done, total, text).c_str(), stderr);
  std::fflush(stderr);
  bar_shown_ = true;
}

}  // namespace normscope
