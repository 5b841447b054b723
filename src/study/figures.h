#pragma once
// The figures of a report, as values.
#include "study/report.h"

#include <variant>
#include <vector>

#include "study/figure.h"

namespace normscope {

/// A figure, the heading it stands under and what it shows, for the page's text.
struct FigureItem {
  std::variant<CurveFigure, MapFigure> figure;
  std::string heading, caption;
};

/// The figure people come for first, then maps, depth profiles and losses.
std::vector<FigureItem> study_figures(const ReportInput& input);
std::vector<FigureItem> run_figures(const RunData& run);

/// Maps shared by both kinds: one panel for each group of runs (its seeds averaged).
struct RunGroup {
  std::string label;  ///< plain text
  std::vector<const RunData*> runs;
};
std::vector<FigureItem> map_figures(const std::vector<RunGroup>& groups);
/// Residual gradient against depth, and its product with the stream, over the last epoch.
std::vector<FigureItem> depth_figures(const std::vector<RunGroup>& groups);

/// "epoch", or "pseudo-epoch (50 steps)".
std::string epoch_label(const RunData& run);
/// True when the last epoch has not all its steps.
bool unfinished_epoch(const RunData& run);
/// The entropy rate of generated data, NaN for real text.
double entropy_rate(const RunData& run);

}  // namespace normscope
