// A study's figures: each arm against epoch, and paired ratios and differences with their intervals.
#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <cmath>
#include <functional>
#include <iterator>

#include "study/contexts.h"
#include "study/curves.h"
#include "study/figures.h"

namespace normscope {
namespace {

constexpr std::size_t kFewEpochs = 3, kStepBins = 60, kLossBins = 80;

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
  bool one_pair = false;
};

Panel arms_panel(const std::vector<ArmRuns>& arms, const CurveOf& curve, const Look& look) {
  Panel panel;
  panel.xlabel = look.xlabel;
  std::size_t seeds = 0;
  double low = INFINITY, high = 0;
  for (std::size_t a = 0; a < arms.size(); ++a) {
    const Ink ink = arm_ink(arms[a].value);
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

/// The first arm against each other one; no series when its first value has no run.
Panel pairs_panel(const std::vector<ArmRuns>& arms, const CurveOf& curve, const Look& look) {
  Panel panel;
  panel.xlabel = look.xlabel;
  panel.line_at = look.ratio ? 1 : 0;
  std::size_t pairs = 0;
  for (std::size_t i = 1; i < arms.size() && arms.front().value == 0; ++i) {
    Ink ink = arm_ink(arms[i].value);
    if (look.one_pair) ink = {kGreen, 1};  // the house's colour of a single ratio
    const Bundle result = paired_of(arms.front(), arms[i], curve, look.ratio);
    Series series{ink.color, ink.dash, result.x, result.mean, {}, {}};
    if (result.count > 1) series.low = result.low, series.high = result.high;
    if (look.few) dodge(&series, i - 1, arms.size() - 1);
    panel.series.push_back(series);
    pairs = std::max(pairs, result.count);
  }
  double low = 1, high = 1;
  for (const Series& series : panel.series)
    for (double y : series.y)
      if (y > 0) low = std::min(low, y), high = std::max(high, y);
  if (look.ratio) panel.low_limit = 0;
  panel.log_y = look.ratio && (low < 0.2 || high > 5);
  panel.note = pairs > 1 ? fmt::format("paired over {} seeds; {}: 95 % interval", pairs, look.few ? "bar" : "band")
                         : "one pair, no interval";
  return panel;
}

/// The arms of all panels by the first axis.
std::vector<LegendEntry> legend_of(const Study& study, const std::vector<Context>& contexts) {
  std::map<std::size_t, LegendEntry> found;
  for (const Context& context : contexts)
    for (const ArmRuns& one : context.arms) {
      const Ink ink = arm_ink(one.value);
      const std::string key = first_axis(study.axes);
      const std::string label = key.empty() ? one.label : value_label(key, one.arm.at(key));
      LegendEntry& entry = found[one.value];
      entry = {gp_text(label), ink.color, ink.dash, entry.band || one.by_seed.size() > 1};
    }
  std::vector<LegendEntry> out;
  for (const auto& [value, entry] : found) out.push_back(entry);
  return out;
}

/// What a study's curves are drawn from.
struct Plan {
  const Study& study;
  std::vector<Context> contexts;  ///< that have a run to draw
  std::string not_drawn;          ///< a sentence on the others, or empty

  bool multiples() const { return !contexts.front().label.empty(); }
  std::size_t compared() const {
    const std::string key = first_axis(study.axes);
    return key.empty() ? 0 : values_of(study.axes, key).size() - 1;
  }
  std::string base() const {
    const std::string key = first_axis(study.axes);
    return key.empty() ? "" : value_label(key, values_of(study.axes, key).front());
  }
  /// "RMSNorm / LayerNorm", or "ratio to LayerNorm".
  std::string pair_label(bool ratio) const {
    const std::string key = first_axis(study.axes);
    const auto& values = values_of(study.axes, key);
    if (values.size() > 2) return (ratio ? "ratio to " : "difference from ") + gp_text(base());
    return gp_text(value_label(key, values[1])) + (ratio ? " / " : " − ") + gp_text(base());
  }
  /// Columns of a grid: the values of the axis that changes fastest from panel to panel, at most four.
  std::size_t columns() const { return std::min<std::size_t>(4, context_axes(study.axes).front().second.size()); }
};

Plan plan_of(const Study& study, const std::vector<ArmRuns>& arms) {
  Plan plan{study, {}, ""};
  for (const Context& context : contexts_of(study, arms)) {
    if (!context.arms.empty())
      plan.contexts.push_back(context);
    else
      plan.not_drawn += (plan.not_drawn.empty() ? " No run is finished at " : ", ") + context.label;
  }
  if (!plan.not_drawn.empty()) plan.not_drawn += ".";
  return plan;
}

/// One panel for each combination of the axes beside the first, all with one scale.
CurveFigure grid_of(const Plan& plan, const std::function<Panel(const std::vector<ArmRuns>&)>& make) {
  CurveFigure figure;
  figure.columns = plan.columns();
  figure.same_y = true;
  for (const Context& context : plan.contexts) {
    Panel panel = make(context.arms);
    if (panel.series.empty()) continue;
    panel.title = gp_text(context.label);
    panel.note = gp_text(context.missing);
    figure.panels.push_back(std::move(panel));
  }
  figure.columns = std::min(figure.columns, figure.panels.size());
  const bool notes = std::any_of(figure.panels.begin(), figure.panels.end(), [](auto& p) { return !p.note.empty(); });
  for (Panel& panel : figure.panels)
    if (notes && panel.note.empty()) panel.note = " ";  // titles of a row stand at one height
  for (std::size_t p = 0; p < figure.panels.size(); ++p)
    if (p % figure.columns != 0) figure.panels[p].ylabel.clear();  // they share the first one's axis
  for (const Panel& panel : figure.panels)
    if (panel.log_y)
      for (Panel& other : figure.panels) other.log_y = true, other.zero_y = false;
  return figure;
}

struct Texts {
  std::string name, title, ylabel, heading, left, right;  ///< left and right: what the two panels show
};

const char* kRange = " Bands reach from the smallest to the largest seed.";
const char* kInterval = " Bands are 95 % intervals over the paired seeds.";

std::string capital(std::string text) {
  text[0] = static_cast<char>(std::toupper(static_cast<unsigned char>(text[0])));
  return text;
}

/// The arms and, when there are pairs, what the pairs say: two panels, or two grids when other axes vary.
std::vector<FigureItem> two_views(const Plan& plan, const CurveOf& curve, Look look, const Texts& texts,
                                  const std::function<void(Panel*, const std::vector<ArmRuns>&)>& finish) {
  look.one_pair = plan.compared() == 1;
  const std::vector<LegendEntry> legend = legend_of(plan.study, plan.contexts);
  const auto arms = [&](const std::vector<ArmRuns>& runs) {
    Panel panel = arms_panel(runs, curve, look);
    panel.ylabel = texts.ylabel;
    finish(&panel, runs);
    return panel;
  };
  const auto pairs = [&](const std::vector<ArmRuns>& runs) {
    Panel panel = pairs_panel(runs, curve, look);
    panel.ylabel = plan.multiples() ? plan.pair_label(look.ratio) : look.ratio ? "ratio" : "difference in nats";
    return panel;
  };
  if (!plan.multiples()) {
    CurveFigure figure{texts.name, legend, {arms(plan.contexts.front().arms)}};
    figure.panels.front().title = texts.title;
    std::string caption = capital(texts.left);
    if (plan.compared() > 0) {
      figure.panels.push_back(pairs(plan.contexts.front().arms));
      figure.panels.back().title = (look.ratio ? "" : texts.title + ": ") + plan.pair_label(look.ratio);
      caption = "Left: " + texts.left + " Right: " + texts.right;
    }
    return {{figure, texts.heading, caption}};
  }
  CurveFigure first = grid_of(plan, arms), second = grid_of(plan, pairs);
  first.name = texts.name;
  first.legend = legend;
  second.name = texts.name + (look.ratio ? "_ratio" : "_difference");
  if (look.one_pair)
    second.legend = {{plan.pair_label(look.ratio), kGreen, 1, true}};
  else
    std::copy_if(legend.begin(), legend.end(), std::back_inserter(second.legend),
                 [&](const LegendEntry& entry) { return entry.label != gp_text(plan.base()); });
  std::vector<FigureItem> out{{first, texts.heading, capital(texts.left) + kRange + plan.not_drawn}};
  if (!second.panels.empty()) out.push_back({second, texts.heading, capital(texts.right) + kInterval});
  return out;
}

std::vector<FigureItem> loss_figures(const Plan& plan) {
  const CurveOf loss = [](const RunData& run) {
    return binned(run, kLossBins, [&](std::size_t i) { return run.loss[i]; });
  };
  const CurveOf validation = [](const RunData& run) {
    Curve curve;
    for (const EvalRow& row : run.evals) {
      curve.x.push_back(static_cast<double>(row.step));
      curve.y.push_back(row.val_loss);
    }
    return curve;
  };
  const auto finish = [&](Panel* panel, const std::vector<ArmRuns>& arms) {
    panel->zero_y = panel->log_y = false;
    panel->clip_bands = true;
    for (const ArmRuns& arm : arms) {
      const Bundle points = bundle(curves_of(arm, validation), Band::range);
      Series series{arm_ink(arm.value).color, 1, points.x, points.mean, {}, {}};
      series.points = true;
      series.line = false;
      panel->series.push_back(series);
    }
    panel->note = "line: training; dots: validation";
    const double floor = arms.empty() ? kNaN : entropy_rate(*arms.front().by_seed.begin()->second);
    if (std::isfinite(floor)) {
      panel->line_at = floor;
      panel->line_label = "entropy rate of the data";
    }
  };
  return two_views(
      plan, loss, {false, "step", "", false},
      {"loss", "Training loss", "nats/token", "Loss",
       "training loss averaged in bins of steps and over seeds (line), validation loss (dots, the last one "
       "exact, over the whole split).",
       "the paired difference of the training loss, batch by batch: both arms saw the same batches."},
      finish);
}

/// The curves of all arms in one panel, as one row of panels for each combination of the other axes.
void split_contexts(CurveFigure* figure, const Plan& plan, const std::vector<ArmRuns>& arms) {
  figure->legend = legend_of(plan.study, plan.contexts);
  const std::vector<Panel> whole = figure->panels;
  figure->columns = std::max<std::size_t>(whole.size(), plan.multiples() && whole.size() == 1 ? plan.columns() : 1);
  figure->panels.clear();
  std::size_t begin = 0;
  for (const Context& context : plan.contexts) {
    for (const Panel& panel : whole) {
      Panel part = panel;
      part.series.assign(panel.series.begin() + static_cast<std::ptrdiff_t>(begin),
                         panel.series.begin() + static_cast<std::ptrdiff_t>(begin + context.arms.size()));
      for (std::size_t a = 0; a < part.series.size(); ++a) {
        const Ink ink = arm_ink(arms[begin + a].value);
        part.series[a].color = ink.color;
        part.series[a].dash = ink.dash;
      }
      if (plan.multiples()) part.title = gp_text(context.label) + (whole.size() > 1 ? ": " + part.title : "");
      figure->panels.push_back(std::move(part));
    }
    begin += context.arms.size();
  }
}

/// Rows of maps end where a combination of the other axes ends.
void arrange(MapFigure* figure, const Plan& plan) {
  if (!plan.multiples()) return;
  const std::size_t each = figure->diverging ? plan.compared() : plan.compared() + 1, most = 4;
  if (each <= most) figure->columns = each * std::min(plan.columns(), most / each);
}

}  // namespace

std::vector<FigureItem> study_figures(const ReportInput& input) {
  std::vector<FigureItem> items = sweep_figures(input.study);
  const auto add = [&](std::vector<FigureItem> more) {
    for (FigureItem& item : more) items.push_back(std::move(item));
  };
  const std::vector<ArmRuns> arms = arm_runs(input);
  if (arms.empty()) return items;
  const Plan plan = plan_of(input.study, arms);
  const RunData& model = *arms.front().by_seed.begin()->second;
  std::int64_t epochs = 0;
  for (const EpochRow& row : model.epochs) epochs = std::max(epochs, row.epoch);

  const char* quantity = "‖∂L/∂W‖, mean over matrices";
  const auto plain = [](Panel*, const std::vector<ArmRuns>&) {};
  if (epochs > 0) {
    Look look{epochs <= static_cast<std::int64_t>(kFewEpochs), gp_text(epoch_label(model)),
              unfinished_epoch(model) ? fmt::format("epoch {} unfinished", epochs) : "", true};
    const std::string last = unfinished_epoch(model) ? " The last epoch is incomplete." : "";
    std::vector<FigureItem> views = two_views(
        plan, epoch_curve, look,
        {"gradient_norm", "Mean gradient norm of the weight matrices", quantity, "Gradient norm",
         "the epoch's mean of the L2 norm of each weight matrix's gradient before clipping, averaged over the blocks' "
         "matrices." +
             last,
         "the ratio within each seed, averaged over the seeds as a logarithm."},
        plain);
    for (FigureItem& item : views)
      for (Panel& panel : std::get<CurveFigure>(item.figure).panels) panel.integer_x = true;
    add(std::move(views));
  }
  if (epochs <= 3) {  // few epochs hide what happens inside them
    const CurveOf steps = [](const RunData& run) {
      return binned(run, kStepBins, [&](std::size_t i) { return matrix_norm_mean(run, i); });
    };
    add(two_views(plan, steps, {false, "step", "", true},
                  {"gradient_norm_steps", "Mean gradient norm by step", quantity, "Gradient norm",
                   "the same by step, in bins.", "the ratio within each seed."},
                  plain));
  }
  const std::vector<RunGroup> groups = groups_of(input.study, arms);
  // Maps show also the arms without a finished run.
  std::vector<FigureItem> maps = map_figures(groups_of(input.study, all_arm_runs(input)));
  for (FigureItem& item : maps) arrange(&std::get<MapFigure>(item.figure), plan);
  add(std::move(maps));
  for (std::vector<FigureItem> more : {depth_figures(groups), statistic_figures(groups)}) {
    for (FigureItem& item : more)
      if (auto* figure = std::get_if<CurveFigure>(&item.figure))
        split_contexts(figure, plan, arms);
      else
        arrange(&std::get<MapFigure>(item.figure), plan);
    add(std::move(more));
  }
  add(loss_figures(plan));
  return items;
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
