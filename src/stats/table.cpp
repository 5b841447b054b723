#include <algorithm>

#include <normscope/core/error.h>

#include "config/options.h"
#include "core/choices.h"
#include "core/text.h"
#include "stats/statistic.h"

NORMSCOPE_BEGIN

#define STATISTIC(name) StatisticEntry statistic_##name();
#include "stats/statistics.def"
#undef STATISTIC

const std::vector<StatisticEntry>& statistic_table() {
  static const std::vector<StatisticEntry> table{
#define STATISTIC(name) statistic_##name(),
#include "stats/statistics.def"
#undef STATISTIC
  };
  return table;
}

std::vector<const StatisticEntry*> select_statistics(const Config& config) {
  const std::vector<std::string> names = entry_names(statistic_table());
  for (const std::string& glob : config.stats)
    if (std::none_of(names.begin(), names.end(), [&](const std::string& name) { return matches_any({glob}, name); }))
      throw UsageError("stats = " + glob + " (" + config.where("stats") +
                       ") is not a statistic; available: " + join(names, ", ") + nearest_text(glob, names));
  std::vector<const StatisticEntry*> selected;
  for (const StatisticEntry& entry : statistic_table())
    if (entry.always || matches_any(config.stats, entry.name)) selected.push_back(&entry);
  return selected;
}

NORMSCOPE_END
