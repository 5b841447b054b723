// Loss against learning rate.
#include <fmt/format.h>

#include "study/figures.h"
#include "study/sweep.h"

namespace normscope {

std::vector<FigureItem> sweep_figures(const Study& study) {
  const std::vector<SweepLine> lines = sweep_lines(study);
  if (lines.empty()) return {};
  CurveFigure figure;
  figure.name = "learning_rate";
  Panel panel;
  panel.title = "Final validation loss against learning rate";
  panel.xlabel = "learning rate";
  panel.ylabel = "nats/token";
  panel.log_x = true;
  panel.clip_bands = false;
  double low = INFINITY, high = 0;
  bool diverged = false, several = false;
  std::vector<Series> crosses;
  for (std::size_t l = 0; l < lines.size(); ++l) {
    const Ink ink = arm_ink(l);
    Series series{ink.color, ink.dash, {}, {}, {}, {}}, cross = series;
    series.points = series.bars = true;
    cross.crosses = true;
    for (const SweepPoint& point : lines[l].points) {
      if (point.diverged > 0) {
        cross.x.push_back(point.rate);
        cross.y.push_back(static_cast<double>(l));
      }
      if (point.loss.n == 0 || !(point.rate > 0)) continue;
      series.x.push_back(point.rate);
      series.y.push_back(point.loss.mean);
      series.low.push_back(point.low);
      series.high.push_back(point.high);
      low = std::min(low, point.low);
      high = std::max(high, point.high);
      several = several || point.loss.n > 1;
    }
    if (!lines[l].label.empty()) figure.legend.push_back({gp_text(lines[l].label), ink.color, ink.dash, false});
    panel.series.push_back(series);
    diverged = diverged || !cross.x.empty();
    crosses.push_back(cross);
  }
  for (Series& cross : crosses)
    if (!cross.x.empty()) panel.series.push_back(cross);
  if (diverged) figure.legend.push_back({"at least one run diverged", kMuted, 1, false, true});
  panel.log_y = high > 4 * low;
  panel.note = several ? "point: mean over the seeds that finished; bar: smallest to largest" : "one seed";
  figure.panels = {panel};
  return {
      {figure, "Learning rate",
       std::string("The exact validation loss at the end of training.") +
           (diverged ? " A cross at the top marks a rate at which at least one run diverged; each line has a row of "
                       "crosses of its own, in its colour."
                     : "")}};
}

}  // namespace normscope
