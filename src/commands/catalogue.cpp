#include "commands/commands.h"
#include <normscope/norms/norm.h>
#include <normscope/models/model.h>
#include <normscope/nn/init.h>
#include <normscope/nn/placement.h>
#include "stats/statistic.h"

#include "config/options.h"

namespace normscope {

std::vector<NormInfo> norm_catalogue() {
  std::vector<NormInfo> infos;
  for (const NormEntry& e : norm_table()) {
    NormInfo info{.name = e.name,
                  .label = e.label,
                  .formula = e.formula,
                  .parameters = parameters_text(e),
                  .reference = e.reference,
                  .over = e.over == Over::rows       ? "rows"
                          : e.over == Over::channels ? "channels"
                          : e.over == Over::batch    ? "batch"
                                                     : "weights",
                  .detached = e.detached,
                  .options = {},
                  .variants = e.variants};
    for (const NormOption& o : e.options)
      info.options.push_back({o.name, range_text(o), default_text(o), o.documentation});
    infos.push_back(std::move(info));
  }
  return infos;
}

void check_model(const Config& config) {
  Engine dry({.threads = 1, .dry = true});
  make_model(dry, model_options(config, assumed_shape(config)), 0);
}

std::vector<PlacementInfo> placement_catalogue() {
  std::vector<PlacementInfo> infos;
  for (const PlacementEntry& e : placement_table()) infos.push_back({e.name, e.formula, e.reference});
  return infos;
}

std::vector<ChoiceTable> choice_tables() {
  ChoiceTable models{"MODELS", "Models", {}}, norms{"NORMS", "Norms", {}}, placements{"PLACEMENTS", "Placements", {}},
      inits{"INITS", "Initial values", {}};
  for (const ModelEntry& e : model_table()) models.rows.emplace_back(e.name, e.summary);
  for (const NormEntry& e : norm_table()) norms.rows.emplace_back(e.name, e.label);
  for (const PlacementEntry& e : placement_table()) placements.rows.emplace_back(e.name, e.formula);
  for (const InitEntry& e : init_table()) inits.rows.emplace_back(e.name, e.formula);
  return {models, norms, placements, inits};
}

void check_statistics(const Config& config) { select_statistics(config); }

}  // namespace normscope
