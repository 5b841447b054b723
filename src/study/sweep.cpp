#include "study/sweep.h"

#include <algorithm>
#include <cmath>

namespace normscope {
namespace {

constexpr const char* kRate = "learning_rate";

SweepPoint point_of(const Study& study, const Arm& arm) {
  SweepPoint point;
  point.text = arm.at(kRate);
  point.rate = std::strtod(point.text.c_str(), nullptr);
  std::vector<double> losses;
  for (const StudyRun* run : runs_of(study.runs, arm)) {
    ++point.runs;
    point.diverged += run->status == "diverged";
    if (run->status != "done" || !std::isfinite(run->val_loss)) continue;
    losses.push_back(run->val_loss);
    point.low = std::isfinite(point.low) ? std::min(point.low, run->val_loss) : run->val_loss;
    point.high = std::isfinite(point.high) ? std::max(point.high, run->val_loss) : run->val_loss;
  }
  point.loss = mean_interval(losses);
  return point;
}

}  // namespace

std::vector<SweepLine> sweep_lines(const Study& study) {
  Axes others;
  std::size_t rates = 0;
  for (const auto& axis : study.axes) {
    if (axis.first == kRate)
      rates = axis.second.size();
    else if (axis.second.size() > 1)
      others.push_back(axis);
  }
  std::vector<SweepLine> lines;
  if (rates < 2) return lines;
  for (const Arm& arm : arms_of(study.axes)) {
    const std::string label = others.empty() ? "" : arm_label(arm, others);
    auto line = std::find_if(lines.begin(), lines.end(), [&](const SweepLine& one) { return one.label == label; });
    if (line == lines.end()) line = lines.insert(lines.end(), {label, {}});
    line->points.push_back(point_of(study, arm));
  }
  for (SweepLine& line : lines)
    std::sort(line.points.begin(), line.points.end(),
              [](const SweepPoint& a, const SweepPoint& b) { return a.rate < b.rate; });
  return lines;
}

}  // namespace normscope
