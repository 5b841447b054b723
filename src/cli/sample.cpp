#include "commands/commands.h"

#include <cstdio>
#include <nlohmann/json.hpp>

#include "cli/cli.h"

namespace normscope::cli {

int run_sample(const Arguments& arguments) {
  SampleOptions options;
  std::vector<std::string> runs, prompts;
  Parser parser("sample", "Generates text from a run's newest checkpoint.",
                "  normscope sample runs/rms --prompt 'ROMEO:' --tokens 200 --temperature 0.8");
  parser.positional("RUN", runs, "a run folder or checkpoint", 1, 1);
  parser.option("prompt", &prompts, "text to continue [a line break]");
  parser.option("tokens", &options.tokens, "tokens to generate [500]");
  parser.option("temperature", &options.temperature, "softmax temperature (0: always the most likely token) [0.8]");
  parser.option("top_k", &options.top_k, "sample from the k most likely tokens (0: all) [200]");
  parser.option("seed", &options.seed, "seed of the samples [1337]");
  parser.option("threads", &options.threads, "threads (0: all cores) [0]");
  parser.parse(arguments);
  if (options.tokens < 1) throw UsageError("--tokens: must be 1 or more");
  if (options.temperature < 0) throw UsageError("--temperature: must be 0 or above");
  if (!prompts.empty()) options.prompt = prompts.back();
  std::string text, prompt;
  sample(runs.front(), options, [&](const std::string& piece) {
    if (prompt.empty()) prompt = piece;  // comes first
    if (parser.json) {
      text += piece;
      return;
    }
    print(piece);
    std::fflush(stdout);  // text appears as it is made
  });
  if (parser.json)
    print_json({{"run", runs.front()}, {"prompt", prompt}, {"seed", options.seed}, {"text", text}});
  else
    print("\n");
  return 0;
}

}  // namespace normscope::cli
