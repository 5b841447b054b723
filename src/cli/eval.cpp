#include <fmt/format.h>
#include "commands/commands.h"

#include <cmath>
#include <nlohmann/json.hpp>
#include <numbers>

#include "cli/bar.h"
#include "cli/cli.h"
#include "core/decimal_text.h"

namespace normscope::cli {

int run_eval(const Arguments& arguments) {
  std::vector<std::string> runs;
  std::string split = "val", data;
  int threads = 0;
  Parser parser("eval", "Computes the exact loss of a run's model over a whole split.",
                "  normscope eval runs/rms --split val\n"
                "    mean loss over every token of the validation split, in consecutive windows");
  parser.positional("RUN", runs, "a run folder or checkpoint", 1, 1);
  parser.option("split", &split, "the split [val]", {"train", "val"});
  parser.option("data", &data, "other data, with the vocabulary of the run");
  parser.option("threads", &threads, "threads (0: all cores) [0]");
  parser.parse(arguments);
  const auto other_data = data.empty() ? std::nullopt : std::optional(data);
  const EvalOutcome outcome = with_bar(parser, "targets", [&](const OnProgress& on_progress) {
    return evaluate(runs.front(), split, other_data, threads, on_progress);
  });
  if (parser.json)
    print_json({{"run", runs.front()},
                {"split", outcome.split},
                {"loss", outcome.loss},
                {"tokens", outcome.tokens},
                {"accuracy", outcome.accuracy}});
  else
    print(facts({{"split", outcome.split},
                 {"loss", decimal_text(outcome.loss, 6) + " nats/token"},
                 {"", decimal_text(outcome.loss / std::numbers::ln2, 6) + " bits/token"},
                 {"perplexity", decimal_text(std::exp(outcome.loss), 4)},
                 {"tokens", grouped(outcome.tokens)}}));
  return 0;
}

}  // namespace normscope::cli
