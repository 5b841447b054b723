#pragma once
// Errors: every message says where (`[rms_norm]`), what (shapes, values, the key) and what to do next.
#include <stdexcept>
#include <string>

namespace normscope {

/// Exit codes of every command.
enum class ExitCode : int { done = 0, runtime = 1, usage = 2, diverged = 3, check_failed = 4, interrupted = 130 };

/// A run-time error: output that cannot be written, memory exhausted, a broken file (exit code 1).
class Error : public std::runtime_error {
 public:
  explicit Error(const std::string& message, ExitCode code = ExitCode::runtime)
      : std::runtime_error(message), code_(code) {}
  ExitCode code() const { return code_; }

 private:
  ExitCode code_;
};

/// Wrong use: a bad key or value, input that cannot be read or understood, an impossible combination (exit code 2).
class UsageError : public Error {
 public:
  explicit UsageError(const std::string& message) : Error(message, ExitCode::usage) {}
};

}  // namespace normscope
