// Does the effect of the first axis depend on the others? Within each seed, then over the seeds.
#include <algorithm>
#include <cmath>
#include <set>

#include "study/arms.h"

namespace normscope {
namespace {

/// The validation loss of each run that is done, by arm and seed.
class Losses {
 public:
  explicit Losses(const std::vector<StudyRun>& runs) {
    for (const StudyRun& run : runs) {
      seeds_.insert(run.seed);
      if (run.status == "done") losses_[{run.arm, run.seed}] = run.val_loss;
    }
  }
  const std::set<std::uint64_t>& seeds() const { return seeds_; }
  /// The mean over all arms that have these coordinates; NaN where one is not there.
  double mean(const Axes& axes, const Arm& where, std::uint64_t seed) const {
    double sum = 0, n = 0;
    for (Arm arm : arms_of(axes)) {
      const bool there =
          std::all_of(where.begin(), where.end(), [&](const auto& at) { return arm.at(at.first) == at.second; });
      if (!there) continue;
      const auto found = losses_.find({arm, seed});
      sum += found == losses_.end() ? kNaN : found->second;
      n += 1;
    }
    return sum / n;
  }
  std::vector<double> over_seeds(const Axes& axes, const Arm& where) const {
    std::vector<double> out;
    for (const std::uint64_t seed : seeds_) out.push_back(mean(axes, where, seed));
    return out;
  }

 private:
  std::map<std::pair<Arm, std::uint64_t>, double> losses_;
  std::set<std::uint64_t> seeds_;
};

}  // namespace

std::vector<Interaction> interactions(const Axes& axes, const std::vector<StudyRun>& runs) {
  std::vector<Interaction> out;
  const std::string key = first_axis(axes);
  if (key.empty()) return out;
  const Losses losses(runs);
  const std::vector<std::string>& values = values_of(axes, key);
  for (std::size_t v = 1; v < values.size(); ++v) {
    for (const auto& [axis, others] : axes) {
      for (std::size_t w = 1; w < others.size() && axis != key; ++w) {
        const auto effect = [&, axis = axis](const std::string& at) {
          const auto a = losses.over_seeds(axes, {{key, values[0]}, {axis, at}}),
                     b = losses.over_seeds(axes, {{key, values[v]}, {axis, at}});
          std::vector<double> differences;
          for (std::size_t s = 0; s < a.size(); ++s) differences.push_back(b[s] - a[s]);
          return differences;
        };
        out.push_back({key, values[0], values[v], axis, others[0], others[w],
                       paired_difference(effect(others[0]), effect(others[w]))});
      }
    }
  }
  return out;
}

std::vector<Comparison> main_effects(const Axes& axes, const std::vector<StudyRun>& runs) {
  std::vector<Comparison> out;
  const std::string key = first_axis(axes);
  if (key.empty() || context_axes(axes).empty()) return out;
  const Losses losses(runs);
  const std::vector<std::string>& values = values_of(axes, key);
  for (std::size_t v = 1; v < values.size(); ++v) {
    const Arm first{{key, values[0]}}, other{{key, values[v]}};
    const auto a = losses.over_seeds(axes, first), b = losses.over_seeds(axes, other);
    const Interval result = paired_difference(a, b);
    out.push_back({first, other, kValLoss, 0, result, result.excluded, pair_facts(a, b)});
  }
  return out;
}

}  // namespace normscope
