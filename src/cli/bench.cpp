#include <fmt/format.h>
#include "commands/commands.h"

#include <nlohmann/json.hpp>
#include <utility>

#include "cli/bar.h"
#include "cli/cli.h"

namespace normscope::cli {

namespace {

void print_step(const BenchOutcome& outcome, bool json) {
  if (json)
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
}

nlohmann::ordered_json as_json(const BenchRow& row) {
  nlohmann::ordered_json line = {{"kernel", row.kernel}, {"size", row.size}};
  for (const auto& [name, value] : row.numbers) line[name] = value;
  return line;
}

/// One line of a table whose other lines are not known yet: the first two columns have room for the longest there are.
void print_row(const BenchRow& row, bool first) {
  std::vector<std::string> header = {fmt::format("{:22}", "kernel"), fmt::format("{:18}", "size")};
  std::vector<std::string> cells = {row.kernel, row.size};
  std::vector<bool> right = {false, false};
  for (const auto& [name, value] : row.numbers) {
    header.push_back(fmt::format("{:>8}", name)), right.push_back(true);
    cells.push_back(fmt::format("{:.{}f}", value, value < 10 ? 2 : 0));
  }
  const std::string lines = table(header, {cells}, right);
  print(first ? lines : lines.substr(lines.find('\n') + 1));
  flush_output();
}

void run_kernels(const std::string& what, const Config& config, bool json) {
  auto document = nlohmann::ordered_json::array();
  bool first = true;
  bench_kernels(what, config, [&](const BenchRow& row) {
    if (json)
      document.push_back(as_json(row));
    else
      print_row(row, std::exchange(first, false));
  });
  if (json) print_json(document);
}

}  // namespace

int run_bench(const Arguments& arguments) {
  std::vector<std::string> what;
  std::int64_t warmup = 20, steps = 100;
  Parser parser("bench",
                "Measures a training step or its kernels, and compares the kernels with the limit of this machine.",
                "  normscope bench step --preset nanogpt-cpu --steps 100 --threads 2\n"
                "    tokens_per_s, ms_per_step, peak_rss_mb, gflops, gemm_share\n"
                "  normscope bench norms\n"
                "    forward and backward of every norm, relative to a copy of the same bytes\n"
                "  normscope bench gemm --preset nanogpt-cpu\n"
                "    the model's matrix products on each backend, against the multiply-adds\n"
                "    that the processor can do");
  parser.positional("WHAT", what, "norms, gemm, attention or step", 1, 1, {"norms", "gemm", "attention", "step"});
  parser.option("warmup", &warmup, "for step: steps before the measurement [20]");
  parser.option("steps", &steps, "for step: measured steps [100]");
  parser.config_keys();
  parser.parse(arguments);
  if (steps < 1) throw UsageError(fmt::format("--steps: '{}' is too small; give 1 or more", steps));
  Config config = parser.config();
  config.resolve();
  if (what.front() == "step")
    print_step(with_bar(parser, "steps",
                        [&](const OnProgress& on_progress) { return bench_step(config, warmup, steps, on_progress); }),
               parser.json);
  else
    run_kernels(what.front(), config, parser.json);
  return 0;
}

}  // namespace normscope::cli
