#include <algorithm>

#include <normscope/norms/norm.h>
#include <normscope/ops/ops.h>

#include "core/text.h"

NORMSCOPE_BEGIN

#define NORM(name) NormEntry norm_##name();
#include "norms/norms.def"
#undef NORM

const std::vector<NormEntry>& norm_table() {
  static const std::vector<NormEntry> table{
#define NORM(name) norm_##name(),
#include "norms/norms.def"
#undef NORM
  };
  return table;
}

std::unique_ptr<Norm> make_norm(const Scope& scope, const NormSpec& spec, std::int64_t width) {
  const auto& table = norm_table();
  const auto entry = std::find_if(table.begin(), table.end(), [&](const NormEntry& e) { return e.name == spec.name; });
  if (entry == table.end()) {
    std::vector<std::string> names;
    for (const NormEntry& e : table) names.push_back(e.name);
    throw UsageError("norm \"" + spec.name + "\" is unknown; allowed: " + join(names, ", ") + "; the nearest is " +
                     nearest_word(spec.name, names));
  }
  for (const auto& [key, value] : spec.options)
    if (std::find(entry->options.begin(), entry->options.end(), key) == entry->options.end()) {
      std::string names = "eps, bias, affine";
      for (const std::string& option : entry->options) names += ", " + option;
      throw UsageError("norm \"" + spec.name + "\" has no option \"" + key + "\"; it takes: " + names);
    }
  return entry->make(scope, spec, width);
}

std::pair<Variable, Variable> Norm::add_forward(const Variable& x, const Variable& f, const Pass& pass) const {
  const Variable h = add(x, f);
  return {h, forward(h, pass)};
}

NORMSCOPE_END
