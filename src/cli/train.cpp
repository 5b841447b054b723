#include <fmt/format.h>
#include "commands/commands.h"

#include <cmath>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "cli/cli.h"
#include "core/decimal_text.h"
#include "io/output_folder.h"
#include "config/resume_check.h"
#include "run/saved_run.h"

namespace normscope::cli {
namespace {

ExitCode exit_code(const std::string& status) {
  if (status == "diverged") return ExitCode::diverged;
  return status == "interrupted" ? ExitCode::interrupted : ExitCode::done;
}

std::string loss_text(double loss, const char* of) {
  return std::isnan(loss) ? "none" : decimal_text(loss, 4) + " nats" + of;
}

bool may_resume(const Config& config) { return config.init_from == "resume" || config.init_from == "auto"; }

/// A run that is continued takes from its folder whatever this command line does not say.
Config read_config(const Parser& parser) {
  const Config asked = parser.config();
  if (!may_resume(asked)) return asked;
  Config named = asked;
  if (named.out_dir.empty()) named.resolve();  // runs/NAME
  if (asked.init_from == "resume") require_resumable(named.out_dir);
  if (!can_resume(named.out_dir)) return asked;
  const Config saved = saved_config(named.out_dir);
  Config config = saved;
  parser.apply_to(config);
  follow_length(config, saved);
  config.out_dir = named.out_dir;  // the folder may have been moved
  return config;
}

std::string start_text(const TrainOutcome& outcome, const Config& config) {
  if (outcome.first_step > 0) return fmt::format("resumed at step {}", grouped(outcome.first_step));
  return may_resume(config) ? "from scratch (nothing to resume)" : "from " + config.init_from;
}

std::string speed_text(const TrainOutcome& outcome) {
  if (std::isnan(outcome.tokens_per_s)) return "not measured (no steps left)";
  return fmt::format("{} tokens/s ({:.1f} s)", grouped(static_cast<std::int64_t>(outcome.tokens_per_s)),
                     outcome.elapsed_s);
}

void print_outcome(const TrainOutcome& outcome, const Config& config) {
  std::vector<std::pair<std::string, std::string>> rows{
      {"run folder", outcome.run_dir},
      {"status", outcome.status},
      {"start", start_text(outcome, config)},
      {"parameters", grouped(outcome.parameters)},
      {"steps", grouped(outcome.steps)},
      {"train loss", loss_text(outcome.train_loss, "")},
      {"validation loss", loss_text(outcome.val_loss, outcome.exact ? ", exact over the whole split" : ", sampled")},
      {"speed", speed_text(outcome)}};
  if (!std::isnan(outcome.accuracy))
    rows.push_back({"accuracy", decimal_text(100 * outcome.accuracy, 1) + " % of the validation samples"});
  print(facts(rows));
  if (outcome.divergence)
    print(fmt::format("The run diverged {}.\n{}\n", outcome.divergence->text(), outcome.divergence->advice()));
  if (outcome.status == "interrupted")
    print("Continue: " + command_line("train", {"--out_dir", outcome.run_dir, "--init_from", "resume"}) + "\n");
  const bool again = std::filesystem::exists(std::filesystem::path(outcome.run_dir) / "report.html");
  print(fmt::format("Draw a report: normscope report {}{}\n", outcome.run_dir, again ? " --overwrite" : ""));
}

}  // namespace

int run_train(const Arguments& arguments) {
  TrainOptions options;
  Parser parser("train", "Trains one model and records the gradient norms of every step in RUN/run.h5.",
                "  normscope train --preset micro --norm rmsnorm \\\n"
                "      --data synthetic:grammar --out_dir runs/rms\n"
                "    300 steps of a small GPT with RMSNorm; then: normscope report runs/rms\n"
                "  normscope train --out_dir runs/rms --init_from resume\n"
                "    continues the run after an interruption");
  parser.option("overwrite", &options.overwrite, "replace an existing run in the folder");
  parser.config_keys();
  parser.list_config_keys();
  parser.parse(arguments);
  Config config = read_config(parser);
  const bool unnamed = config.out_dir.empty() && config.name.empty();
  config.resolve();
  require_data(config);
  if (unnamed && !may_resume(config) && !options.overwrite) {  // what may be continued is found by its name
    config.out_dir = free_folder(config.out_dir);
    config.name = std::filesystem::path(config.out_dir).filename().string();
  }
  options.quiet = parser.quiet;
  options.command = command_line("train", arguments);
  const TrainOutcome outcome = train(config, options);
  nlohmann::ordered_json reason, step, where;  // null unless it diverged
  if (outcome.divergence) {
    reason = outcome.divergence->reason;
    step = outcome.divergence->step;
    where = outcome.divergence->where;
  }
  if (parser.json)
    print_json({{"run_dir", outcome.run_dir},
                {"status", outcome.status},
                {"diverged_reason", reason},
                {"diverged_step", step},
                {"diverged_where", where},
                {"parameters", outcome.parameters},
                {"first_step", outcome.first_step},
                {"steps", outcome.steps},
                {"train_loss", outcome.train_loss},
                {"val_loss", outcome.val_loss},
                {"val_loss_exact", outcome.exact},
                {"accuracy", outcome.accuracy},
                {"elapsed_s", outcome.elapsed_s},
                {"tokens_per_s", outcome.tokens_per_s}});
  else
    print_outcome(outcome, config);
  return static_cast<int>(exit_code(outcome.status));
}

}  // namespace normscope::cli
