// A study's figures: each arm against epoch, and paired ratios and differences with their intervals.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "study/arms.h"
#include "study/curves.h"
#include "study/figures.h"

namespace normscope {
namespace {

constexpr std::size_t kFewEpochs = 3, kStepBins = 60, kLossBins = 80;

/// The runs of an arm that figures show: the finished ones, or whatever there is when none is.
struct ArmRuns {
  Arm arm;
  std::string label;
  std::map<std::uint64_t, const RunData*> by_seed;
};

std::vector<ArmRuns> arm_runs(const ReportInput& input) {
  std::vector<ArmRuns> out;
  for (const Arm& arm : arms_of(input.study.axes)) {
    ArmRuns entry{arm, arm_label(arm, input.study.axes), {}};
    for (const bool done : {true, false}) {
      for (std::size_t i = 0; i < input.study.runs.size() && i < input.runs.size(); ++i) {
        const StudyRun& run = input.study.runs[i];
        if (run.arm != arm || input.runs[i].step.empty() || (done && run.status != "done")) continue;
        entry.by_seed[run.seed] = &input.runs[i];
      }
      if (!entry.by_seed.empty()) break;
    }
    if (!entry.by_seed.empty()) out.push_back(std::move(entry));
  }
  return out;
}

std::vector<RunGroup> groups_of(const std::vector<ArmRuns>& arms) {
  std::vector<RunGroup> groups;
  for (const ArmRuns& arm : arms) {
    groups.push_back({arm.label, {}});
    for (const auto& [seed, run] : arm.by_seed) groups.back().runs.push_back(run);
  }
  return groups;
}

/// Which arms are compared: the first axis that has two values, at each combination of the others.
struct Pairing {
  std::vector<std::pair<std::size_t, std::size_t>> arms;  ///< a, b
  std::string base;                                       ///< what a is called
};

Pairing pairing_of(const ReportInput& input, const std::vector<ArmRuns>& arms) {
  Pairing out;
  for (const auto& [key, values] : input.study.axes) {
    if (values.size() < 2) continue;
    for (const ArmPair& pair : arm_pairs(input.study.axes)) {
      if (pair.axis != key) continue;
      const auto find = [&](const Arm& arm) {
        return static_cast<std::size_t>(
            std::find_if(arms.begin(), arms.end(), [&](const ArmRuns& r) { return r.arm == arm; }) - arms.begin());
      };
      const std::size_t a = find(pair.a), b = find(pair.b);
      if (a < arms.size() && b < arms.size()) out.arms.emplace_back(a, b);
    }
    out.base = key == "norm" ? norm_label(values.front()) : key == "run" ? values.front() : key + " " + values.front();
    break;
  }
  return out;
}

using CurveOf = std::function<Curve(const RunData&)>;

std::vector<Curve> curves_of(const ArmRuns& arm, const CurveOf& curve) {
  std::vector<Curve> out;
  for (const auto& [seed, run] : arm.by_seed) out.push_back(curve(*run));
  return out;
}

Bundle paired_of(const ArmRuns& a, const ArmRuns& b, const CurveOf& curve, bool ratio) {
  std::vector<Curve> first, second;
  for (const auto& [seed, run] : a.by_seed) {
    const auto other = b.by_seed.find(seed);
    if (other == b.by_seed.end()) continue;
    first.push_back(curve(*run));
    second.push_back(curve(*other->second));
  }
  return paired(first, second, ratio);
}

/// Few points are told apart by standing side by side.
void dodge(Series* series, std::size_t index, std::size_t count) {
  series->bars = series->points = true;
  for (double& x : series->x) x += (static_cast<double>(index) - (static_cast<double>(count) - 1) / 2) * 0.08;
}

struct Look {
  bool few = false;  ///< few points: bars side by side
  std::string xlabel, note;
  bool ratio = true;
};

Panel arms_panel(const std::vector<ArmRuns>& arms, const CurveOf& curve, const Look& look) {
  Panel panel;
  panel.xlabel = look.xlabel;
  std::size_t seeds = 0;
  double low = INFINITY, high = 0;
  for (std::size_t a = 0; a < arms.size(); ++a) {
    const Ink ink = arm_ink(a);
    const Bundle mean = bundle(curves_of(arms[a], curve), Band::range);
    Series series{ink.color, ink.dash, mean.x, mean.mean, {}, {}};
    if (mean.count > 1) series.low = mean.low, series.high = mean.high;
    if (look.few) dodge(&series, a, arms.size());
    panel.series.push_back(series);
    seeds = std::max(seeds, mean.count);
    for (double y : mean.mean) {
      if (y > 0) low = std::min(low, y), high = std::max(high, y);
    }
  }
  panel.log_y = high > 20 * low;
  panel.zero_y = !panel.log_y;
  panel.clip_bands = false;
  panel.note =
      seeds > 1 ? fmt::format("{}: smallest to largest of {} seeds", look.few ? "bar" : "band", seeds) : "one seed";
  if (!look.note.empty()) panel.note += "; " + look.note;
  return panel;
}

Panel pairs_panel(const std::vector<ArmRuns>& arms, const Pairing& pairing, const CurveOf& curve, const Look& look) {
  Panel panel;
  panel.xlabel = look.xlabel;
  panel.line_at = look.ratio ? 1 : 0;
  std::size_t pairs = 0;
  for (std::size_t i = 0; i < pairing.arms.size(); ++i) {
    const auto [a, b] = pairing.arms[i];
    Ink ink = arm_ink(b);
    if (pairing.arms.size() == 1) ink = {kGreen, 1};  // the house's colour of a single ratio
    const Bundle result = paired_of(arms[a], arms[b], curve, look.ratio);
    Series series{ink.color, ink.dash, result.x, result.mean, {}, {}};
    if (result.count > 1) series.low = result.low, series.high = result.high;
    if (look.few) dodge(&series, i, pairing.arms.size());
    panel.series.push_back(series);
    pairs = std::max(pairs, result.count);
  }
  panel.note = pairs > 1 ? fmt::format("paired over {} seeds; {}: 95 % interval", pairs, look.few ? "bar" : "band")
                         : "one pair, no interval";
  return panel;
}

std::vector<LegendEntry> legend_of(const std::vector<ArmRuns>& arms) {
  std::vector<LegendEntry> out;
  for (std::size_t a = 0; a < arms.size(); ++a) {
    const Ink ink = arm_ink(a);
    out.push_back({gp_text(arms[a].label), ink.color, ink.dash, arms[a].by_seed.size() > 1});
  }
  return out;
}

std::string pair_title(const std::vector<ArmRuns>& arms, const Pairing& pairing, const char* sign) {
  if (pairing.arms.size() != 1)
    return sign == std::string("/") ? "Ratio to " + gp_text(pairing.base) : "difference from " + gp_text(pairing.base);
  const auto [a, b] = pairing.arms.front();
  return gp_text(arms[b].label) + " " + sign + " " + gp_text(arms[a].label);
}

/// A panel of arms and, when there are pairs, one of what the pairs say.
CurveFigure two_panels(const std::vector<ArmRuns>& arms, const Pairing& pairing, const CurveOf& curve, const Look& look,
                       const std::string& title, const std::string& ylabel) {
  CurveFigure figure;
  figure.legend = legend_of(arms);
  figure.panels.push_back(arms_panel(arms, curve, look));
  figure.panels.back().title = title;
  figure.panels.back().ylabel = ylabel;
  if (!pairing.arms.empty()) {
    figure.panels.push_back(pairs_panel(arms, pairing, curve, look));
    figure.panels.back().title = pair_title(arms, pairing, look.ratio ? "/" : "−");
    figure.panels.back().ylabel = look.ratio ? "ratio" : "difference in nats";
  }
  return figure;
}

FigureItem loss_figure(const std::vector<ArmRuns>& arms, const Pairing& pairing) {
  const CurveOf loss = [](const RunData& run) {
    return binned(run, kLossBins, [&](std::size_t i) { return run.loss[i]; });
  };
  Look look{false, "step", "", false};
  CurveFigure figure = two_panels(arms, pairing, loss, look, "Loss", "nats a token");
  figure.name = "loss";
  Panel& panel = figure.panels.front();
  panel.zero_y = panel.log_y = false;
  panel.clip_bands = true;
  for (std::size_t a = 0; a < arms.size(); ++a) {
    const Bundle points = bundle(curves_of(arms[a],
                                           [](const RunData& run) {
                                             Curve curve;
                                             for (const EvalRow& row : run.evals) {
                                               curve.x.push_back(static_cast<double>(row.step));
                                               curve.y.push_back(row.val_loss);
                                             }
                                             return curve;
                                           }),
                                 Band::range);
    Series series{arm_ink(a).color, 1, points.x, points.mean, {}, {}};
    series.points = true;
    series.line = false;
    panel.series.push_back(series);
  }
  panel.note = "line: training; dots: validation";
  const double floor = entropy_rate(*arms.front().by_seed.begin()->second);
  if (std::isfinite(floor)) {
    panel.line_at = floor;
    panel.line_label = "entropy rate of the data";
  }
  if (figure.panels.size() > 1) figure.panels[1].title = "Training loss: " + figure.panels[1].title;
  return {figure, "Loss",
          "Training loss averaged in bins of steps and over seeds, validation loss as dots (the last one exact, over "
          "the whole "
          "split). The paired difference is taken batch by batch: both arms saw the same batches."};
}

}  // namespace

std::vector<FigureItem> study_figures(const ReportInput& input) {
  std::vector<FigureItem> items;
  const std::vector<ArmRuns> arms = arm_runs(input);
  if (arms.empty()) return items;
  const Pairing pairing = pairing_of(input, arms);
  const RunData& model = *arms.front().by_seed.begin()->second;
  std::int64_t epochs = 0;
  for (const EpochRow& row : model.epochs) epochs = std::max(epochs, row.epoch);

  const char* quantity = "‖∂L/∂W‖, mean over matrices";
  if (epochs > 0) {
    Look look{epochs <= static_cast<std::int64_t>(kFewEpochs), gp_text(epoch_label(model)),
              unfinished_epoch(model) ? fmt::format("epoch {} unfinished", epochs) : "", true};
    CurveFigure figure =
        two_panels(arms, pairing, epoch_curve, look, "Mean gradient norm of the weight matrices", quantity);
    figure.name = "gradient_norm";
    for (Panel& panel : figure.panels) panel.integer_x = true;
    items.push_back(
        {figure, "Gradient norm",
         fmt::format(
             "Left: the epoch's mean of the L2 norm of each weight matrix's gradient before clipping, averaged over "
             "the blocks' matrices. Right: the ratio within each seed, geometric mean{}.",
             unfinished_epoch(model) ? "; the last epoch has not all its steps" : "")});
  }
  if (epochs <= 3) {  // few epochs hide what happens inside them
    const CurveOf steps = [](const RunData& run) {
      return binned(run, kStepBins, [&](std::size_t i) { return matrix_norm_mean(run, i); });
    };
    CurveFigure figure =
        two_panels(arms, pairing, steps, {false, "step", "", true}, "Mean gradient norm by step", quantity);
    figure.name = "gradient_norm_steps";
    items.push_back({figure, "Gradient norm", "The same, step by step in bins."});
  }
  const std::vector<RunGroup> groups = groups_of(arms);
  for (FigureItem& item : map_figures(groups)) items.push_back(std::move(item));
  for (FigureItem& item : depth_figures(groups)) items.push_back(std::move(item));
  for (FigureItem& item : statistic_figures(groups)) items.push_back(std::move(item));
  items.push_back(loss_figure(arms, pairing));
  return items;
}

std::vector<RunGroup> run_groups(const ReportInput& input) {
  if (!input.study.axes.empty()) return groups_of(arm_runs(input));
  if (input.runs.empty() || input.runs.front().step.empty()) return {};
  return {{"", {&input.runs.front()}}};
}

std::string epoch_label(const RunData& run) { return run.epoch_label.empty() ? "epoch" : run.epoch_label; }

bool unfinished_epoch(const RunData& run) { return !run.epochs.empty() && !run.epochs.back().complete; }

double entropy_rate(const RunData& run) {
  const auto found = run.attributes.find("entropy_rate");
  if (found == run.attributes.end()) return kNaN;
  char* end = nullptr;
  const double value = std::strtod(found->second.c_str(), &end);
  return end == found->second.c_str() ? kNaN : value;
}

}  // namespace normscope
