#pragma once
// Facts of the machine for run files.
#include <string>

namespace normscope {

/// Facts of this build and machine for --version and run files.
struct BuildInfo {
  std::string version, git_commit, compiler, onednn, openblas_core, hdf5, isa;
};
BuildInfo build_info();

}  // namespace normscope
