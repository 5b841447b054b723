#include <normscope/nn/placement.h>

#include <cmath>

NORMSCOPE_BEGIN

#define PLACEMENT(name) PlacementEntry placement_##name();
#include "nn/placements.def"
#undef PLACEMENT

const std::vector<PlacementEntry>& placement_table() {
  static const std::vector<PlacementEntry> table{
#define PLACEMENT(name) placement_##name(),
#include "nn/placements.def"
#undef PLACEMENT
  };
  return table;
}

const PlacementEntry& placement_entry(const std::string& name) {
  std::string names;
  for (const PlacementEntry& entry : placement_table()) {
    if (entry.name == name) return entry;
    names += (names.empty() ? "" : ", ") + entry.name;
  }
  throw UsageError("norm_placement = \"" + name + "\" is not there; there are: " + names);
}

double residual_init_factor(const std::string& name, std::int64_t layers) {
  return name == "attn.proj" || name == "mlp.proj" ? 1 / std::sqrt(2.0 * static_cast<double>(layers)) : 1;
}

Variable settle(const Stream& stream) { return stream.pending.defined() ? add(stream.x, stream.pending) : stream.x; }

NORMSCOPE_END
