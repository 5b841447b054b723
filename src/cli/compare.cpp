#include "study/study.h"

#include "cli/cli.h"

namespace normscope::cli {

int run_compare(const Arguments& arguments) {
  CompareOptions options;
  Parser parser("compare", "Compares runs or studies, paired by seed: table, intervals, report.",
                "  normscope compare runs/layernorm runs/rmsnorm\n"
                "    the first is what the others are compared with;\n"
                "    runs whose data, batches or seeds differ are refused");
  parser.positional("PATH", options.paths, "two or more run folders, run.h5 files or study folders", 2, 10000);
  parser.option("out_dir", &options.out_dir, "folder of the report [a new comparisons/NAME]");
  parser.option("overwrite", &options.overwrite, "replace an existing report");
  parser.parse(arguments);
  const CompareOutcome outcome = compare(options);
  if (parser.json) {
    print(outcome.json + "\n");
  } else {
    print(outcome.text);
    if (!outcome.report.empty()) print("Report: " + outcome.report + "\n");
  }
  return 0;
}

}  // namespace normscope::cli
