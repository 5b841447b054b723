// Layer-by-epoch maps and depth profiles, for single runs and for the arms of a study.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "run/divergence.h"
#include "study/curves.h"
#include "study/figures.h"

namespace normscope {
namespace {

constexpr std::size_t kLeastEpochs = 3, kBins = 40, kMostRows = 40;

/// Averages over the seeds of [row][column], in the log: the colours are logarithms.
using Map = std::vector<std::vector<double>>;
Map log_mean(const std::vector<Map>& maps) {
  Map out;
  for (const Map& map : maps) {
    if (map.size() > out.size()) out.resize(map.size());
    for (std::size_t r = 0; r < map.size(); ++r) out[r].resize(std::max(out[r].size(), map[r].size()), 0);
  }
  for (std::size_t r = 0; r < out.size(); ++r) {
    for (std::size_t c = 0; c < out[r].size(); ++c) {
      double sum = 0, n = 0;
      for (const Map& map : maps) {
        if (r >= map.size() || c >= map[r].size() || !(map[r][c] > 0)) continue;
        sum += std::log10(map[r][c]);
        n += 1;
      }
      out[r][c] = n > 0 ? sum / n : kNaN;
    }
  }
  return out;
}

struct RowPlan {
  std::vector<std::string> names;
  std::vector<std::string> paths;    ///< one for each row
  std::vector<std::int64_t> blocks;  ///< the same by block when there are too many matrices
  bool by_block = false;
};

RowPlan weight_rows(const RunData& run) {
  RowPlan plan;
  std::int64_t last = -1;
  for (const ParamInfo& param : run.params) {
    if (!param.is_block_matrix()) continue;
    plan.names.push_back(short_name(param.name));
    plan.paths.push_back(param.name);
    last = std::max(last, param.block);
  }
  if (plan.names.size() <= kMostRows) return plan;
  plan.by_block = true;
  plan.names.clear();
  for (std::int64_t b = 0; b <= last; ++b) {
    plan.names.push_back(std::to_string(b));
    plan.blocks.push_back(b);
  }
  return plan;
}

Map weight_map(const RunData& run, const RowPlan& plan, const Columns& columns) {
  Map out;
  for (std::size_t row = 0; row < plan.names.size(); ++row) {
    std::vector<std::size_t> members;
    for (std::size_t p = 0; p < run.params.size(); ++p) {
      const ParamInfo& param = run.params[p];
      const bool in =
          plan.by_block ? param.is_block_matrix() && param.block == plan.blocks[row] : param.name == plan.paths[row];
      if (in) members.push_back(p);
    }
    const Map rows = map_of(run.column("grad/norm"), members, columns);
    std::vector<double> mean(columns.count, members.empty() ? kNaN : 0);
    for (const auto& values : rows) {
      for (std::size_t c = 0; c < columns.count; ++c) mean[c] += values[c] / static_cast<double>(members.size());
    }
    out.push_back(mean);
  }
  return out;
}

}  // namespace

const RunData* model_of(const std::vector<RunGroup>& groups) {
  const RunData* best = nullptr;
  for (const RunGroup& group : groups) {
    for (const RunData* run : group.runs) {
      const auto size = [](const RunData& r) { return std::pair(r.params.size(), r.step.size()); };
      if (!best || size(*run) > size(*best)) best = run;
    }
  }
  return best;
}

Columns columns_in(const RunData& run, Columns frame) {
  frame.of_step.resize(run.step.size());
  const double edge = frame.first - frame.width / 2;
  for (std::size_t i = 0; i < run.step.size(); ++i) {
    const double column = frame.epochs ? static_cast<double>(run.epoch[i] - 1)
                                       : std::floor((static_cast<double>(run.step[i]) - edge) / frame.width);
    frame.of_step[i] = static_cast<std::size_t>(
        std::clamp(column, 0.0, static_cast<double>(std::max<std::size_t>(frame.count, 1) - 1)));
  }
  return frame;
}

Columns map_columns(const RunData& run) { return columns_of(run, kLeastEpochs, kBins); }

std::string short_name(const std::string& path) {
  std::string text = path.rfind("blocks.", 0) == 0 ? path.substr(7) : path;
  if (text.size() > 7 && text.compare(text.size() - 7, 7, ".weight") == 0) text.resize(text.size() - 7);
  const auto dot = text.find('.');
  if (path.rfind("blocks.", 0) == 0 && dot != std::string::npos) text[dot] = ' ';
  return text;
}

std::vector<std::string> point_labels(const RunData& run) {
  std::int64_t blocks = 0;
  for (const ParamInfo& param : run.params) blocks = std::max(blocks, param.block + 1);
  std::vector<std::string> out;
  for (std::size_t r = 0; r < run.residual.size(); ++r) out.push_back(point_name(r, run.residual.size(), blocks).label);
  return out;
}

std::vector<std::string> row_labels(const RunData& run, Axis axis) {
  if (axis == Axis::points) return point_labels(run);
  std::vector<std::string> out = run.names_of(axis);
  for (std::string& name : out) name = short_name(name);
  return out;
}

std::vector<std::vector<double>> named_map(const RunData& run, const Matrix& matrix,
                                           const std::vector<std::string>& names, const Columns& frame) {
  const Columns columns = columns_in(run, frame);
  std::vector<std::size_t> all(matrix.width);
  for (std::size_t i = 0; i < all.size(); ++i) all[i] = i;
  const auto rows = map_of(matrix, all, columns);
  const std::vector<std::string> own = row_labels(run, matrix.info.axis);
  std::vector<std::vector<double>> out;
  for (const std::string& name : names) {
    const auto at = static_cast<std::size_t>(std::find(own.begin(), own.end(), name) - own.begin());
    out.push_back(at < rows.size() ? rows[at] : std::vector<double>(columns.count, kNaN));
  }
  return out;
}

bool all_diverged(const RunGroup& group) {
  return !group.runs.empty() && std::all_of(group.runs.begin(), group.runs.end(),
                                            [](const RunData* run) { return run->status == "diverged"; });
}

MapFigure map_frame(const RunData& model, const Columns& columns) {
  MapFigure figure;
  figure.x_first = columns.first;
  figure.x_step = columns.width;
  figure.integer_x = columns.epochs;
  figure.xlabel = columns.epochs ? gp_text(epoch_label(model)) : "step";
  return figure;
}

std::vector<FigureItem> map_figures(const std::vector<RunGroup>& groups) {
  std::vector<FigureItem> items;
  const RunData* model = model_of(groups);
  if (!model || model->step.empty()) return items;
  const Columns columns = map_columns(*model);
  const std::string per = columns.epochs ? "epoch" : "step";

  const RowPlan plan = weight_rows(*model);
  if (!plan.names.empty()) {
    MapFigure figure = map_frame(*model, columns);
    figure.name = "weight_map";
    figure.title = "Gradient norm of each weight matrix by layer and " + per;
    figure.ylabel = plan.by_block ? "block" : "";
    figure.cblabel = "log_{10} ‖∂L/∂W‖";
    for (const std::string& name : plan.names) figure.rows.push_back(gp_text(name));
    std::vector<std::vector<Map>> all;
    for (const RunGroup& group : groups) {
      std::vector<Map> maps;
      for (const RunData* run : group.runs) maps.push_back(weight_map(*run, plan, columns_in(*run, columns)));
      if (all_diverged(group)) figure.off_scale.push_back(gp_text(group.label));
      figure.panels.push_back({gp_text(group.label), log_mean(maps)});
      all.push_back(maps);
    }
    items.push_back(
        {figure, "Weight gradients, layer by layer",
         fmt::format("Each cell: the mean over the {}'s steps of the L2 norm of the gradient before clipping{}, first "
                     "block at the bottom. One colour scale for all panels.",
                     columns.epochs ? "epoch" : "bin", plan.by_block ? ", averaged over the block's matrices" : "")});
    add_ratio_map(figure, groups, all, "Weight gradients, layer by layer", "Gradient norm of each weight matrix",
                  &items);
  }
  if (!model->residual.empty()) {
    MapFigure figure = map_frame(*model, columns);
    figure.name = "residual_map";
    figure.title = "Gradient of the residual stream by depth and " + per;
    figure.cblabel = "log_{10} √N ‖∂L/∂x‖";
    const std::vector<std::string> points = point_labels(*model);
    for (const std::string& point : points) figure.rows.push_back(gp_text(point));
    std::vector<std::vector<Map>> all;
    for (const RunGroup& group : groups) {
      std::vector<Map> maps;
      for (const RunData* run : group.runs)
        maps.push_back(named_map(*run, run->column("residual/grad_norm"), points, columns));
      if (all_diverged(group)) figure.off_scale.push_back(gp_text(group.label));
      figure.panels.push_back({gp_text(group.label), log_mean(maps)});
      all.push_back(maps);
    }
    items.push_back(
        {figure, "Residual stream",
         "Each cell: root mean square over tokens of the gradient at that point of the residual stream, from the "
         "embedding at the bottom to the last point at the top."});
    add_ratio_map(figure, groups, all, "Residual stream", "Gradient of the residual stream", &items);
  }
  return items;
}

std::vector<FigureItem> depth_figures(const std::vector<RunGroup>& groups) {
  const RunData* model = model_of(groups);
  if (!model || model->residual.empty() || model->step.empty()) return {};
  CurveFigure figure;
  figure.name = "depth_profile";
  figure.panels.resize(2);
  figure.panels[0].title = "Residual gradient against depth";
  figure.panels[0].ylabel = "√N ‖∂L/∂x‖";
  figure.panels[1].title = "The same times the stream";
  figure.panels[1].ylabel = "‖x‖ ‖∂L/∂x‖";
  const std::vector<std::string> points = point_labels(*model);
  const std::int64_t last = model->epoch.back() - (unfinished_epoch(*model) && model->epoch.back() > 1 ? 1 : 0);
  double low = INFINITY, high = 0;
  for (std::size_t g = 0; g < groups.size(); ++g) {
    const Ink ink = arm_ink(g);
    figure.legend.push_back({gp_text(groups[g].label), ink.color, ink.dash, groups[g].runs.size() > 1});
    for (std::size_t p = 0; p < 2; ++p) {
      std::vector<Curve> curves;
      for (const RunData* run : groups[g].runs) {
        const Matrix& values = run->column(p == 0 ? "residual/grad_norm" : "residual/grad_times_x");
        const std::vector<std::string> own = point_labels(*run);
        Curve curve;
        for (std::size_t place = 0; place < points.size(); ++place) {  // a point stands where the largest model has it
          const auto r = static_cast<std::size_t>(std::find(own.begin(), own.end(), points[place]) - own.begin());
          double sum = 0, n = 0;
          for (std::size_t i = 0; r < values.width && i < std::min(run->step.size(), values.rows()); ++i) {
            const double value = values.row(i)[r];
            if (run->epoch[i] != last || !std::isfinite(value)) continue;
            sum += value;
            n += 1;
          }
          curve.x.push_back(static_cast<double>(place));
          curve.y.push_back(n > 0 ? sum / n : kNaN);
          if (p == 0 && n > 0) low = std::min(low, curve.y.back()), high = std::max(high, curve.y.back());
        }
        curves.push_back(curve);
      }
      const Bundle seeds = bundle(curves, Band::range);
      Series series{ink.color, ink.dash, seeds.x, seeds.mean, {}, {}};
      if (seeds.count > 1) series.low = seeds.low, series.high = seeds.high;
      series.points = true;
      figure.panels[p].series.push_back(series);
    }
  }
  for (Panel& panel : figure.panels) {
    for (const std::string& point : points) panel.x_names.push_back(gp_text(point));
    panel.note = fmt::format("mean over {} {}", epoch_label(*model), last);
    panel.integer_x = true;
    panel.zero_y = !(high > 20 * low);
    panel.log_y = high > 20 * low && low > 0;
  }
  return {{figure, "Residual stream",
           "Left: the size of the gradient at each point. Right: the gradient times the size of the stream itself. The "
           "product does not change when the stream is rescaled; use it to compare placements that let the stream grow "
           "with those that do not."}};
}

}  // namespace normscope
