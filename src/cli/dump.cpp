#include <fmt/format.h>
#include "commands/commands.h"

#include <nlohmann/json.hpp>

#include "cli/cli.h"
#include "core/decimal_text.h"
#include "core/text.h"

namespace normscope::cli {

int run_dump(const Arguments& arguments) {
  DumpOptions options;
  options.out = "dump.h5";
  Parser parser(
      "dump",
      "Computes one step from the initial weights without an update and writes all its tensors to one HDF5 file.",
      "  normscope dump --preset llama-micro --data synthetic:grammar \\\n"
      "      --dtype float64 --out step.h5\n"
      "    step.h5 has /loss, /logits, /params/PATH, /grads/PATH,\n"
      "    /residual/NAME, /residual_grads/NAME");
  parser.option("out", &options.out, "output file [dump.h5]");
  parser.option("step", &options.step, "use the batch of training step K [0]");
  parser.option("only", &options.only, "datasets to write: tokens, targets, loss, logits, ... (comma-separated)");
  parser.option("batch", &options.batch, "FILE.h5 with tokens and targets to use instead of the data");
  parser.option("overwrite", &options.overwrite, "replace an existing file");
  parser.config_keys();
  parser.parse(arguments);
  Config config = parser.config();
  config.resolve();
  if (options.batch.empty()) require_data(config);
  const double loss = dump(config, options);
  if (parser.json)
    print_json({{"file", options.out}, {"step", options.step}, {"loss", loss}});
  else
    print(facts({{"file", options.out}, {"loss", significant_text(loss, 9) + " nats/token"}}));
  return 0;
}

}  // namespace normscope::cli
