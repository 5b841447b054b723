#pragma once
// What a person sees while a run goes on (stderr): log lines, and a bar on a terminal; and the signals that end it.
#include <csignal>
#include <cstdint>
#include <string>

namespace normscope {

/// Holds SIGINT and SIGTERM back while it lives; stopped() asks whether one has come. No handler runs: oneDNN's sgemm
/// kernels (2.6) use the stack pointer for data, and a signal frame pushed there overwrites the heap. Make it before
/// an engine's team starts, since threads inherit the mask.
class StopSignals {
 public:
  StopSignals();
  ~StopSignals();
  StopSignals(const StopSignals&) = delete;
  StopSignals& operator=(const StopSignals&) = delete;
  bool stopped();

 private:
  sigset_t signals_, before_;
  bool stopped_ = false;
};

std::string duration_text(double seconds);  ///< 12 s, 3 min 05 s, 2 h 40 min

/// "[=====     ] 12/300  loss 2.31  40 s left" in fewer than `columns` columns: where there is no room, the bar goes
/// first, then `text`, then the rest from its end. `seconds_left` below 0: not known yet.
std::string bar_text(std::int64_t done, std::int64_t total, const std::string& text, double seconds_left,
                     std::size_t columns);

/// Log lines, and a bar below them where stderr is a terminal.
class Progress {
 public:
  explicit Progress(bool quiet);
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;
  bool on_terminal() const { return terminal_; }
  void note(const std::string& text);
  /// Draws the bar again, as wide as the terminal is now, at most ten times a second: `done` of `total`, `text` and the
  /// time left by the pace since the first call.
  void bar(std::int64_t done, std::int64_t total, const std::string& text);

 private:
  void clear_bar();
  bool quiet_, terminal_, bar_shown_ = false;
  std::int64_t first_ = -1;        // `done` of the first call
  double began_ = 0, drawn_ = -1;  // when that was, and when the bar was drawn; seconds
};

}  // namespace normscope
