#include "study/verdict.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "core/decimal_text.h"
#include "core/text.h"
#include "study/arms.h"
#include "study/sentences.h"

namespace normscope {
namespace {

std::string loss_text(double value) { return number_text(value, 4); }
std::string ratio_text(double value) {
  return value >= 0.1 && value < 100 ? number_text(value, 3) : significant_text(value, 3);
}

}  // namespace

Words pair_names(const Arm& a, const Arm& b, const Axes& axes) {
  Axes differ, same;
  for (const auto& axis : axes) {
    if (!a.count(axis.first) || axis.second.size() < 2) continue;
    (a.at(axis.first) == b.at(axis.first) ? same : differ).push_back(axis);
  }
  const std::string shared = same.empty() ? "" : arm_label(a, same), where = same.empty() ? "" : shared + ": ";
  return {{"a", arm_label(a, differ)}, {"b", arm_label(b, differ)}, {"shared", shared}, {"where", where}};
}

std::string number_text(double value, int digits, bool sign) {
  if (!std::isfinite(value)) return "-";
  return (sign && !std::signbit(value) ? "+" : "") + decimal_text(value, digits);
}

std::string correlation_text(double r) { return r > 0.9995 ? "> 0.999" : "= " + number_text(r, 3); }

std::function<std::string(double)> gradient_format(double mean) {
  if (mean < 0.01) return [](double value) { return significant_text(value, 3); };
  return [](double value) { return number_text(value, 4); };
}

std::string comparison_value(const Comparison& row, double value) {
  return row.metric == kValLoss ? number_text(value, 4, true) : ratio_text(value);
}

std::string comparison_numbers(const Comparison& row) {
  const Interval& r = row.result;
  std::string text = "-";
  if (r.n > 0) text = comparison_value(row, r.mean) + (row.metric == kValLoss ? " nats" : "");
  if (r.has_interval()) {
    text += fmt::format(" [{}, {}], {}", comparison_value(row, r.low), comparison_value(row, r.high),
                        counted(r.n, row.metric == kTimeRatio ? "round" : "pair"));
  } else if (r.n == 1) {
    text += " (one seed, no interval)";
  }
  if (row.excluded > 0) text += fmt::format(", {} excluded (diverged or unfinished)", counted(row.excluded, "pair"));
  return text;
}

std::string comparison_finding(const Comparison& row) {
  const double neutral = row.metric == kValLoss ? 0 : 1;
  if (row.result.n == 0) return "no pair to compare";
  if (!row.result.has_interval()) return "no conclusion from one seed";
  const bool corrected = std::isfinite(row.p_holm);
  if (corrected ? row.p_holm >= 0.05 : row.result.includes(neutral)) return "no difference shown";
  const bool lower = row.result.mean < neutral;
  if (row.metric == kTimeRatio) return lower ? "faster" : "slower";
  return lower ? "lower" : "higher";
}

std::string loss_sentence(const Comparison& row, const Axes& axes) {
  const Interval& r = row.result;
  Words words = pair_names(row.a, row.b, axes);
  if (r.n == 0) return say(Sentence::no_pair, words);
  const bool higher = r.mean >= 0, shown = r.has_interval() && !r.includes(0);
  words["size"] = loss_text(std::abs(r.mean));
  words["percent"] = significant_text(100 * std::abs(r.mean) / std::abs(row.facts.base), 2);
  words["higher"] = higher ? "higher" : "lower";
  words["worse"] = higher ? "worse" : "better";
  words["seeds"] = counted(r.n, "seed");
  words["low"] = shown ? loss_text(std::min(std::abs(r.low), std::abs(r.high))) : number_text(r.low, 4, true);
  words["high"] = shown ? loss_text(std::max(std::abs(r.low), std::abs(r.high))) : number_text(r.high, 4, true);
  std::string out = say(!r.has_interval() ? Sentence::loss_one_seed
                        : shown           ? Sentence::loss_differs
                                          : Sentence::loss_same,
                        words);
  if (row.excluded > 0) out += " " + say(Sentence::pairs_left_out, {{"count", counted(row.excluded, "pair")}});
  return out;
}

std::string gradient_sentence(const Comparison& row, const Axes& axes, std::size_t epochs) {
  if (row.result.n == 0) return "";
  Words words = pair_names(row.a, row.b, axes);
  words["epoch"] = std::to_string(row.epoch);
  words["ratio"] = ratio_text(row.result.mean);
  words["low"] = ratio_text(row.result.low);
  words["high"] = ratio_text(row.result.high);
  words["corrected"] = epochs > 1 ? fmt::format(", corrected for {} epochs", epochs) : "";
  words["higher"] = comparison_finding(row);
  if (!row.result.has_interval()) return say(Sentence::gradient_one_seed, words);
  return say(words["higher"] == "no difference shown" ? Sentence::gradient_same : Sentence::gradient_differs, words);
}

std::string time_sentence(const Comparison& row, const Axes& axes) {
  return say(Sentence::step_time, {{"a", arm_label(row.a, axes)},
                                   {"b", arm_label(row.b, axes)},
                                   {"ratio", number_text(row.result.mean, 3)},
                                   {"low", number_text(row.result.low, 3)},
                                   {"high", number_text(row.result.high, 3)},
                                   {"rounds", counted(row.result.n, "round")},
                                   {"finding", comparison_finding(row)}});
}

std::string power_sentence(const Comparison& row) {
  if (!row.result.has_interval()) return "";
  if (!std::isfinite(row.facts.unpaired)) return say(Sentence::pairing_same, {});
  std::string out = say(Sentence::power, {{"seeds", counted(row.result.n, "seed")},
                                          {"effect", significant_text(row.facts.detectable, 2)}});
  if (std::isfinite(row.facts.correlation))
    out += " " + say(Sentence::pairing_helps, {{"correlation", "r " + correlation_text(row.facts.correlation)},
                                               {"unpaired", fmt::format("{:.0f}", row.facts.unpaired)}});
  return out;
}

std::string divergence_sentence(const Study& study, const ArmPair& pair) {
  const auto first = runs_of(study.runs, pair.a), second = runs_of(study.runs, pair.b);
  const auto diverged = [](const std::vector<const StudyRun*>& runs) {
    return std::count_if(runs.begin(), runs.end(), [](const StudyRun* run) { return run->status == "diverged"; });
  };
  const auto text = [&](const std::vector<const StudyRun*>& runs) {
    return fmt::format("{} of {}", diverged(runs), counted(static_cast<std::int64_t>(runs.size()), "run"));
  };
  Words words = pair_names(pair.a, pair.b, study.axes);
  words["count_a"] = text(first);
  words["count_b"] = text(second);
  if (diverged(first) > 0 && diverged(second) > 0) return say(Sentence::both_diverge, words);
  if (diverged(first) + diverged(second) == 0) return "";
  const bool a_is_bad = diverged(first) > 0;
  words["bad"] = words[a_is_bad ? "a" : "b"];
  words["good"] = words[a_is_bad ? "b" : "a"];
  words["count"] = words[a_is_bad ? "count_a" : "count_b"];
  return say(Sentence::one_diverges, words);
}

PairVerdict pair_verdict(const Study& study, const ArmPair& pair) {
  PairVerdict out{pair, divergence_sentence(study, pair), "", ""};
  for (const Comparison* row : rows_of(study.comparisons, pair.a, pair.b, kValLoss)) {
    if (row->result.n == 0 && !out.finding.empty()) continue;  // that is why
    out.finding += (out.finding.empty() ? "" : " ") + loss_sentence(*row, study.axes);
    out.power = power_sentence(*row);
  }
  const auto ratios = rows_of(study.comparisons, pair.a, pair.b, kGradRatio);
  if (!ratios.empty()) out.gradient = gradient_sentence(*ratios.back(), study.axes, ratios.size());
  return out;
}

std::vector<ArmPair> first_pairs(const Axes& axes) {
  std::vector<ArmPair> out;
  for (const ArmPair& pair : arm_pairs(axes))
    if (pair.axis == first_axis(axes)) out.push_back(pair);
  return out;
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

}  // namespace normscope
