#include "run/saved_run.h"

#include <filesystem>

#include <fmt/format.h>

#include "io/output_folder.h"
#include "io/run_file.h"
#include <normscope/core/error.h>

#include "run/checkpoint.h"

namespace normscope {

namespace fs = std::filesystem;

namespace {
bool has_checkpoint(const std::string& run_dir) {
  return fs::is_directory(run_dir) && newest_checkpoint(run_dir).has_value();
}
}  // namespace

void check_run_folder(const Config& config, bool overwrite) {
  const fs::path dir = config.out_dir;
  if (!fs::exists(dir / "run.h5") && has_checkpoint(config.out_dir))
    throw UsageError(
        fmt::format("{} contains a checkpoint but no run.h5; restore run.h5 to resume, or choose another folder "
                    "with --out_dir",
                    config.out_dir));
  const bool continues = config.init_from == "resume" || config.init_from == "auto";
  check_output_folder(config.out_dir, Result::run, overwrite || continues);
  if (holds(dir, Result::run)) return;
  for (const char* name : {"config.toml", "metrics.jsonl"})  // in a study's folder
    if (fs::exists(dir / name))
      throw UsageError(fmt::format("{} does not belong to a run; choose an empty or new folder with --out_dir",
                                   (dir / name).string()));
}

bool can_resume(const std::string& run_dir) {
  return fs::exists(fs::path(run_dir) / "run.h5") && has_checkpoint(run_dir);
}

void require_resumable(const std::string& run_dir) {
  if (can_resume(run_dir)) return;
  const char* advice = "give the folder of a run with --out_dir, or use --init_from auto to start from scratch";
  if (!fs::exists(run_dir)) throw UsageError(fmt::format("cannot resume: {} does not exist; {}", run_dir, advice));
  if (has_checkpoint(run_dir))
    throw UsageError(
        fmt::format("cannot resume: {} contains a checkpoint but no run.h5; restore run.h5 or choose another "
                    "folder with --out_dir",
                    run_dir));
  if (!fs::exists(fs::path(run_dir) / "run.h5"))
    throw UsageError(fmt::format("cannot resume: {} contains no run; {}", run_dir, advice));
  throw UsageError(
      fmt::format("cannot resume: the run in {} stopped before its first checkpoint was saved; use "
                  "--init_from auto or --overwrite to start it again",
                  run_dir));
}

std::optional<std::string> initial_weights(const Config& config) {
  if (config.init_from == "scratch") return std::nullopt;
  const auto weights = fs::exists(config.init_from) ? newest_checkpoint(config.init_from) : std::nullopt;
  if (!weights)
    throw UsageError(
        fmt::format("init_from = {} ({}) contains no checkpoint; give a run folder or a checkpoint file, or "
                    "use scratch",
                    config.init_from, config.where("init_from")));
  return weights;
}

Config saved_config(const std::string& run_dir) {
  const fs::path dir = run_dir, text = dir / "config.toml";
  if (!fs::exists(text)) return Config::from_json(read_run((dir / "run.h5").string()).config_json);
  Config config;
  config.load_file(text.string());
  return config;
}

}  // namespace normscope
