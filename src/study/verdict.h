#pragma once
// What a study's numbers say, in the sentences of sentences.def, shared by the terminal and the report.
#include "study/arms.h"
#include "study/sentences.h"

#include <functional>
#include <string>

namespace normscope {

// --- one comparison ---

/// The words of a pair: {a} and {b} by what they differ in, {shared} by what they have in common, {where} the same with
/// a colon behind it.
Words pair_names(const Arm& a, const Arm& b, const Axes& axes);
/// "-0.0031 nats [-0.0102, +0.0040], 5 pairs" / "1.124 [1.093, 1.155], 5 pairs" / "... (one seed, no interval)".
std::string comparison_numbers(const Comparison& row);
/// A difference, a ratio or an end of its interval as comparison_numbers writes it.
std::string comparison_value(const Comparison& row, double value);
/// "no difference shown", "lower", "higher" ("faster", "slower" of times), or "no pair to compare". Of an epoch's ratio
/// after Holm's correction.
std::string comparison_finding(const Comparison& row);
/// The difference of two validation losses.
std::string loss_sentence(const Comparison& row, const Axes& axes);
/// The ratio of the gradient norms in an epoch; `epochs` is how many the pair has.
std::string gradient_sentence(const Comparison& row, const Axes& axes, std::size_t epochs);
std::string time_sentence(const Comparison& row, const Axes& axes);
/// What this many seeds could have shown and what pairing was worth; empty without an interval.
std::string power_sentence(const Comparison& row);
/// "lr 0.1: LayerNorm trains, no norm diverges in 2 of 2 runs."; empty when no run of either arm diverged.
std::string divergence_sentence(const Study& study, const ArmPair& pair);

// --- a study ---

/// What is said of one pair: the finding in one or two sentences, and what stands behind it in smaller type.
struct PairVerdict {
  ArmPair pair;
  std::string finding, power, gradient;
};
PairVerdict pair_verdict(const Study& study, const ArmPair& pair);
/// The pairs of the first axis, at each combination of the others.
std::vector<ArmPair> first_pairs(const Axes& axes);
/// What is said before the pairs: the first axis averaged over the combinations of the others, and where learning_rate
/// is an axis the best rate of each line and the rates that diverge.
std::vector<std::string> overview_sentences(const Study& study);
/// A warning when there are fewer than four seeds, else empty.
std::string seeds_warning(const Study& study);
/// How many intervals there are and how many would stand out by chance; empty when there is none.
std::string chance_sentence(const Study& study);
/// How the intervals were made: Holm's correction, pairing, arms that share no batches.
std::vector<std::string> method_sentences(const Study& study);
/// Rows of interaction_head; empty when only one axis varies or no seed has all runs.
std::vector<std::vector<std::string>> interaction_rows(const Study& study);
inline const std::vector<std::string> kInteractionHead{"effect", "changes", "by (nats)", "95 % interval", "finding"};

// --- parts ---

/// The epochs a long list of comparisons is shortened to, at most `limit`, first and last always among them.
std::vector<std::int64_t> shown_epochs(std::int64_t epochs, std::int64_t limit);
/// The rows of one pair of arms and metric.
std::vector<const Comparison*> rows_of(const std::vector<Comparison>& rows, const Arm& a, const Arm& b,
                                       const std::string& metric);
/// The mean of one arm's validation losses with its interval; runs that are not done are left out.
Interval arm_loss(const std::vector<StudyRun>& runs, const Arm& arm);
/// "3 done, 1 diverged".
std::string arm_status(const std::vector<StudyRun>& runs, const Arm& arm);
/// Fixed-point text of a loss or ratio, "-" for NaN.
std::string number_text(double value, int digits, bool sign = false);
/// "= 0.882", "> 0.999".
std::string correlation_text(double r);
/// How a gradient norm of this size and its interval are written: four decimals, below 0.01 three digits.
std::function<std::string(double)> gradient_format(double mean);

}  // namespace normscope
