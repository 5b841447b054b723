#pragma once
// What a study will run: its grid of resolved configs, and how it fits a folder that is there already.
#include "study/study.h"

#include <string>

namespace normscope {

struct Plan {
  std::string dir;
  Study study;                  ///< every run pending, in the order they are started
  std::vector<Config> configs;  ///< of study.runs, resolved, with out_dir and name set
  int jobs = 1, threads = 1;
};

/// Raises UsageError for a bad grid: no axis value twice, known keys, configs that resolve, data that loads.
Plan make_plan(const StudyOptions& options);

/// Runs of the same key load the same data.
std::string data_key(const Config& config);

/// Takes over what the folder of an earlier call holds. Raises UsageError when it is another study (names the key that
/// differs), which `overwrite` removes instead, or not a study at all.
void adopt_folder(Plan* plan, bool overwrite);

}  // namespace normscope
