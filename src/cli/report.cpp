#include "study/report.h"

#include <nlohmann/json.hpp>

#include "cli/cli.h"

namespace normscope::cli {

int run_report(const Arguments& arguments) {
  std::vector<std::string> paths;
  std::string out_dir;
  bool overwrite = false;
  Parser parser("report", "Writes one self-contained HTML file, and its figures as SVG and PNG.",
                "  normscope report runs/rms\n"
                "    writes runs/rms/report.html and runs/rms/figures/");
  parser.positional("PATH", paths, "a run folder, run.h5, study folder or study.json", 1, 1);
  parser.option("out_dir", &out_dir, "folder of the report [that of the run or study]");
  parser.option("overwrite", &overwrite, "replace an existing report");
  parser.parse(arguments);
  const std::string report = write_report(paths.front(), out_dir, overwrite);
  if (parser.json)
    print_json({{"report", report}});
  else
    print("Report: " + report + "\n");
  return 0;
}

}  // namespace normscope::cli
