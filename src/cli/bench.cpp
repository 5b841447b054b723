#include <fmt/format.h>
#include <normscope/commands.h>

#include <nlohmann/json.hpp>

#include "cli/cli.h"

namespace normscope::cli {

int run_bench(const Arguments& arguments) {
  std::vector<std::string> what;
  std::int64_t warmup = 20, steps = 100;
  Parser parser("bench", "Measures one training step on this machine, on random tokens unless data is given.",
                "  normscope bench step --preset nanogpt-cpu --steps 100 --threads 2\n"
                "    tokens_per_s, ms_per_step, peak_rss_mb, gflops, gemm_share");
  parser.positional("WHAT", what, "step", 1, 1);
  parser.option("warmup", &warmup, "steps before the clock starts [20]");
  parser.option("steps", &steps, "steps that are measured [100]");
  parser.config_keys();
  if (!parser.parse(arguments)) return 0;
  if (what.front() != "step") throw UsageError(fmt::format("'{}' is not a benchmark; there is: step", what.front()));
  if (steps < 1) throw UsageError("--steps: '0' measures nothing; give 1 or more");
  Config config = parser.config();
  config.resolve();
  check_norm_names(config);
  const BenchOutcome outcome = bench_step(config, warmup, steps);
  if (parser.json)
    print_json({{"tokens_per_s", outcome.tokens_per_s},
                {"ms_per_step", outcome.ms_per_step},
                {"peak_rss_mb", outcome.peak_rss_mb},
                {"gflops", outcome.gflops},
                {"gemm_share", outcome.gemm_share},
                {"loss", outcome.loss},
                {"parameters", outcome.parameters}});
  else
    print(facts({{"tokens_per_s", fmt::format("{:.0f}", outcome.tokens_per_s)},
                 {"ms_per_step", fmt::format("{:.3f}", outcome.ms_per_step)},
                 {"peak_rss_mb", fmt::format("{:.1f}", outcome.peak_rss_mb)},
                 {"gflops", fmt::format("{:.2f}", outcome.gflops)},
                 {"gemm_share", fmt::format("{:.3f}", outcome.gemm_share)},
                 {"parameters", grouped(outcome.parameters)}}));
  return 0;
}

}  // namespace normscope::cli
