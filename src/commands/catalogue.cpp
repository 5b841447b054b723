#include "commands/commands.h"
#include <normscope/norms/norm.h>
#include <normscope/nn/placement.h>

namespace normscope {

std::vector<NormInfo> norm_catalogue() {
  std::vector<NormInfo> infos;
  for (const NormEntry& e : norm_table()) infos.push_back({e.name, e.formula, e.parameters, e.reference});
  return infos;
}

std::vector<PlacementInfo> placement_catalogue() {
  std::vector<PlacementInfo> infos;
  for (const PlacementEntry& e : placement_table()) infos.push_back({e.name, e.formula, e.reference});
  return infos;
}

}  // namespace normscope
