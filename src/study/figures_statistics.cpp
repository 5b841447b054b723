// What `stats` added to a run: a map (rows by steps) or a curve for each column, and its last values.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "study/figures.h"
#include "study/html.h"
#include "study/report_parts.h"

namespace normscope {
namespace {

constexpr const char* kHeading = "Further statistics";
constexpr std::size_t kBins = 120, kMostTableRows = 200;

/// The added columns of all groups, each once.
std::vector<ColumnInfo> added_columns(const std::vector<RunGroup>& groups) {
  std::vector<ColumnInfo> found;
  for (const RunGroup& group : groups)
    for (const RunData* run : group.runs)
      for (const Matrix& matrix : run->columns) {
        const auto same = [&](const ColumnInfo& info) { return info.name == matrix.info.name; };
        if (matrix.info.is_added() && std::none_of(found.begin(), found.end(), same)) found.push_back(matrix.info);
      }
  return found;
}

/// Null where a run was made without it.
const Matrix* find_column(const RunData& run, const std::string& name) {
  for (const Matrix& matrix : run.columns)
    if (matrix.info.name == name) return &matrix;
  return nullptr;
}

/// The row names of the largest run that has the column.
std::vector<std::string> names_in(const std::vector<RunGroup>& groups, const ColumnInfo& info) {
  std::vector<std::string> most;
  for (const RunGroup& group : groups)
    for (const RunData* run : group.runs) {
      if (!find_column(*run, info.name)) continue;
      std::vector<std::string> names = row_labels(*run, info.axis);
      if (names.size() > most.size()) most = std::move(names);
    }
  return most;
}

std::string axis_label(const ColumnInfo& info) { return info.name + (info.unit == "1" ? "" : " (" + info.unit + ")"); }

std::string file_name(const ColumnInfo& info) {
  std::string name = "stats_" + info.name;
  std::replace(name.begin(), name.end(), '/', '_');
  return name;
}

/// Mean over runs, cell by cell, of what is finite.
std::vector<std::vector<double>> mean_of(const std::vector<std::vector<std::vector<double>>>& maps) {
  std::vector<std::vector<double>> out;
  for (const auto& map : maps) {
    out.resize(std::max(out.size(), map.size()));
    for (std::size_t r = 0; r < map.size(); ++r) out[r].resize(std::max(out[r].size(), map[r].size()), kNaN);
  }
  for (std::size_t r = 0; r < out.size(); ++r)
    for (std::size_t c = 0; c < out[r].size(); ++c) {
      double sum = 0, n = 0;
      for (const auto& map : maps) {
        if (r >= map.size() || c >= map[r].size() || !std::isfinite(map[r][c])) continue;
        sum += map[r][c];
        n += 1;
      }
      if (n > 0) out[r][c] = sum / n;
    }
  return out;
}

/// Positive numbers over more than two decades are shown as logarithms.
bool take_logarithms(MapFigure* figure) {
  double low = INFINITY, high = 0;
  for (const MapPanel& panel : figure->panels)
    for (const auto& row : panel.z)
      for (const double value : row) {
        if (!std::isfinite(value)) continue;
        low = std::min(low, value);
        high = std::max(high, value);
      }
  if (!(low > 0 && high > 100 * low)) return false;
  for (MapPanel& panel : figure->panels)
    for (auto& row : panel.z)
      for (double& value : row) value = std::log10(value);
  return true;
}

FigureItem map_item(const std::vector<RunGroup>& groups, const ColumnInfo& info) {
  const RunData& model = *model_of(groups);
  MapFigure figure = map_frame(model, map_columns(model));
  figure.name = file_name(info);
  figure.title = gp_text(info.long_name);
  const std::vector<std::string> names = names_in(groups, info);
  for (const std::string& name : names) figure.rows.push_back(gp_text(name));
  for (const RunGroup& group : groups) {
    std::vector<std::vector<std::vector<double>>> maps;
    for (const RunData* run : group.runs)
      if (const Matrix* matrix = find_column(*run, info.name))
        maps.push_back(named_map(*run, *matrix, names, map_columns(model)));
    if (all_diverged(group)) figure.off_scale.push_back(gp_text(group.label));
    figure.panels.push_back({gp_text(group.label), mean_of(maps)});
  }
  const bool logarithms = take_logarithms(&figure);
  figure.cblabel = (logarithms ? "log_{10} " : "") + gp_text(axis_label(info));
  return {figure, kHeading,
          fmt::format("{}: {}. Each cell is the mean over the {}'s steps{}.", info.name, info.long_name,
                      map_columns(model).epochs ? "epoch" : "bin", info.stage.empty() ? "" : ", " + info.stage)};
}

FigureItem curve_item(const std::vector<RunGroup>& groups, const ColumnInfo& info) {
  CurveFigure figure;
  figure.name = file_name(info);
  Panel panel;
  panel.title = gp_text(info.long_name);
  panel.xlabel = "step";
  panel.ylabel = gp_text(axis_label(info));
  for (std::size_t g = 0; g < groups.size(); ++g) {
    std::vector<Curve> curves;
    for (const RunData* run : groups[g].runs)
      if (const Matrix* matrix = find_column(*run, info.name))
        curves.push_back(binned(*run, kBins, [&](std::size_t i) { return matrix->row(i)[0]; }));
    const Bundle seeds = bundle(curves, Band::range);
    const Ink ink = arm_ink(g);
    Series series{ink.color, ink.dash, seeds.x, seeds.mean, {}, {}};
    if (seeds.count > 1) series.low = seeds.low, series.high = seeds.high;
    panel.series.push_back(series);
    if (!groups[g].label.empty())
      figure.legend.push_back({gp_text(groups[g].label), ink.color, ink.dash, seeds.count > 1});
  }
  figure.panels.push_back(panel);
  return {figure, kHeading, fmt::format("{}: {}, mean of each bin of steps.", info.name, info.long_name)};
}

/// The newest number that was measured for `name`.
double last_value(const RunData& run, const Matrix& matrix, const std::string& name) {
  const std::vector<std::string> own = row_labels(run, matrix.info.axis);
  const auto at = static_cast<std::size_t>(std::find(own.begin(), own.end(), name) - own.begin());
  for (std::size_t row = matrix.rows(); at < matrix.width && row-- > 0;)
    if (std::isfinite(matrix.row(row)[at])) return matrix.row(row)[at];
  return kNaN;
}

std::string last_values_table(const std::vector<RunGroup>& groups, const ColumnInfo& info) {
  std::vector<std::string> head{info.axis == Axis::one ? "quantity" : name_of(info.axis)};
  for (const RunGroup& group : groups) head.push_back(group.label.empty() ? "last value" : html_text(group.label));
  std::vector<std::vector<std::string>> rows;
  const std::vector<std::string> names = names_in(groups, info);
  for (const std::string& name : names) {
    if (rows.size() == kMostTableRows) break;
    std::vector<std::string> row{html_text(info.axis == Axis::one ? info.name : name)};
    for (const RunGroup& group : groups) {
      std::vector<double> values;
      for (const RunData* run : group.runs)
        if (const Matrix* matrix = find_column(*run, info.name)) values.push_back(last_value(*run, *matrix, name));
      const Interval mean = mean_interval(values);
      row.push_back(mean.n == 0 ? "–" : fmt::format("{:.4g}", mean.mean));
    }
    rows.push_back(row);
  }
  std::string table = html_table(head, rows);
  if (names.size() > rows.size())
    table += fmt::format("<p class=\"muted small\">The first {} of {} rows; the run file has all.</p>\n", rows.size(),
                         names.size());
  return html_details(fmt::format("{}: last values", info.name), table);
}

}  // namespace

std::vector<FigureItem> statistic_figures(const std::vector<RunGroup>& groups) {
  std::vector<FigureItem> items;
  for (const ColumnInfo& info : added_columns(groups))
    items.push_back(info.axis == Axis::one ? curve_item(groups, info) : map_item(groups, info));
  return items;
}

std::string statistics_html(const ReportInput& input) {
  const std::vector<RunGroup> groups = run_groups(input);
  std::string out;
  for (const ColumnInfo& info : added_columns(groups)) out += last_values_table(groups, info);
  if (out.empty()) return out;
  return std::string("<h2>") + kHeading + ", last values</h2>\n" + out;
}

}  // namespace normscope
