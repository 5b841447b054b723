#include "run/progress.h"

#include <unistd.h>

#include <cstdio>

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include "core/decimal_text.h"

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

Progress::Progress(std::int64_t steps, bool quiet)
    : steps_(steps), quiet_(quiet), terminal_(isatty(STDERR_FILENO) != 0) {}
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

void Progress::step(std::int64_t step, double loss, double grad_norm, double lr, double tokens_per_s, bool line) {
  if (quiet_) return;
  if (line)
    note(fmt::format("step {:>{}}/{}: loss {}, gradient norm {}, lr {:.2e}, {:.0f} tokens/s", step + 1,
                     fmt::formatted_size("{}", steps_), steps_, decimal_text(loss, 4), decimal_text(grad_norm, 4), lr,
                     tokens_per_s));
  if (!terminal_) return;
  constexpr int kWidth = 30;
  const int full = static_cast<int>(kWidth * (step + 1) / steps_);
  std::fputs(
      fmt::format("\r\033[K[{}{}] {}/{}  loss {}", std::string(static_cast<std::size_t>(full), '='),
                  std::string(static_cast<std::size_t>(kWidth - full), ' '), step + 1, steps_, decimal_text(loss, 4))
          .c_str(),
      stderr);
  std::fflush(stderr);
  bar_shown_ = true;
}

}  // namespace normscope
