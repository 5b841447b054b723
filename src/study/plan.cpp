#include "study/plan.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>
#include <normscope/core/team.h>

#include <algorithm>
#include <cctype>
#include <filesystem>
#include <limits>
#include <set>

#include "io/output_folder.h"
#include "run/checkpoint.h"
#include "config/config_text.h"
#include <normscope/core/norm_spec.h>
#include <normscope/nn/placement.h>
#include "study/arms.h"
#include "study/report.h"
#include "config/options.h"

namespace normscope {
namespace {

namespace fs = std::filesystem;

/// Letters, digits, '.', '_' and '-' only: fit for a folder.
std::string file_name(const std::string& text) {
  std::string out;
  for (char c : text) {
    const bool plain = std::isalnum(static_cast<unsigned char>(c)) || c == '.' || c == '_' || c == '-';
    if (plain || out.empty() || out.back() != '-') out += plain ? c : '-';
  }
  return out.size() > 100 ? out.substr(0, 100) : out;
}

/// A value in names of files. Formulas that differ in operators alone must not get one name.
std::string value_name(const std::string& key, const std::string& value) {
  if (key == "norm_placement" && is_formula(value)) return formula_short_name(value);
  return norm_short_name(value);
}

/// The axes with every value in the spelling that Config gives it ("1e-3" and "0.001" are one).
Axes canonical_axes(const StudyOptions& options) {
  Axes axes;
  std::set<std::string> keys;
  for (const auto& [key, values] : options.axes) {
    if (role_is(key, {KeyRole::seed, KeyRole::machine})) {
      throw UsageError(
          fmt::format("[ablate] --{} cannot be an axis: {}", key,
                      key == "seed" ? "write --seeds N for the seeds seed, seed + 1, ..." : "give one value"));
    }
    if (!keys.insert(key).second) throw UsageError(fmt::format("[ablate] --{} is given twice; give one list", key));
    if (values.empty()) throw UsageError(fmt::format("[ablate] --{} has no value; give a comma-separated list", key));
    std::set<std::string> seen;
    axes.emplace_back(key, std::vector<std::string>{});
    for (const std::string& value : values) {
      Config config = options.base;
      config.set_list(key, {value}, "--" + key);
      axes.back().second.push_back(config.get(key));
      if (!seen.insert(config.get(key)).second) {
        throw UsageError(fmt::format("[ablate] --{} has the value {} twice; give each value once", key, value));
      }
    }
  }
  return axes;
}

/// The axes in the order of the table of keys, whatever order they were written in: files keep their names.
Axes in_table_order(const Axes& axes) {
  Axes out;
  for (const KeyInfo& key : config_keys())
    for (const auto& axis : axes)
      if (axis.first == key.name) out.push_back(axis);
  return out;
}

std::string default_dir(const StudyOptions& options, const Axes& axes) {
  if (!options.base.name.empty()) return "studies/" + file_name(options.base.name);
  std::string name;
  for (const auto& [key, values] : in_table_order(axes)) {
    name += (name.empty() ? "" : "_") + key;
    for (const std::string& value : values) name += "-" + value_name(key, value);
  }
  return "studies/" + file_name(name.empty() ? "study" : name);
}

void check_data(const std::vector<Config>& configs) {
  std::set<std::string> seen;
  for (const Config& config : configs) {
    if (!seen.insert(data_key(config)).second || seen.size() > 4) continue;
    const Corpus corpus = load_corpus(corpus_options(config));
    if (!corpus.note.empty()) spdlog::info("{}: {}", config.data, corpus.note);
  }
}

void set_workers(const StudyOptions& options, Plan* plan) {
  const int cores = available_cores();
  const int runs = static_cast<int>(plan->study.runs.size());
  const int asked = static_cast<int>(options.base.threads);
  plan->jobs = options.jobs > 0 ? options.jobs : std::max(1, cores / std::max(1, asked));
  plan->jobs = std::max(1, std::min(plan->jobs, runs));
  // One thread each is faster for small models than one run on all cores; a lone worker gets all of them.
  plan->threads = asked > 0 ? asked : std::max(1, plan->jobs > 1 ? cores / plan->jobs : cores);
  if (options.jobs == 0 && asked == 0 && plan->jobs > 1) plan->threads = 1;
}

std::string run_name(const Arm& arm, const Axes& axes, std::uint64_t seed) {
  std::string name;
  for (const auto& [key, values] : in_table_order(axes)) name += key + "-" + value_name(key, arm.at(key)) + "_";
  return file_name(name + fmt::format("seed-{}", seed));
}

/// The first key in which a stored run and a planned one differ, or empty.
std::string differing_key(const StudyRun& old, const StudyRun& now) {
  for (const auto& [key, value] : now.config) {
    const auto found = old.config.find(key);
    const bool matters = !role_is(key, {KeyRole::machine});
    if (found != old.config.end() && found->second != value && matters) return key;
  }
  return "";
}

void check_same(const Study& old, const Plan& plan) {
  const char* advice = "choose another --out_dir, or use --overwrite to delete the old study";
  for (const StudyRun& before : old.runs) {
    const auto same = std::find_if(plan.study.runs.begin(), plan.study.runs.end(),
                                   [&](const StudyRun& run) { return run.name == before.name; });
    if (same == plan.study.runs.end()) {
      std::string what = "seeds";
      for (const auto& [key, value] : before.arm) {
        const auto axis = std::find_if(plan.study.axes.begin(), plan.study.axes.end(),
                                       [&, k = key](const auto& a) { return a.first == k; });
        const bool has = axis != plan.study.axes.end() &&
                         std::find(axis->second.begin(), axis->second.end(), value) != axis->second.end();
        if (!has) what = key;
      }
      if (what == "seeds" && old.axes.size() != plan.study.axes.size()) what = "axes";
      throw UsageError(
          fmt::format("[ablate] {} contains another study: its {} has run {}, which this call does not have; "
                      "a study can be extended but not reduced: {}",
                      plan.dir, what, before.name, advice));
    }
    const std::string key = differing_key(before, *same);
    if (!key.empty()) {
      throw UsageError(fmt::format("[ablate] {} contains another study: {} was {} and is now {}; {}", plan.dir, key,
                                   before.config.at(key), same->config.at(key), advice));
    }
  }
}

/// The folder of each run that ablate named.
std::vector<fs::path> run_folders(const fs::path& dir, const Study& study) {
  std::vector<fs::path> folders;
  for (const StudyRun& run : study.runs) {
    const std::string name = fs::path(run.file).parent_path().filename().string();
    if (!name.empty() && name != "." && name != "..") folders.push_back(dir / "runs" / name);
  }
  return folders;
}

/// Raises UsageError when a run's folder holds a file that neither the run nor its report wrote.
void check_only_ours(const fs::path& folder, const std::vector<fs::path>& ours) {
  std::error_code error;
  for (const auto& entry : fs::recursive_directory_iterator(folder, error))
    if (!entry.is_directory() && entry.path().filename() != ".lock" &&
        std::find(ours.begin(), ours.end(), entry.path()) == ours.end())
      throw UsageError(fmt::format("[ablate] {} is not a file of the study; move it, or choose another --out_dir",
                                   entry.path().string()));
}

/// Removes what the study made, and nothing else: `train` may have put runs of its own beside them.
void remove_study(const fs::path& dir, const Study& study) {
  const auto add = [](std::vector<fs::path>& files, const std::vector<fs::path>& more) {
    files.insert(files.end(), more.begin(), more.end());
  };
  std::vector<fs::path> files = report_files(dir), folders = run_folders(dir, study);
  for (const fs::path& folder : folders) {
    std::vector<fs::path> ours = run_files(folder.string());
    add(ours, report_files(folder));
    check_only_ours(folder, ours);
    add(files, ours);
    for (const char* ending : {".toml", ".log"}) files.push_back(folder.string() + ending);
  }
  files.push_back(dir / "study.json");
  for (const fs::path& file : files) fs::remove(file);
  std::error_code not_empty;
  for (const fs::path& folder : folders)
    for (const fs::path& empty : {folder / "checkpoints", folder / "figures", folder}) fs::remove(empty, not_empty);
  for (const char* name : {"runs", "figures"}) fs::remove(dir / name, not_empty);
}

void check_study_folder(const std::string& dir) {
  check_output_folder(dir, Result::study, true);  // ablate continues the study it finds
  if (holds(dir, Result::run))
    throw UsageError(fmt::format("[ablate] {} contains a run, not a study; choose another --out_dir", dir));
}

}  // namespace

std::string data_key(const Config& config) {
  return fmt::format("{}\n{}\n{}\n{}", config.data, config.tokenizer, config.train_tokens,
                     config.data.rfind("synthetic:", 0) == 0 ? config.seed : 0);
}

Plan make_plan(const StudyOptions& options) {
  if (options.seeds < 1) throw UsageError(fmt::format("[ablate] --seeds {}: at least 1 is needed", options.seeds));
  if (options.jobs < 0) throw UsageError(fmt::format("[ablate] --jobs {}: 0 (as many as cores) or more", options.jobs));
  constexpr std::int64_t kMostSeeds = 10000;
  if (options.seeds > kMostSeeds || options.base.seed > std::numeric_limits<std::int64_t>::max() - options.seeds)
    throw UsageError(fmt::format("[ablate] --seeds {} from seed {} on: at most {}, and below 2^63", options.seeds,
                                 options.base.seed, kMostSeeds));
  Plan plan;
  plan.study.axes = canonical_axes(options);
  plan.study.command = options.command;
  plan.dir = options.out_dir.empty() ? default_dir(options, plan.study.axes) : options.out_dir;
  check_study_folder(plan.dir);
  std::map<std::string, int> names;
  for (std::int64_t s = 0; s < options.seeds; ++s) {
    const auto seed = options.base.seed + s;
    plan.study.seeds.push_back(static_cast<std::uint64_t>(seed));
    // All arms of a seed one after the other: paired runs see the same state of the machine.
    for (const Arm& arm : arms_of(plan.study.axes)) {
      Config config = options.base;
      for (const auto& [key, value] : arm) config.set_list(key, {value}, "--" + key);
      config.seed = seed;
      StudyRun run;
      run.seed = static_cast<std::uint64_t>(seed);
      run.arm = arm;
      run.name = run_name(arm, plan.study.axes, run.seed);
      if (const int copies = names[run.name]++; copies > 0) run.name += fmt::format("-{}", copies + 1);
      run.file = "runs/" + run.name + "/run.h5";
      config.name = run.name;
      config.out_dir = (fs::path(plan.dir) / "runs" / run.name).string();
      config.resolve();
      plan.configs.push_back(config);
      plan.study.runs.push_back(run);
    }
  }
  set_workers(options, &plan);
  for (std::size_t i = 0; i < plan.configs.size(); ++i) {
    plan.configs[i].threads = plan.threads;
    plan.study.runs[i].config_json = plan.configs[i].to_json();
    plan.study.runs[i].config = config_texts(plan.study.runs[i].config_json);
  }
  check_data(plan.configs);
  return plan;
}

void adopt_folder(Plan* plan, bool overwrite) {
  const fs::path dir = plan->dir;
  check_study_folder(plan->dir);
  if (!holds(dir, Result::study)) return;
  const Study old = read_study(plan->dir);
  if (overwrite) return remove_study(dir, old);
  check_same(old, *plan);
  plan->study.step_times = old.step_times;
}

}  // namespace normscope
