#pragma once
// Where checkpoints lie and what they carry beside weights.
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace normscope {

/// Path of the checkpoint after `steps` steps: RUN/checkpoints/step_000500.h5.
std::string checkpoint_path(const std::string& run_dir, std::int64_t steps);
/// The newest complete checkpoint of a run folder (or the file itself, when `run` is one); empty: none.
std::optional<std::string> newest_checkpoint(const std::string& run);
/// Removes all but the newest, and halves of a killed run.
void remove_older_checkpoints(const std::string& run_dir);
/// The files in the folder that a run wrote there, whole or not.
std::vector<std::filesystem::path> run_files(const std::string& run_dir);
/// Removes what a run writes into its folder and nothing else.
void remove_run_files(const std::string& run_dir);

}  // namespace normscope
