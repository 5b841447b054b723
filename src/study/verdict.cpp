#include "study/verdict.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "config/config_text.h"
#include "core/decimal_text.h"
#include "core/text_table.h"
#include "study/arms.h"

namespace normscope {
namespace {

std::string plus_minus(const Interval& value, int digits) {
  if (value.n == 0) return "-";
  if (!value.has_interval()) return number_text(value.mean, digits);
  return decimal_text(value.mean, digits) + " +- " + decimal_text(value.high - value.mean, digits);
}

std::string arm_rows(const Study& study) {
  std::vector<std::vector<std::string>> rows;
  for (const Arm& arm : arms_of(study.axes)) {
    const auto runs = runs_of(study.runs, arm);
    if (runs.empty()) continue;
    std::vector<double> norms;
    for (const StudyRun* run : runs) {
      if (run->status != "done") continue;
      norms.push_back(run->epoch_mean_grad_norm.empty() ? kNaN : run->epoch_mean_grad_norm.back());
    }
    const std::string text = arm_text(arm, study.axes);
    rows.push_back({text.empty() ? "run" : text, arm_status(study.runs, arm), plus_minus(arm_loss(study.runs, arm), 4),
                    plus_minus(mean_interval(norms), 4)});
  }
  return table({"arm", "runs", "validation loss (nats)", "gradient norm, last epoch"}, rows, {false, true, true, true});
}

std::string time_lines(const Study& study) {
  std::vector<std::vector<std::string>> rows;
  for (const StepTimes& times : study.step_times)
    rows.push_back({arm_text(times.arm, study.axes), number_text(median(times.seconds) * 1e3, 3)});
  std::string out = std::string(kTimeTitle) + "\n\n" + table({"arm", "ms/step (median)"}, rows, {false, true});
  for (const Comparison& row : study.comparisons) {
    if (row.metric != kTimeRatio) continue;
    out += fmt::format("{} vs {}: ratio {}: {}\n", arm_text(row.b, study.axes), arm_text(row.a, study.axes),
                       comparison_numbers(row), comparison_finding(row));
  }
  return out + "Ratios are medians over the rounds; [ ] are 95 % intervals (percentile bootstrap).\n";
}

std::string pair_lines(const Study& study, const ArmPair& pair) {
  const std::string names = arm_text(pair.b, study.axes) + " vs " + arm_text(pair.a, study.axes);
  std::string out;
  if (const std::string diverged = divergence_finding(study, pair); !diverged.empty()) out += diverged + "\n";
  for (const Comparison* row : rows_of(study.comparisons, pair.a, pair.b, kValLoss)) {
    out += fmt::format("{}: validation loss {}: {}\n", names, comparison_numbers(*row), comparison_finding(*row));
  }
  if (role_is(pair.axis, {KeyRole::batch})) {
    out += fmt::format("  (different {}: these pairs share initial values but not their batches)\n", pair.axis);
  }
  const auto ratios = rows_of(study.comparisons, pair.a, pair.b, kGradRatio);
  for (std::int64_t e : shown_epochs(static_cast<std::int64_t>(ratios.size()), 12)) {
    const Comparison& row = *ratios[static_cast<std::size_t>(e - 1)];
    out += fmt::format("  gradient norm ratio, epoch {:>2}: {}: {}\n", e, comparison_numbers(row),
                       comparison_finding(row));
  }
  if (ratios.size() > 12) out += fmt::format("  ({} epochs; all of them in study.json)\n", ratios.size());
  return out;
}

}  // namespace

std::string number_text(double value, int digits, bool sign) {
  if (!std::isfinite(value)) return "-";
  return (sign && !std::signbit(value) ? "+" : "") + decimal_text(value, digits);
}

std::string comparison_numbers(const Comparison& row) {
  const bool loss = row.metric == kValLoss;
  const Interval& r = row.result;
  std::string text = "-";
  if (r.n > 0) text = loss ? number_text(r.mean, 4, true) + " nats" : number_text(r.mean, 3);
  if (r.has_interval()) {
    text += fmt::format(" [{}, {}], {} {}", number_text(r.low, loss ? 4 : 3, loss),
                        number_text(r.high, loss ? 4 : 3, loss), r.n, row.metric == kTimeRatio ? "rounds" : "pairs");
  } else if (r.n == 1) {
    text += " (one seed, no interval)";
  }
  if (row.excluded > 0) {
    text +=
        fmt::format(", {} {} left out (diverged or unfinished)", row.excluded, row.excluded == 1 ? "pair" : "pairs");
  }
  return text;
}

std::string comparison_finding(const Comparison& row) {
  const double neutral = row.metric == kValLoss ? 0 : 1;
  if (row.result.n == 0) return "no pair to compare";
  if (!row.result.has_interval()) return "nothing can be said from one seed";
  if (row.result.includes(neutral)) return "no difference shown";
  const bool lower = row.result.mean < neutral;
  if (row.metric == kTimeRatio) return lower ? "faster" : "slower";
  return lower ? "lower" : "higher";
}

std::string divergence_finding(const Study& study, const ArmPair& pair) {
  std::ptrdiff_t all_diverged = 0;
  const auto words = [&](const Arm& arm) {
    const auto runs = runs_of(study.runs, arm);
    const auto count = [&](const char* status) {
      return std::count_if(runs.begin(), runs.end(), [&](const StudyRun* run) { return run->status == status; });
    };
    const auto diverged = count("diverged"), shown = diverged > 0 ? diverged : count("done");
    all_diverged += diverged;
    return fmt::format("{}: {} of {} {} {}{}", arm_label(arm, study.axes), shown, runs.size(),
                       runs.size() == 1 ? "run" : "runs", diverged > 0 ? "diverge" : "train", shown == 1 ? "s" : "");
  };
  const std::string text = words(pair.a) + "; " + words(pair.b);
  return all_diverged > 0 ? text : "";
}

std::vector<std::int64_t> shown_epochs(std::int64_t epochs, std::int64_t limit) {
  std::vector<std::int64_t> out;
  const std::int64_t count = std::min(epochs, limit);
  for (std::int64_t i = 0; i < count; ++i) out.push_back(count == 1 ? 1 : 1 + i * (epochs - 1) / (count - 1));
  return out;
}

std::vector<const Comparison*> rows_of(const std::vector<Comparison>& rows, const Arm& a, const Arm& b,
                                       const std::string& metric) {
  std::vector<const Comparison*> out;
  for (const Comparison& row : rows) {
    if (row.a == a && row.b == b && row.metric == metric) out.push_back(&row);
  }
  return out;
}

Interval arm_loss(const std::vector<StudyRun>& runs, const Arm& arm) {
  std::vector<double> values;
  for (const StudyRun* run : runs_of(runs, arm)) values.push_back(run->status == "done" ? run->val_loss : kNaN);
  return mean_interval(values);
}

std::string arm_status(const std::vector<StudyRun>& runs, const Arm& arm) {
  std::map<std::string, int> counts;
  for (const StudyRun* run : runs_of(runs, arm)) ++counts[run->status];
  std::string out = fmt::format("{} done", counts["done"]);
  for (const auto& [status, count] : counts) {
    if (status != "done") out += fmt::format(", {} {}", count, status);
  }
  return out;
}

std::string verdict_text(const Study& study) {
  std::string out = arm_rows(study);
  for (const ArmPair& pair : arm_pairs(study.axes)) out += "\n" + pair_lines(study, pair);
  if (study.seeds.size() > 1) {
    out +=
        "\nPaired over seeds; +- and [ ] are 95 % intervals (Student's t), each on its own. Losses are differences,\n"
        "gradient norms ratios (geometric mean).\n";
  }
  if (!study.step_times.empty()) out += "\n" + time_lines(study);
  return out;
}

}  // namespace normscope
