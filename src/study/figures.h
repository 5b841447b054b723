#pragma once
// The figures of a report, as values.
#include "study/report.h"

#include <variant>
#include <vector>

#include "study/curves.h"
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
  std::vector<std::uint64_t> seeds{};  ///< of each run
  std::size_t base = 0;                ///< the group that it is compared with; its own number: none
  std::string base_label{};            ///< what the base is called beside it
};
std::vector<FigureItem> map_figures(const std::vector<RunGroup>& groups);
/// Residual gradient against depth, and its product with the stream, over the last epoch.
std::vector<FigureItem> depth_figures(const std::vector<RunGroup>& groups);

/// What `stats` added: a map for each, or a curve where it has one number a step.
std::vector<FigureItem> statistic_figures(const std::vector<RunGroup>& groups);
/// The runs that figures show, by arm; one group without a label for a single run.
std::vector<RunGroup> run_groups(const ReportInput& input);

/// What the maps share: the run with the most parameters and steps, axis and columns of steps, "3 attn.q" for
/// blocks.3.attn.q.weight.
/// A run's map with its rows in the order of the labels `names` and the columns of `frame`, NaN where it lacks one.
std::vector<std::vector<double>> named_map(const RunData& run, const Matrix& matrix,
                                           const std::vector<std::string>& names, const Columns& frame);
/// True when every run of the group diverged: such a panel does not set the colour scale.
bool all_diverged(const RunGroup& group);
const RunData* model_of(const std::vector<RunGroup>& groups);
MapFigure map_frame(const RunData& model, const Columns& columns);
/// Each group against its base, cell by cell: log2 of the ratio of paired runs, a dot where the 95 % interval over the
/// seeds excludes equality. maps[group][run] are [row][column] as `base` averages them. Nothing is added without a
/// pair.
void add_ratio_map(const MapFigure& base, const std::vector<RunGroup>& groups,
                   const std::vector<std::vector<std::vector<std::vector<double>>>>& maps, const std::string& heading,
                   const std::string& what, std::vector<FigureItem>* items);
/// Columns of all maps: epochs, or 40 bins of steps when there are fewer than three.
Columns map_columns(const RunData& run);
/// The same columns for the steps of another run, which may have ended earlier.
Columns columns_in(const RunData& run, Columns frame);
std::string short_name(const std::string& path);
/// "embedding", "0 attention", "0 mlp", ..., "final norm": the points of the residual stream of this run.
std::vector<std::string> point_labels(const RunData& run);
/// The labels of an axis' rows as figures and tables show them.
std::vector<std::string> row_labels(const RunData& run, Axis axis);

/// Loss against learning rate where it is an axis, diverged runs at the top.
std::vector<FigureItem> sweep_figures(const Study& study);

/// "epoch", or "pseudo-epoch (50 steps)".
std::string epoch_label(const RunData& run);
/// True when the last epoch has not all its steps.
bool unfinished_epoch(const RunData& run);
/// The entropy rate of generated data, NaN for real text.
double entropy_rate(const RunData& run);

}  // namespace normscope
