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

/// Log lines, and a bar below them where stderr is a terminal.
class Progress {
 public:
  explicit Progress(bool quiet);
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;
  void note(const std::string& text);
  /// Draws the bar again: `done` of `total`, and `text` behind it.
  void bar(std::int64_t done, std::int64_t total, const std::string& text);

 private:
  void clear_bar();
  bool quiet_, terminal_, bar_shown_ = false;
};

}  // namespace normscope
