#pragma once
// What a run folder holds of a run that can be continued.
#include <optional>
#include <string>

#include "config/config.h"

namespace normscope {

/// May `train` write into config.out_dir? Raises UsageError for a folder of other files, for one that holds a run which
/// init_from does not continue unless `overwrite`, and for files of a run without its run.h5.
void check_run_folder(const Config& config, bool overwrite);

/// Does the folder hold a run.h5 and a complete checkpoint?
bool can_resume(const std::string& run_dir);

/// Raises UsageError that says what is missing when can_resume() is false.
void require_resumable(const std::string& run_dir);

/// The configuration of the folder's run: config.toml, or config_json of run.h5 when there is no config.toml. Raises
/// UsageError when neither can be read.
Config saved_config(const std::string& run_dir);

/// The checkpoint whose weights a new run starts from, none for init_from scratch. Raises UsageError when init_from
/// names nothing that holds one.
std::optional<std::string> initial_weights(const Config& config);

}  // namespace normscope
