// Maps of paired ratios, a dot where the interval excludes equality.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "core/decimal_text.h"
#include "study/figures.h"

namespace normscope {
namespace {

using Map = std::vector<std::vector<double>>;

double cell(const Map& map, std::size_t row, std::size_t column) {
  return row < map.size() && column < map[row].size() ? map[row][column] : kNaN;
}

struct RatioPanel {
  MapPanel panel;
  std::size_t cells = 0, marked = 0;  ///< cells with an interval
};

/// Paired over the seeds that both groups have.
RatioPanel ratio_panel(const RunGroup& a, const std::vector<Map>& first, const RunGroup& b,
                       const std::vector<Map>& second) {
  std::vector<std::pair<const Map*, const Map*>> pairs;
  for (std::size_t i = 0; i < a.seeds.size(); ++i)
    for (std::size_t k = 0; k < b.seeds.size(); ++k)
      if (a.seeds[i] == b.seeds[k]) pairs.emplace_back(&first[i], &second[k]);
  RatioPanel out;
  out.panel.title = gp_text(b.label);
  for (std::size_t r = 0; !pairs.empty() && r < pairs.front().second->size(); ++r) {
    std::vector<double> row;
    std::vector<bool> marks;
    for (std::size_t c = 0; c < (*pairs.front().second)[r].size(); ++c) {
      std::vector<double> left, right;
      for (const auto& [x, y] : pairs) left.push_back(cell(*x, r, c)), right.push_back(cell(*y, r, c));
      const Interval ratio = paired_ratio(left, right);
      row.push_back(ratio.n > 0 ? std::log2(ratio.mean) : kNaN);
      marks.push_back(!ratio.includes(1));
      out.cells += ratio.has_interval();
      out.marked += marks.back();
    }
    out.panel.z.push_back(row);
    out.panel.marks.push_back(marks);
  }
  return out;
}

}  // namespace

void add_ratio_map(const MapFigure& base, const std::vector<RunGroup>& groups,
                   const std::vector<std::vector<Map>>& maps, const std::string& heading, const std::string& what,
                   std::vector<FigureItem>* items) {
  MapFigure figure = base;
  figure.name += "_ratio";
  figure.cblabel = "log_2 of the ratio";
  figure.diverging = true;
  figure.panels.clear();
  std::size_t cells = 0, marked = 0;
  std::string to;
  for (std::size_t g = 0; g < groups.size(); ++g) {
    const std::size_t against = groups[g].base;
    if (against == g || against >= groups.size()) continue;
    RatioPanel ratio = ratio_panel(groups[against], maps[against], groups[g], maps[g]);
    if (ratio.panel.z.empty()) continue;
    to = groups[g].base_label;
    cells += ratio.cells, marked += ratio.marked;
    figure.panels.push_back(std::move(ratio.panel));
  }
  if (figure.panels.empty()) return;
  figure.title = what + " relative to " + gp_text(to);
  const std::string dots =
      cells == 0 ? ""
                 : fmt::format(
                       " A dot marks a cell whose 95 % interval over the seeds excludes a ratio of 1: {} of {} "
                       "cells, of which about {} would be marked by chance if nothing differed.",
                       marked, cells, significant_text(0.05 * static_cast<double>(cells), 2));
  items->push_back(
      {figure, heading,
       fmt::format("The same cells divided by those of {}, seed by seed: red is larger, blue smaller, white "
                   "equal; one unit of the scale is a factor of two.{}",
                   to, dots)});
}

}  // namespace normscope
