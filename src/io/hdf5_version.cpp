#include <string>

#include "io/build_facts.h"

#include "io/hdf5_handle.h"

namespace normscope {

std::string hdf5_version() {
  hdf5::leave_exit_alone();
  unsigned major = 0, minor = 0, release = 0;
  H5get_libversion(&major, &minor, &release);
  return std::to_string(major) + "." + std::to_string(minor) + "." + std::to_string(release);
}

}  // namespace normscope
