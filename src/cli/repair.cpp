#include <filesystem>

#include <nlohmann/json.hpp>
#include "io/file_util.h"
#include "io/run_file.h"

#include "cli/cli.h"

namespace normscope::cli {

int run_repair(const Arguments& arguments) {
  std::vector<std::string> paths;
  Parser parser("repair",
                "Repairs the run file of a crashed run so that any HDF5 reader can open it; complete rows are kept.",
                "  normscope repair runs/rms\n"
                "    clears what the killed writer left in runs/rms/run.h5;\n"
                "    its status becomes `interrupted`.\n"
                "    Works on a copy, which needs free disk space; if that fails, the file is\n"
                "    unchanged.");
  parser.positional("PATH", paths, "a run folder or its run.h5", 1, 1);
  parser.parse(arguments);
  namespace fs = std::filesystem;
  const fs::path file = fs::is_directory(paths.front()) ? fs::path(paths.front()) / "run.h5" : fs::path(paths.front());
  if (!fs::is_regular_file(file))
    throw UsageError("'" + file.string() + "' does not exist; give a run folder or its run.h5");
  const FolderLock lock(file.has_parent_path() ? file.parent_path().string() : ".");
  RunFile::repair(file.string());
  const RunData run = read_run(file.string());
  if (parser.json)
    print_json({{"file", file.string()}, {"status", run.status}, {"steps", run.step.size()}});
  else
    print(facts({{"run file", file.string()},
                 {"status", run.status},
                 {"steps", grouped(static_cast<std::int64_t>(run.step.size()))}}));
  return 0;
}

}  // namespace normscope::cli
