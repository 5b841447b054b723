// What is said of a study as a whole: its axes, its learning rates, and how to read its intervals.
#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <cmath>

#include "config/config_text.h"
#include "core/decimal_text.h"
#include "core/text.h"
#include "study/sentences.h"
#include "study/sweep.h"
#include "study/verdict.h"

namespace normscope {
namespace {

std::string join(const std::vector<std::string>& words) {
  std::string out;
  for (std::size_t i = 0; i < words.size(); ++i)
    out += (i == 0 ? "" : i + 1 == words.size() ? " and " : ", ") + words[i];
  return out;
}

/// "Averaged over the 4 combinations of norm_placement and n_layer: ".
std::string averaged_over(const Axes& others) {
  std::size_t count = 1;
  std::vector<std::string> keys;
  for (const auto& [key, values] : others) {
    count *= values.size();
    keys.push_back(key);
  }
  return fmt::format("Averaged over the {} {} of {}: ", count, keys.size() > 1 ? "combinations" : "values", join(keys));
}

std::string sweep_sentence(const SweepLine& line) {
  std::vector<std::string> bad;
  const SweepPoint* best = nullptr;
  for (const SweepPoint& point : line.points) {
    if (point.diverged > 0)
      bad.push_back(fmt::format("{} ({} of {})", point.text, point.diverged, counted(point.runs, "run")));
    if (point.diverged == 0 && point.loss.n > 0 && (!best || point.loss.mean < best->loss.mean)) best = &point;
  }
  Words words{{"where", line.label.empty() ? "" : line.label + ": "},
              {"divergence", bad.empty() ? "no run diverges" : "runs diverge at " + join(bad)}};
  const auto capital = [&](std::string text) {
    if (line.label.empty()) text[0] = static_cast<char>(std::toupper(static_cast<unsigned char>(text[0])));
    return text;
  };
  if (!best) return capital(say(Sentence::no_rate_trains, words));
  words["loss"] = number_text(best->loss.mean, 4);
  words["rate"] = best->text;
  const auto& points = line.points;
  const bool lowest = best == &points.front(), highest = best == &points.back();
  words["end"] = lowest ? "lowest" : "highest";
  return capital(say(lowest || highest ? Sentence::best_rate_at_edge : Sentence::best_rate, words));
}

}  // namespace

std::vector<std::string> overview_sentences(const Study& study) {
  std::vector<std::string> out;
  const std::vector<SweepLine> lines = sweep_lines(study);
  for (const SweepLine& line : lines) out.push_back(sweep_sentence(line));
  if (!lines.empty()) return out;  // a mean over learning rates says nothing
  for (const Comparison& row : main_effects(study.axes, study.runs))
    if (row.result.n > 0) out.push_back(averaged_over(context_axes(study.axes)) + loss_sentence(row, study.axes));
  return out;
}

std::string seeds_warning(const Study& study) {
  std::int64_t seeds = 0;  // of the pair that has most
  for (const Comparison& row : study.comparisons)
    if (row.metric == kValLoss) seeds = std::max(seeds, row.result.n);
  if (seeds == 1) return say(Sentence::one_seed, {});
  return seeds > 0 && seeds < 4 ? say(Sentence::few_seeds, {{"seeds", counted(seeds, "seed")}}) : "";
}

std::string chance_sentence(const Study& study) {
  std::int64_t intervals = 0;
  const auto count = [&](const auto& rows) {
    for (const auto& row : rows) intervals += row.result.has_interval();
  };
  count(study.comparisons);
  count(interactions(study.axes, study.runs));
  if (sweep_lines(study).empty()) count(main_effects(study.axes, study.runs));
  if (intervals == 0) return "";
  return say(Sentence::chance, {{"count", counted(intervals, "interval")},
                                {"expected", significant_text(0.05 * static_cast<double>(intervals), 2)}});
}

std::vector<std::string> method_sentences(const Study& study) {
  std::vector<std::string> out;
  if (study.seeds.size() < 2) return out;
  std::int64_t epochs = 0;
  for (const Comparison& row : study.comparisons) epochs = std::max(epochs, row.epoch);
  if (epochs > 1) out.push_back(say(Sentence::holm, {{"epochs", std::to_string(epochs)}}));
  out.push_back(say(Sentence::paired, {}));
  for (const auto& [key, values] : study.axes)
    if (values.size() > 1 && role_is(key, {KeyRole::batch}))
      out.push_back(say(Sentence::other_batches, {{"axis", key}}));
  return out;
}

std::vector<std::vector<std::string>> interaction_rows(const Study& study) {
  std::vector<std::vector<std::string>> rows;
  for (const Interaction& one : interactions(study.axes, study.runs)) {
    const Interval& r = one.result;
    if (r.n == 0) continue;
    const bool shown = r.has_interval() && !r.includes(0);
    rows.push_back({value_label(one.key, one.b) + " − " + value_label(one.key, one.a),
                    value_label(one.axis, one.from) + " → " + value_label(one.axis, one.to),
                    number_text(r.mean, 4, true),
                    r.has_interval() ? fmt::format("[{}, {}], {}", number_text(r.low, 4, true),
                                                   number_text(r.high, 4, true), counted(r.n, "seed"))
                                     : "one seed, no interval",
                    shown ? "depends on " + one.axis : "no dependence shown"});
  }
  return rows;
}

}  // namespace normscope
