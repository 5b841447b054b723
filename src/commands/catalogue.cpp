#include "commands/commands.h"
#include <normscope/norms/norm.h>
#include <normscope/nn/placement.h>
#include "stats/statistic.h"

namespace normscope {

std::vector<NormInfo> norm_catalogue() {
  std::vector<NormInfo> infos;
  for (const NormEntry& e : norm_table()) infos.push_back({e.name, e.formula, e.parameters, e.reference});
  return infos;
}

std::vector<std::string> placement_names() {
  std::vector<std::string> names;
  for (const PlacementEntry& e : placement_table()) names.push_back(e.name);
  return names;
}

void check_statistics(const Config& config) { select_statistics(config); }

}  // namespace normscope
