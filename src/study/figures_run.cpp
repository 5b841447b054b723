// A single run's figures: gradient norm of each group of parameters, loss and learning rate, maps.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "study/curves.h"
#include "study/figures.h"

namespace normscope {
namespace {

constexpr std::size_t kBins = 120;

struct Group {
  const char *role, *label;
};
constexpr Group kGroups[] = {
    {"attention", "attention"}, {"mlp", "MLP"}, {"norm", "norms"}, {"embedding", "embedding"}, {"head", "head"}};

/// Root of the sum of squares over the parameters of a role.
double role_norm(const RunData& run, std::size_t step, const std::string& role) {
  const Matrix& norms = run.column("grad/norm");
  if (step >= norms.rows()) return kNaN;
  double squares = 0;
  bool any = false;
  for (std::size_t p = 0; p < norms.width; ++p) {
    const double value = norms.row(step)[p];
    if (run.params[p].role != role || !std::isfinite(value)) continue;
    squares += value * value;
    any = true;
  }
  return any ? std::sqrt(squares) : kNaN;
}

Series curve_series(const Curve& curve, const std::string& color) { return {color, 1, curve.x, curve.y, {}, {}}; }

FigureItem gradient_figure(const RunData& run) {
  CurveFigure figure;
  figure.name = "gradient_norm";
  figure.panels.resize(2);
  Panel& left = figure.panels[0];
  Panel& right = figure.panels[1];
  double low = INFINITY, high = 0;
  for (std::size_t g = 0; g < std::size(kGroups); ++g) {
    const Curve curve = binned(run, kBins, [&](std::size_t i) { return role_norm(run, i, kGroups[g].role); });
    bool any = false;
    for (double y : curve.y) {
      if (y > 0) low = std::min(low, y), high = std::max(high, y), any = true;
    }
    if (!any) continue;
    figure.legend.push_back({kGroups[g].label, arm_ink(g).color, 1, false});
    left.series.push_back(curve_series(curve, arm_ink(g).color));
  }
  figure.legend.push_back({"all parameters", kInk, 2, false});
  Series all = curve_series(binned(run, kBins, [&](std::size_t i) { return run.grad_norm[i]; }), kInk);
  all.dash = 2;
  for (double y : all.y) {
    if (y > 0) low = std::min(low, y), high = std::max(high, y);
  }
  left.series.push_back(all);
  left.title = "Gradient norm of each group of parameters";
  left.note = "L2 norm before clipping; root of the sum of squares";
  left.xlabel = right.xlabel = "step";
  left.ylabel = "‖∂L/∂W‖";
  left.log_y = high > 20 * low;
  left.zero_y = !left.log_y;
  const Curve epochs = epoch_curve(run);
  const bool by_epoch = epochs.x.size() > 1;
  right.title = "Mean gradient norm of the weight matrices";
  right.note = by_epoch ? "mean over the epoch" : "mean over the bin";
  if (by_epoch && unfinished_epoch(run)) right.note += fmt::format("; epoch {} unfinished", epochs.x.back());
  right.ylabel = "‖∂L/∂W‖, mean over matrices";
  right.xlabel = by_epoch ? gp_text(epoch_label(run)) : "step";
  right.integer_x = by_epoch;
  right.zero_y = true;
  Series mean = by_epoch
                    ? curve_series(epochs, kGreen)
                    : curve_series(binned(run, kBins, [&](std::size_t i) { return matrix_norm_mean(run, i); }), kGreen);
  mean.points = by_epoch;
  right.series.push_back(mean);
  return {figure, "Gradient norm",
          "Left: groups of parameters step by step. Right: the mean over the blocks' weight matrices."};
}

FigureItem loss_figure(const RunData& run) {
  CurveFigure figure;
  figure.name = "loss";
  figure.panels.resize(2);
  Panel& left = figure.panels[0];
  Panel& right = figure.panels[1];
  figure.legend = {{"training", arm_ink(0).color, 1, false}, {"validation", arm_ink(1).color, 1, false}};
  left.series.push_back(curve_series(binned(run, kBins, [&](std::size_t i) { return run.loss[i]; }), arm_ink(0).color));
  Curve points;
  for (const EvalRow& row : run.evals) {
    points.x.push_back(static_cast<double>(row.step));
    points.y.push_back(row.val_loss);
  }
  if (!points.x.empty()) {
    left.series.push_back(curve_series(points, arm_ink(1).color));
    left.series.back().points = true;
  }
  left.title = "Loss";
  left.xlabel = right.xlabel = "step";
  left.ylabel = "nats/token";
  if (const double floor = entropy_rate(run); std::isfinite(floor)) {
    left.line_at = floor;
    left.line_label = "entropy rate of the data";
  }
  right.title = "Learning rate";
  right.ylabel = "learning rate";
  right.zero_y = true;
  right.series.push_back(curve_series(binned(run, 400, [&](std::size_t i) { return run.lr[i]; }), arm_ink(2).color));
  return {figure, "Loss",
          "Training loss averaged in bins of steps; validation loss at each evaluation, the last one exact."};
}

}  // namespace

std::vector<FigureItem> run_figures(const RunData& run) {
  std::vector<FigureItem> items;
  if (run.step.empty()) return items;
  items.push_back(gradient_figure(run));
  const std::vector<RunGroup> groups{{"", {&run}}};
  for (FigureItem& item : map_figures(groups)) items.push_back(std::move(item));
  for (FigureItem& item : depth_figures(groups)) {
    auto& figure = std::get<CurveFigure>(item.figure);
    figure.legend.clear();
    items.push_back(std::move(item));
  }
  for (FigureItem& item : statistic_figures(groups)) items.push_back(std::move(item));
  items.push_back(loss_figure(run));
  return items;
}

}  // namespace normscope
