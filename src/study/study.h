#pragma once
// Paired ablations: a grid of runs over any keys, each arm with the same seeds, and what the pairs say.
#include "config/config.h"
#include <normscope/core/error.h>
#include "io/run_file.h"
#include "study/statistics.h"

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <utility>
#include <vector>

namespace normscope {

/// An arm: the value of each axis, e.g. {norm: rmsnorm, n_layer: 4}.
using Arm = std::map<std::string, std::string>;
using Axes = std::vector<std::pair<std::string, std::vector<std::string>>>;

struct StudyOptions {
  Config base;             ///< not resolved: every run's config is base, then its axis values, then resolve()
  Axes axes;               ///< in the user's order: the first axis is the one that is compared, and the first value
                           ///< of an axis is what its others are compared with
  std::int64_t seeds = 5;  ///< base.seed, base.seed + 1, ...
  int jobs = 0;            ///< workers; 0: as many as fit the cores, one thread each unless base.threads says more
  std::string out_dir;     ///< the study's folder (empty: studies/NAME, NAME = base.name or the axes' names)
  bool overwrite = false;
  bool quiet = false;   ///< no progress on stderr
  std::string command;  ///< the command line, stored in study.json and shown in the report
  std::string program;  ///< what to run for `train` (empty: this program)
  /// Measures the time of a step once all runs are finished (commands.h, time_arms); empty: not measured.
  std::function<std::vector<std::vector<double>>(const std::vector<Config>& arms, int rounds,
                                                 const std::function<bool(int round)>& go_on)>
      time_arms;
};

/// One run of a study, as study.json has it.
struct StudyRun {
  std::string name, file;  ///< file: path of run.h5 relative to the study's folder
  Arm arm;
  std::uint64_t seed = 0;
  std::map<std::string, std::string> config;  ///< every key as text
  std::string config_json;                    ///< the same as a JSON object
  std::string status = "pending";             ///< pending | done | diverged | interrupted | failed
  double val_loss = kNaN, train_loss = kNaN;
  std::int64_t val_targets = 0;              ///< how many targets val_loss is the mean of; 0: not known
  std::vector<double> epoch_mean_grad_norm;  ///< g_e, e = 1, 2, ...
  std::vector<bool> epoch_complete;
};

/// The time of a training step of one arm, measured in turns with the other arms on one thread.
struct StepTimes {
  Arm arm;
  std::vector<double> seconds;  ///< the median of each round
};

/// What paired runs say about arm b against arm a in one metric.
struct Comparison {
  Arm a, b;                   ///< the full coordinates of both
  std::string metric;         ///< val_loss (b - a) | epoch_mean_grad_norm_ratio | step_time_ratio (b / a)
  std::int64_t epoch = 0;     ///< 0: not of one epoch
  Interval result;            ///< n pairs, mean (geometric for ratios), 95 % interval (NaN when n < 2); of times n
                              ///< rounds and the median of their ratios
  std::int64_t excluded = 0;  ///< pairs left out: a run diverged or is not there
  PairFacts facts{};          ///< of the values, for ratios of their logarithms; NaN for times
  double p_holm = kNaN;       ///< ratios of epochs: p after Holm's correction over the epochs of the pair
};

/// How the effect of the study's first axis on the validation loss changes with another axis: (b - a) at its value
/// `to` minus (b - a) at `from`, averaged over all other axes within each seed.
struct Interaction {
  std::string key, a, b;       ///< the first axis, its first value and another one
  std::string axis, from, to;  ///< the other axis, its first value and another one
  Interval result;             ///< over the seeds that have all runs done
};

/// A study in memory: what study.json holds.
struct Study {
  Axes axes;
  std::vector<std::uint64_t> seeds;
  std::vector<StudyRun> runs;
  std::vector<Comparison> comparisons;
  std::vector<StepTimes> step_times;  ///< empty: not measured
  std::string command;
};

struct StudyOutcome {
  ExitCode exit = ExitCode::done;     ///< runtime: a run failed or the report could not be drawn; interrupted: stopped
  std::string study_dir, report;      ///< report: path of report.html, empty when there is none
  std::string text;                   ///< the verdict for stdout
  std::string json;                   ///< study.json for --json
  std::vector<std::string> problems;  ///< one sentence each, for stderr
};

/// Runs the grid (what is finished already is kept, what was interrupted continues), writes study.json, report.html and
/// figures/, returns the verdict. Raises UsageError for a bad grid or a folder of another study.
StudyOutcome run_study(const StudyOptions& options);

struct CompareOptions {
  std::vector<std::string> paths;  ///< two or more: run folders, run.h5 files, study folders or study.json files
  std::string out_dir;             ///< folder of report.html and figures/ (empty: a fresh comparisons/NAME)
  bool overwrite = false;
};

struct CompareOutcome {
  std::string text, json, report;
};

/// Pairs runs by seed. Raises UsageError when data, batch order or seed set differ, and says which.
CompareOutcome compare(const CompareOptions& options);

// --- the parts, for reports, tests and tools ---

/// A run read from its file, in study.json's terms; axes are the keys that make the arm.
StudyRun summarize(const RunData& run, const std::vector<std::string>& axes);
/// All comparisons of a grid: for each axis, its first value against each other one, at each value of the other axes.
std::vector<Comparison> compare_arms(const Axes& axes, const std::vector<StudyRun>& runs);
/// For each further value of the first axis that varies, and each further value of every other axis.
std::vector<Interaction> interactions(const Axes& axes, const std::vector<StudyRun>& runs);
/// The effect of each further value of the first axis that varies on the validation loss, averaged over all
/// combinations of the other axes within each seed; a and b have the first axis alone. Empty when no other axis varies.
std::vector<Comparison> main_effects(const Axes& axes, const std::vector<StudyRun>& runs);
/// The ratio of the time of a step for each pair of arms that was measured.
std::vector<Comparison> compare_step_times(const Axes& axes, const std::vector<StepTimes>& times);
/// Both of them, from the study's own axes, runs and times.
std::vector<Comparison> all_comparisons(const Study& study);
std::string study_to_json(const Study& study);
/// What is compared is computed again from the runs. Raises UsageError when the text is not a study.
Study study_from_json(const std::string& text, const std::string& path);
Study read_study(const std::string& path);
/// The verdict as text: a table of the arms and one line for each comparison.
std::string verdict_text(const Study& study);

}  // namespace normscope
