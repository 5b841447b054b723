#include <fmt/format.h>
#include "commands/commands.h"

#include <cmath>
#include <nlohmann/json.hpp>

#include "cli/cli.h"

namespace normscope::cli {
namespace {

ExitCode exit_code(const std::string& status) {
  if (status == "diverged") return ExitCode::diverged;
  return status == "interrupted" ? ExitCode::interrupted : ExitCode::done;
}

std::string loss_text(double loss, const char* of) {
  return std::isnan(loss) ? "none yet" : fmt::format("{:.4f} nats a token{}", loss, of);
}

void print_outcome(const TrainOutcome& outcome) {
  print(facts(
      {{"run folder", outcome.run_dir},
       {"status", outcome.status},
       {"parameters", grouped(outcome.parameters)},
       {"steps", grouped(outcome.steps)},
       {"train loss", loss_text(outcome.train_loss, "")},
       {"validation loss", loss_text(outcome.val_loss, outcome.exact ? ", exact over the whole split" : ", sampled")},
       {"speed", fmt::format("{} tokens/s ({:.1f} s)", grouped(static_cast<std::int64_t>(outcome.tokens_per_s)),
                             outcome.elapsed_s)}}));
  print(fmt::format("See more: normscope report {}\n", outcome.run_dir));
}

}  // namespace

int run_train(const Arguments& arguments) {
  TrainOptions options;
  Parser parser("train", "Trains one model; every step's gradient norms go into RUN/run.h5.",
                "  normscope train --preset micro --norm rmsnorm --data synthetic:grammar --out_dir runs/rms\n"
                "    300 steps of a small GPT with RMSNorm; then: normscope report runs/rms\n"
                "  normscope train --config runs/rms/config.toml --init_from resume\n"
                "    continues it after an interruption");
  parser.option("overwrite", &options.overwrite, "replace a run of the same folder");
  parser.config_keys();
  if (!parser.parse(arguments)) return 0;
  Config config = parser.config();
  config.resolve();
  require_data(config);
  check_norm_names(config);
  options.quiet = parser.quiet;
  options.command = command_line("train", arguments);
  const TrainOutcome outcome = train(config, options);
  if (parser.json)
    print_json({{"run_dir", outcome.run_dir},
                {"status", outcome.status},
                {"parameters", outcome.parameters},
                {"steps", outcome.steps},
                {"train_loss", outcome.train_loss},
                {"val_loss", outcome.val_loss},
                {"val_loss_exact", outcome.exact},
                {"elapsed_s", outcome.elapsed_s},
                {"tokens_per_s", outcome.tokens_per_s}});
  else
    print_outcome(outcome);
  return static_cast<int>(exit_code(outcome.status));
}

}  // namespace normscope::cli
