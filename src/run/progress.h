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

class Progress {
 public:
  Progress(std::int64_t steps, bool quiet);
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;
  /// A finished step; `line` asks for a log line.
  void step(std::int64_t step, double loss, double grad_norm, double lr, double tokens_per_s, bool line);
  void note(const std::string& text);

 private:
  void clear_bar();
  std::int64_t steps_;
  bool quiet_, terminal_, bar_shown_ = false;
};

}  // namespace normscope
