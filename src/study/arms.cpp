#include "study/arms.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <nlohmann/json.hpp>

#include "core/text.h"

namespace normscope {
std::vector<Arm> arms_of(const Axes& axes) {
  std::vector<Arm> arms{Arm{}};
  for (auto axis = axes.rbegin(); axis != axes.rend(); ++axis) {
    std::vector<Arm> next;
    for (const Arm& arm : arms) {
      for (const std::string& value : axis->second) {
        next.push_back(arm);
        next.back()[axis->first] = value;
      }
    }
    arms = std::move(next);
  }
  return arms;
}

std::vector<const StudyRun*> runs_of(const std::vector<StudyRun>& runs, const Arm& arm) {
  std::vector<const StudyRun*> found;
  for (const StudyRun& run : runs) {
    if (run.arm == arm) found.push_back(&run);
  }
  std::stable_sort(found.begin(), found.end(), [](auto* a, auto* b) { return a->seed < b->seed; });
  return found;
}

std::vector<ArmPair> arm_pairs(const Axes& axes) {
  std::vector<ArmPair> pairs;
  for (const auto& [key, values] : axes) {
    for (const Arm& a : arms_of(axes)) {
      if (a.at(key) != values.front()) continue;
      for (std::size_t v = 1; v < values.size(); ++v) {
        pairs.push_back({key, a, a});
        pairs.back().b[key] = values[v];
      }
    }
  }
  return pairs;
}

std::vector<Comparison> compare_pair(const ArmPair& pair, const std::vector<StudyRun>& runs) {
  const auto first = runs_of(runs, pair.a), second = runs_of(runs, pair.b);
  std::map<std::uint64_t, std::pair<const StudyRun*, const StudyRun*>> by_seed;
  for (const StudyRun* run : first) by_seed[run->seed].first = run;
  for (const StudyRun* run : second) by_seed[run->seed].second = run;

  // A pair counts when both runs are done: a diverged or missing run leaves its pair out of every metric.
  const auto values = [&](bool of_a, auto value) {
    std::vector<double> out;
    for (const auto& [seed, two] : by_seed) {
      const bool whole = two.first && two.second && two.first->status == "done" && two.second->status == "done";
      out.push_back(whole ? value(of_a ? *two.first : *two.second) : kNaN);
    }
    return out;
  };
  std::vector<Comparison> out;
  const auto add = [&](const char* metric, std::int64_t epoch, const Interval& result, const PairFacts& facts) {
    out.push_back({pair.a, pair.b, metric, epoch, result, result.excluded, facts});
  };

  const auto loss = [](const StudyRun& run) { return run.val_loss; };
  add(kValLoss, 0, paired_difference(values(true, loss), values(false, loss)),
      pair_facts(values(true, loss), values(false, loss)));
  std::size_t epochs = 0;
  for (const auto& [seed, two] : by_seed) {
    if (two.first && two.second) {
      epochs =
          std::max(epochs, std::min(two.first->epoch_mean_grad_norm.size(), two.second->epoch_mean_grad_norm.size()));
    }
  }
  for (std::size_t e = 0; e < epochs; ++e) {
    const auto norm = [e](const StudyRun& run) {
      return e < run.epoch_mean_grad_norm.size() ? run.epoch_mean_grad_norm[e] : kNaN;
    };
    const auto logs = [&](const StudyRun& run) { return norm(run) > 0 ? std::log(norm(run)) : kNaN; };
    add(kGradRatio, static_cast<std::int64_t>(e) + 1, paired_ratio(values(true, norm), values(false, norm)),
        pair_facts(values(true, logs), values(false, logs)));
  }
  std::vector<double> p;
  for (std::size_t i = 1; i < out.size(); ++i) p.push_back(out[i].facts.p);
  const std::vector<double> adjusted = holm(p);
  for (std::size_t i = 1; i < out.size(); ++i) out[i].p_holm = adjusted[i - 1];
  return out;
}

std::vector<Comparison> compare_arms(const Axes& axes, const std::vector<StudyRun>& runs) {
  std::vector<Comparison> out;
  for (const ArmPair& pair : arm_pairs(axes)) {
    for (Comparison& comparison : compare_pair(pair, runs)) out.push_back(std::move(comparison));
  }
  return out;
}

std::vector<Comparison> compare_step_times(const Axes& axes, const std::vector<StepTimes>& times) {
  const auto find = [&](const Arm& arm) {
    return std::find_if(times.begin(), times.end(), [&](const StepTimes& one) { return one.arm == arm; });
  };
  std::vector<Comparison> out;
  for (const ArmPair& pair : arm_pairs(axes)) {
    const auto a = find(pair.a), b = find(pair.b);
    if (a == times.end() || b == times.end()) continue;
    std::vector<double> ratios;  // within a round: the machine's pace changes from one to the next
    for (std::size_t r = 0; r < std::min(a->seconds.size(), b->seconds.size()); ++r)
      ratios.push_back(b->seconds[r] / a->seconds[r]);
    const Interval result = bootstrap_median(ratios, 0);
    out.push_back({pair.a, pair.b, kTimeRatio, 0, result, result.excluded, {}});
  }
  return out;
}

std::vector<Comparison> all_comparisons(const Study& study) {
  std::vector<Comparison> out = compare_arms(study.axes, study.runs);
  for (Comparison& row : compare_step_times(study.axes, study.step_times)) out.push_back(std::move(row));
  return out;
}

std::map<std::string, std::string> config_texts(const std::string& config_json) {
  std::map<std::string, std::string> out;
  const auto json = nlohmann::json::parse(config_json, nullptr, false);
  if (!json.is_object()) return out;
  for (const auto& [key, value] : json.items()) {
    if (value.is_string()) {
      out[key] = value.get<std::string>();
    } else if (value.is_array()) {
      std::vector<std::string> items;
      for (const auto& item : value) items.push_back(item.is_string() ? item.get<std::string>() : item.dump());
      out[key] = join_list(items);
    } else {
      out[key] = value.dump();
    }
  }
  return out;
}

void check_val_targets(const std::vector<StudyRun>& runs) {
  std::map<std::array<std::string, 3>, const StudyRun*> first;  // of the same seed and data
  for (const StudyRun& run : runs) {
    if (run.status != "done") continue;
    const auto text = [&](const char* key) {
      const auto found = run.config.find(key);
      return found == run.config.end() ? std::string() : found->second;
    };
    const StudyRun* other =
        first.emplace(std::array{std::to_string(run.seed), text("data"), text("tokenizer")}, &run).first->second;
    if (other->val_targets == run.val_targets) continue;
    const auto count = [](const StudyRun& one) {
      return one.val_targets > 0 ? std::to_string(one.val_targets) : "an unknown number";
    };
    throw UsageError(fmt::format(
        "[study] these runs cannot be paired: val_targets differs ({} in {}, {} in {}): their exact validation losses "
        "are means over different targets, as in older versions; train the "
        "older run again in another folder",
        count(*other), other->file, count(run), run.file));
  }
}

}  // namespace normscope
