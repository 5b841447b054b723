#include "run/progress.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdio>

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include "run/clock.h"

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
  const double now = now_s();
  if (first_ < 0) first_ = done, began_ = now;
  if (bar_shown_ && now - drawn_ < 0.1) return;
  winsize size{};
  const bool known = ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0;
  const double pace = done > first_ && now - began_ > 0.5 ? (now - began_) / static_cast<double>(done - first_) : -1;
  const double left = pace < 0 ? -1 : pace * static_cast<double>(total - done);
  std::fputs(("\r\033[K" + bar_text(done, total, text, left, known ? size.ws_col : 80)).c_str(), stderr);
  std::fflush(stderr);
  bar_shown_ = true;
  drawn_ = now;
}

std::string duration_text(double seconds) {
  const auto whole = std::llround(seconds);
  if (whole < 60) return fmt::format("{} s", whole);
  if (whole < 3600) return fmt::format("{} min {:02} s", whole / 60, whole % 60);
  return fmt::format("{} h {:02} min", whole / 3600, whole % 3600 / 60);
}

std::string bar_text(std::int64_t done, std::int64_t total, const std::string& text, double seconds_left,
                     std::size_t columns) {
  constexpr std::size_t kWidest = 40, kNarrowest = 8;
  const std::size_t room = columns > 0 ? columns - 1 : 0;  // a character in the last column would wrap
  const std::string count = fmt::format("{}/{}", done, total);
  const std::string left = seconds_left < 0 ? "" : fmt::format("  {} left", duration_text(seconds_left));
  std::string tail = fmt::format("{}{}{}", count, text.empty() ? "" : "  " + text, left);
  if (tail.size() > room) tail = count + left;
  if (tail.size() + kNarrowest + 3 > room) return tail.substr(0, room);
  const std::size_t width = std::min(kWidest, room - tail.size() - 3);
  const double share = total > 0 ? std::clamp(static_cast<double>(done) / static_cast<double>(total), 0.0, 1.0) : 1;
  const auto full = static_cast<std::size_t>(share * static_cast<double>(width));
  return fmt::format("[{}{}] {}", std::string(full, '='), std::string(width - full, ' '), tail);
}

}  // namespace normscope
