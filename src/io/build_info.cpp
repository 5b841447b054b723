#include "io/build_info.h"

#include <fstream>

#include "io/build_facts.h"
#include "io/run_file.h"

namespace normscope {

namespace f32::kernels {
const char* isa_name();
const char* openblas_core();
std::string onednn_version();
}  // namespace f32::kernels

std::string cpu_model() {
  std::ifstream info("/proc/cpuinfo");
  for (std::string line; std::getline(info, line);)
    if (line.starts_with("model name")) return line.substr(line.find(':') + 2);
  return "unknown";
}

BuildInfo build_info() {
  return {NORMSCOPE_VERSION,
          NORMSCOPE_COMMIT,
          __VERSION__,
          f32::kernels::onednn_version(),
          f32::kernels::openblas_core(),
          hdf5_version(),
          f32::kernels::isa_name()};
}

}  // namespace normscope
