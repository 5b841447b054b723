// The verdict on the terminal.
#include <fmt/format.h>

#include <functional>

#include "core/text_table.h"
#include "study/sentences.h"
#include "study/verdict.h"

namespace normscope {
namespace {

std::string plus_minus(const Interval& value, const std::function<std::string(double)>& text) {
  if (value.n == 0) return "-";
  return text(value.mean) + (value.has_interval() ? " +- " + text(value.high - value.mean) : "");
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
    const std::string text = arm_label(arm, study.axes);
    const Interval norm = mean_interval(norms);
    rows.push_back({text.empty() ? "run" : text, arm_status(study.runs, arm),
                    plus_minus(arm_loss(study.runs, arm), [](double loss) { return number_text(loss, 4); }),
                    plus_minus(norm, gradient_format(norm.mean))});
  }
  return table({"arm", "runs", "validation loss (nats)", "gradient norm, last epoch"}, rows, {false, true, true, true});
}

std::string time_lines(const Study& study) {
  std::vector<std::vector<std::string>> rows;
  for (const StepTimes& times : study.step_times)
    rows.push_back({arm_label(times.arm, study.axes), number_text(median(times.seconds) * 1e3, 3)});
  std::string out = std::string(kTimeTitle) + "\n\n" + table({"arm", "ms/step (median)"}, rows, {false, true});
  for (const Comparison& row : study.comparisons)
    if (row.metric == kTimeRatio) out += time_sentence(row, study.axes) + "\n";
  return out + say(Sentence::rounds, {}) + "\n";
}

std::string gradient_lines(const Study& study, const ArmPair& pair) {
  std::string out;
  const auto ratios = rows_of(study.comparisons, pair.a, pair.b, kGradRatio);
  for (std::int64_t e : shown_epochs(static_cast<std::int64_t>(ratios.size()), 12)) {
    const Comparison& row = *ratios[static_cast<std::size_t>(e - 1)];
    if (row.result.n == 0) continue;
    out += fmt::format("  gradient norm, epoch {:>2}: ratio {}: {}\n", e, comparison_numbers(row),
                       comparison_finding(row));
  }
  if (ratios.size() > 12) out += fmt::format("  ({} epochs; all of them in study.json)\n", ratios.size());
  return out;
}

std::string first_axis_lines(const Study& study) {
  std::string out;
  for (const ArmPair& pair : first_pairs(study.axes)) {
    const PairVerdict verdict = pair_verdict(study, pair);
    out += "\n" + verdict.finding + "\n";
    if (!verdict.power.empty()) out += "  " + verdict.power + "\n";
    out += gradient_lines(study, pair);
  }
  return out;
}

/// One line a pair of the other axes that has finished runs.
std::string other_axes_lines(const Study& study) {
  std::string out;
  for (const ArmPair& pair : arm_pairs(study.axes)) {
    if (pair.axis == first_axis(study.axes)) continue;
    for (const Comparison* row : rows_of(study.comparisons, pair.a, pair.b, kValLoss))
      if (row->result.n > 0) out += loss_sentence(*row, study.axes) + "\n";
  }
  return out.empty() ? out : "\nThe other axes\n\n" + out;
}

}  // namespace

std::string verdict_text(const Study& study) {
  std::string out = arm_rows(study);
  const auto overview = overview_sentences(study);
  if (!overview.empty()) out += fmt::format("\n{}\n", fmt::join(overview, "\n"));
  out += first_axis_lines(study);
  if (const auto rows = interaction_rows(study); !rows.empty())
    out += "\n" + say(Sentence::interactions, {{"key", first_axis(study.axes)}}) + "\n\n" +
           table(kInteractionHead, rows, {false, false, true, false, false});
  out += other_axes_lines(study);
  std::vector<std::string> last{seeds_warning(study), chance_sentence(study)};
  for (const std::string& sentence : method_sentences(study)) last.push_back(sentence);
  std::erase(last, "");
  if (!last.empty()) out += fmt::format("\n{}\n", fmt::join(last, "\n"));
  if (!study.step_times.empty()) out += "\n" + time_lines(study);
  return out;
}

}  // namespace normscope
