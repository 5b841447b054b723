#pragma once
// Facts of the machine for run files.
#include <string>

#include <normscope/commands.h>

namespace normscope {

/// The processor's model name, never the host's name.
std::string cpu_model();

}  // namespace normscope
