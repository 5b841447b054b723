#include "machine/machine.h"

#include <cblas.h>
#include <hwy/highway.h>
#include <hwy/targets.h>
#include <oneapi/dnnl/dnnl.h>

#include <cstdint>
#include <fstream>

namespace normscope::machine {

namespace {
std::vector<std::int64_t> isas() {  // the lowest bit is the best
  std::vector<std::int64_t> bits;
  for (auto left = hwy::SupportedTargets() & HWY_TARGETS; left != 0; left &= left - 1) bits.push_back(left & -left);
  return bits;
}
}  // namespace

std::vector<std::string> isa_names() {
  std::vector<std::string> names;
  for (const std::int64_t bit : isas()) names.emplace_back(hwy::TargetName(bit));
  return names;
}

const char* isa_name() {
  hwy::GetChosenTarget().Update(hwy::SupportedTargets());
  return hwy::TargetName(isas().front());
}

void use_isa(std::size_t k) { hwy::GetChosenTarget().Update(isas().at(k)); }

std::string cpu_model() {
  std::ifstream info("/proc/cpuinfo");
  for (std::string line; std::getline(info, line);)
    if (line.starts_with("model name")) return line.substr(line.find(':') + 2);
  return "unknown";
}

std::string onednn_version() {
  const dnnl_version_t* v = dnnl_version();
  return std::to_string(v->major) + "." + std::to_string(v->minor) + "." + std::to_string(v->patch);
}
bool openblas_spins() { return openblas_get_parallel() == 1; }
const char* openblas_core() { return openblas_get_corename(); }

}  // namespace normscope::machine
