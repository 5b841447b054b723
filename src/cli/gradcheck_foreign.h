#pragma once
#include <string>

namespace normscope::cli {

/// Judges the norm whose inputs and results are in `file` (.npz, see foreign/foreign.h), prints what it found, and
/// returns the exit code: 0 right, 1 wrong. Raises UsageError when the file cannot be judged.
int judge_foreign(const std::string& file, const std::string& norm, bool json);

}  // namespace normscope::cli
