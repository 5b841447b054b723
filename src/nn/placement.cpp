#include <normscope/nn/placement.h>

#include <algorithm>
#include <cctype>

#include "core/choices.h"
#include "nn/placement_formula.h"

NORMSCOPE_BEGIN

#define FORMULA(...)
#define PLACEMENT(name) PlacementEntry placement_##name();
#include "nn/placements.def"
#undef PLACEMENT
#undef FORMULA

const std::vector<PlacementEntry>& placement_table() {
  static const std::vector<PlacementEntry> table{
#define FORMULA(name_, formula_, reference_, ...) \
  formula_entry({.name = #name_, .formula = formula_, .reference = reference_ __VA_OPT__(, ) __VA_ARGS__}),
#define PLACEMENT(name) placement_##name(),
#include "nn/placements.def"
#undef PLACEMENT
#undef FORMULA
  };
  return table;
}

bool is_formula(const std::string& text) {
  const auto in_a_name = [](unsigned char c) { return std::isalnum(c) || c == '_' || c == '-'; };
  return !std::all_of(text.begin(), text.end(), in_a_name);
}

PlacementEntry placement_entry(const std::string& name) {
  if (const PlacementEntry* entry = find_entry(placement_table(), name)) return *entry;
  if (!is_formula(name))
    throw UsageError("norm_placement = \"" + name + "\" " + unknown_text(name, entry_names(placement_table())) +
                     "; or a formula such as 'x + F(N(x))'");
  try {
    return formula_entry({.name = name, .formula = name, .reference = "a formula"});
  } catch (const UsageError& error) {
    throw UsageError("norm_placement = \"" + name + "\": " + error.what());
  }
}

Variable Stream::sum() const { return pending.defined() ? add(x, pending) : x; }

Stream StreamEnds::begin(const Variable& x) const { return {.x = x}; }

Variable StreamEnds::finish(Stream& stream, const Norm* final_norm, const Pass& pass, Points& points) const {
  if (!final_norm) {
    const Variable x = stream.sum();
    points.observe(x);
    return x;
  }
  const auto [x, y] = stream.pending.defined() ? final_norm->add_forward(stream.x, stream.pending, pass)
                                               : std::pair(stream.x, final_norm->forward(stream.x, pass));
  points.observe(x);
  points.observe(y);
  return y;
}

NORMSCOPE_END
