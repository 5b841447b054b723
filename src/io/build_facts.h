#pragma once
// Versions of the libraries underneath.
#include <string>

namespace normscope {

std::string hdf5_version();

}  // namespace normscope
