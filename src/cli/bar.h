#pragma once
// The progress bar of a command's job.
#include <string>

#include "cli/cli.h"
#include "jobs/jobs.h"
#include "run/progress.h"

namespace normscope::cli {

/// job(on_progress), with a bar on a terminal that is gone when it returns; `unit` is what it counts.
template <class Job>
auto with_bar(const Parser& parser, const std::string& unit, const Job& job) {
  Progress progress(parser.quiet);
  return job([&](std::int64_t done, std::int64_t total) { progress.bar(done, total, unit); });
}

}  // namespace normscope::cli
