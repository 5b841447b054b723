#include "study/contexts.h"

#include <algorithm>

namespace normscope {

namespace {

/// "diverged" or "not finished": why an arm has no finished run.
std::string why_not_finished(const Study& study, const Arm& arm) {
  const auto runs = runs_of(study.runs, arm);
  const bool diverged = std::any_of(runs.begin(), runs.end(), [](auto* run) { return run->status == "diverged"; });
  return diverged ? "diverged" : "not finished";
}

bool any_finished(const std::vector<ArmRuns>& arms) {
  return std::any_of(arms.begin(), arms.end(), [](const ArmRuns& one) { return one.finished; });
}

}  // namespace

std::vector<ArmRuns> all_arm_runs(const ReportInput& input) {
  std::vector<ArmRuns> out;
  const Study& study = input.study;
  for (const Arm& arm : arms_of(study.axes)) {
    ArmRuns entry{arm, arm_label(arm, study.axes), first_value(arm, study.axes), true, {}};
    for (const bool done : {true, false}) {
      for (std::size_t i = 0; i < study.runs.size() && i < input.runs.size(); ++i) {
        const StudyRun& run = study.runs[i];
        if (run.arm != arm || input.runs[i].step.empty() || (done && run.status != "done")) continue;
        entry.by_seed[run.seed] = &input.runs[i];
      }
      entry.finished = done;
      if (!entry.by_seed.empty()) break;
    }
    if (!entry.finished) entry.label += " (" + why_not_finished(study, arm) + ")";
    if (!entry.by_seed.empty()) out.push_back(std::move(entry));
  }
  return out;
}

std::vector<ArmRuns> arm_runs(const ReportInput& input) {
  std::vector<ArmRuns> arms = all_arm_runs(input);
  if (any_finished(arms)) std::erase_if(arms, [](const ArmRuns& one) { return !one.finished; });
  return arms;
}

std::vector<Context> contexts_of(const Study& study, const std::vector<ArmRuns>& arms) {
  std::vector<Context> out;
  for (const Arm& arm : arms_of(study.axes)) {
    const std::string label = context_label(arm, study.axes);
    if (out.empty() || out.back().label != label) out.push_back({label, "", {}});
    const auto found = std::find_if(arms.begin(), arms.end(), [&](const ArmRuns& one) { return one.arm == arm; });
    if (found != arms.end()) {
      out.back().arms.push_back(*found);
    } else {
      const std::string key = first_axis(study.axes);
      const std::string name = key.empty() ? arm_label(arm, study.axes) : value_label(key, arm.at(key));
      out.back().missing += (out.back().missing.empty() ? "" : "; ") + name + " " + why_not_finished(study, arm);
    }
  }
  return out;
}

std::vector<RunGroup> groups_of(const Study& study, const std::vector<ArmRuns>& arms) {
  std::vector<RunGroup> groups;
  const std::string key = first_axis(study.axes);
  for (std::size_t g = 0; g < arms.size(); ++g) {
    RunGroup group{arms[g].label, {}, {}, g};
    for (const auto& [seed, run] : arms[g].by_seed) {
      group.runs.push_back(run);
      group.seeds.push_back(seed);
    }
    if (!key.empty()) {
      Arm base = arms[g].arm;
      base[key] = values_of(study.axes, key).front();
      const auto found = std::find_if(arms.begin(), arms.end(), [&](const ArmRuns& one) { return one.arm == base; });
      const bool both = found != arms.end() && (found->finished && arms[g].finished);
      if (both || (found != arms.end() && !any_finished(arms)))
        group.base = static_cast<std::size_t>(found - arms.begin());
      group.base_label = value_label(key, base[key]);
    }
    groups.push_back(std::move(group));
  }
  return groups;
}

std::vector<RunGroup> run_groups(const ReportInput& input) {
  if (!input.study.axes.empty()) return groups_of(input.study, all_arm_runs(input));
  if (input.runs.empty() || input.runs.front().step.empty()) return {};
  return {{"", {&input.runs.front()}}};
}

}  // namespace normscope
