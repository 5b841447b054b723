// label: train
// The memory that inspect foretells against what training then takes.
#include <sys/resource.h>

#include <nlohmann/json.hpp>

#include "cli_helpers.h"

namespace normscope::cli_test {
namespace {

/// The most that any child process has taken so far, in MB.
double children_peak_mb() {
  rusage usage{};
  getrusage(RUSAGE_CHILDREN, &usage);
  return static_cast<double>(usage.ru_maxrss) / 1024;
}

TEST(Cost, PeakMemoryIsForetoldWithinFivePercent) {
  const TemporaryFolder folder;
  double before = 0;
  // In the order of their size: the system tells the largest child only.
  for (const std::string keys : {"--preset micro", "--preset nanogpt-cpu", "--preset llama-micro --batch_size 128"}) {
    const std::string all = keys + " --data synthetic:grammar --threads 2";
    const double foretold =
        nlohmann::json::parse(run(folder, "inspect " + all + " --json").out).at("peak_mb").get<double>();
    const Outcome trained =
        run(folder, "train " + all + " --max_iters 4 --eval_interval 0 --quiet --out_dir r --overwrite");
    ASSERT_EQ(trained.code, 0) << trained.err;
    const double taken = children_peak_mb();
    ASSERT_GT(taken, before);
    EXPECT_NEAR(foretold, taken, 0.05 * taken) << keys;
    before = taken;
  }
}

}  // namespace
}  // namespace normscope::cli_test
