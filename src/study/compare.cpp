// Runs and studies side by side, paired by seed when they saw the same batches.
#include <fmt/format.h>
#include "study/report.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <set>

#include "config/config_text.h"
#include "io/output_folder.h"
#include "study/arms.h"
#include "study/curves.h"
#include "study/verdict.h"

namespace normscope {
namespace {

namespace fs = std::filesystem;

struct Loaded {
  std::string source;  ///< the path that was given
  RunData data;
  StudyRun run;
  std::vector<std::string> axes;  ///< of the study it is part of, in order
};

std::string join(const std::set<std::string>& values) {
  std::string out;
  for (const std::string& value : values) out += (out.empty() ? "" : ", ") + value;
  return out;
}

std::vector<Loaded> load(const std::vector<std::string>& paths) {
  std::vector<Loaded> out;
  const auto add = [&](const std::string& source, const fs::path& file) {
    out.push_back({source, read_run(file.string()), {}, {}});
    out.back().run = summarize(out.back().data, {});
    out.back().run.file = file.string();
    out.back().run.name = file.parent_path().filename().string();
  };
  for (const std::string& path : paths) {
    const fs::path place = path;
    if (!fs::exists(place))
      throw UsageError(fmt::format("[compare] {} does not exist; give run or study folders", path));
    const bool folder = fs::is_directory(place);
    if ((folder && fs::exists(place / "study.json")) || place.extension() == ".json") {
      const fs::path dir = folder ? place : place.parent_path();
      std::size_t before = out.size();
      const Study study = read_study(path);
      for (const StudyRun& run : study.runs) {
        if (!fs::exists(dir / run.file)) continue;
        add(path, dir / run.file);
        for (const auto& axis : study.axes) out.back().axes.push_back(axis.first);
      }
      if (out.size() == before) throw UsageError(fmt::format("[compare] the study {} has no started run", path));
    } else {
      const fs::path file = folder ? place / "run.h5" : place;
      if (!fs::exists(file)) {
        throw UsageError(
            fmt::format("[compare] {} contains neither study.json nor run.h5; give run or study folders", path));
      }
      add(path, file);
    }
  }
  return out;
}

std::string text_of(const Loaded& one, const std::string& key) {
  const auto found = one.run.config.find(key);
  return found == one.run.config.end() || found->second.empty() ? std::string("none") : found->second;
}

/// Every key in which the runs differ, each with its values in order of appearance.
Axes differing_keys(const std::vector<Loaded>& runs) {
  Axes keys;
  for (const KeyInfo& info : config_keys()) {
    const std::string key = info.name;
    if (role_is(key, {KeyRole::seed, KeyRole::start, KeyRole::machine})) continue;
    std::vector<std::string> values;
    for (const Loaded& one : runs) {
      const std::string value = text_of(one, key);
      if (std::find(values.begin(), values.end(), value) == values.end()) values.push_back(value);
    }
    if (values.size() > 1) keys.emplace_back(key, values);
  }
  return keys;
}

/// Does one key's value tell the other's, in all runs and both ways (n_inner follows arch, min_lr learning_rate)?
bool same_split(const std::vector<Loaded>& runs, const std::string& a, const std::string& b) {
  std::map<std::string, std::string> there, back;
  for (const Loaded& one : runs) {
    const std::string x = text_of(one, a), y = text_of(one, b);
    if (there.emplace(x, y).first->second != y || back.emplace(y, x).first->second != x) return false;
  }
  return true;
}

/// The arms. Of keys that only differ together the first one of the table of keys is named. Keys that are no axis of
/// the first study come first: in them the paths differ. Then its axes, in its order.
Axes differing_axes(const std::vector<Loaded>& runs) {
  Axes axes;
  for (const auto& [key, values] : differing_keys(runs)) {
    const bool known =
        std::any_of(axes.begin(), axes.end(), [&, k = key](const auto& a) { return same_split(runs, a.first, k); });
    if (!known) axes.emplace_back(key, values);
  }
  const std::vector<std::string>& ordered = runs.front().axes;
  const auto rank = [&](const auto& axis) {
    return std::find(ordered.begin(), ordered.end(), axis.first) - ordered.begin();
  };
  std::stable_sort(axes.begin(), axes.end(), [&](const auto& a, const auto& b) {
    const auto left = rank(a), right = rank(b), end = std::ptrdiff_t(ordered.size());
    return (left == end ? -1 : left) < (right == end ? -1 : right);
  });
  return axes;
}

/// "learning_rate (0.001, 0.0003), min_lr (0.0001, 3e-05)": the keys beside the axes in which the runs differ, or
/// empty.
std::string differing_beside(const std::vector<Loaded>& runs, const Axes& axes) {
  std::string out;
  for (const auto& [key, values] : differing_keys(runs)) {
    const bool named =
        std::any_of(axes.begin(), axes.end(), [&, k = key](const auto& axis) { return axis.first == k; });
    if (!named) out += fmt::format("{}{} ({})", out.empty() ? "" : ", ", key, fmt::join(values, ", "));
  }
  return out;
}

void set_arms(std::vector<Loaded>* runs, const Axes& axes) {
  for (Loaded& one : *runs) {
    one.run.arm.clear();
    for (const auto& [key, values] : axes) {
      one.run.arm[key] = text_of(one, key);
    }
  }
}

/// Is every combination of the axes there, each seed once?
bool is_grid(const std::vector<Loaded>& runs, const Axes& axes) {
  std::set<Arm> arms;
  std::set<std::pair<Arm, std::uint64_t>> places;
  for (const Loaded& one : runs) {
    arms.insert(one.run.arm);
    if (!places.insert({one.run.arm, one.run.seed}).second) return false;
  }
  return !axes.empty() && arms.size() == arms_of(axes).size();
}

/// The arms as a grid; where the runs form none, each path that was given, or each arm in it, is a value of the axis
/// "run".
Axes choose_axes(std::vector<Loaded>* runs) {
  Axes axes = differing_axes(*runs);
  set_arms(runs, axes);
  if (is_grid(*runs, axes)) return axes;
  std::map<std::string, std::set<Arm>> inside;
  for (const Loaded& one : *runs) inside[one.source].insert(one.run.arm);
  std::vector<std::string> values;
  for (Loaded& one : *runs) {
    const std::string value = one.source + (inside[one.source].size() > 1 ? ": " + arm_text(one.run.arm, axes) : "");
    if (std::find(values.begin(), values.end(), value) == values.end()) values.push_back(value);
    one.run.arm = {{"run", value}};
  }
  axes = {{"run", values}};
  if (!is_grid(*runs, axes)) throw UsageError("[compare] a run is given twice; give each path once");
  return axes;
}

[[noreturn]] void refuse(const std::string& what, const std::string& a, const std::string& b, const std::string& from,
                         const std::string& other) {
  throw UsageError(
      fmt::format("[compare] these runs cannot be paired: {} differs ({} in {}, {} in {}); pairs must see the "
                  "same batches in the same order",
                  what, a, from, b, other));
}

void check_pairing(const std::vector<Loaded>& runs, const Axes& axes) {
  const Loaded& first = runs.front();
  for (const Loaded& one : runs) {
    for (const KeyInfo& info : config_keys()) {
      const std::string key = info.name;
      if (info.role != KeyRole::batch || key == "data") continue;  // the data's hash is compared below
      if (text_of(one, key) != text_of(first, key))
        refuse(key, text_of(first, key), text_of(one, key), first.run.file, one.run.file);
    }
  }
  // Generated data follow the seed: hashes are compared between runs of the same seed.
  std::map<std::uint64_t, const Loaded*> by_seed;
  for (const Loaded& one : runs) {
    const Loaded*& other = by_seed.emplace(one.run.seed, &one).first->second;
    if (other->data.data_sha256 != one.data.data_sha256) {
      refuse("the data (sha256)", other->data.data_sha256.substr(0, 12), one.data.data_sha256.substr(0, 12),
             other->run.file, one.run.file);
    }
  }
  std::map<Arm, std::set<std::string>> seeds;
  std::map<Arm, std::string> files;
  for (const Loaded& one : runs) {
    seeds[one.run.arm].insert(std::to_string(one.run.seed));
    files.emplace(one.run.arm, one.run.file);
  }
  const auto& expected = seeds[runs.front().run.arm];
  for (const auto& [arm, set] : seeds) {
    if (set != expected) {
      refuse("the seed set", join(expected), join(set), arm_text(runs.front().run.arm, axes), arm_text(arm, axes));
    }
  }
}

/// Without seeds to average over: the ratio's course along the steps, in ten parts.
std::string stepwise_text(const std::vector<Loaded>& runs) {
  const auto curve = [](const RunData& run) {
    return binned(run, 10, [&](std::size_t i) { return matrix_norm_mean(run, i); });
  };
  std::string out;
  for (std::size_t i = 1; i < runs.size(); ++i) {
    const Curve a = curve(runs.front().data), b = curve(runs[i].data);
    out += fmt::format("\ngradient norm ratio {} / {} along the steps (mean of each bin, no interval):\n",
                       runs[i].run.name, runs.front().run.name);
    for (std::size_t k = 0; k < std::min(a.x.size(), b.x.size()); ++k) {
      out += fmt::format("  step {:>7.0f}: {}\n", a.x[k], number_text(b.y[k] / a.y[k], 3));
    }
  }
  return out;
}

std::string fresh_dir(const std::vector<std::string>& paths) {
  const auto name = [](const std::string& path) {
    const fs::path clean = fs::path(path).lexically_normal();
    const fs::path leaf = clean.has_filename() ? clean : clean.parent_path();
    return leaf.has_extension() && leaf.has_parent_path() ? leaf.parent_path().filename().string()
                                                          : leaf.filename().string();
  };
  return free_folder("comparisons/" + name(paths[0]) + "_and_" + name(paths[1]) +
                     (paths.size() > 2 ? "_and_others" : ""));
}

}  // namespace

CompareOutcome compare(const CompareOptions& options) {
  if (options.paths.size() < 2) throw UsageError("[compare] give the folders of two or more runs or studies");
  std::vector<Loaded> runs = load(options.paths);
  ReportInput input;
  input.study.axes = choose_axes(&runs);
  check_pairing(runs, input.study.axes);
  std::set<std::uint64_t> seeds;
  for (const Loaded& one : runs) {
    input.study.runs.push_back(one.run);
    seeds.insert(one.run.seed);
  }
  check_val_targets(input.study.runs);
  input.study.seeds.assign(seeds.begin(), seeds.end());
  input.study.comparisons = all_comparisons(input.study);
  input.study.command = "normscope compare";
  for (const std::string& path : options.paths) input.study.command += " " + path;
  input.command = input.study.command;
  input.title = "Comparison of " + arm_label(runs.front().run.arm, input.study.axes);
  const auto arms = arms_of(input.study.axes);
  for (std::size_t a = 1; a < arms.size() && a < 4; ++a) {
    input.title += (a + 1 == arms.size() ? " and " : ", ") + arm_label(arms[a], input.study.axes);
  }

  if (const std::string beside = differing_beside(runs, input.study.axes); !beside.empty())
    input.note = "The runs also differ in these keys, which may be the cause: " + beside + ".";

  CompareOutcome out;
  out.text = verdict_text(input.study);
  if (!input.note.empty()) out.text += "\n" + input.note + "\n";
  if (seeds.size() == 1) out.text += stepwise_text(runs);
  out.json = study_to_json(input.study);
  for (Loaded& one : runs) input.runs.push_back(std::move(one.data));
  out.report =
      write_report(input, options.out_dir.empty() ? fresh_dir(options.paths) : options.out_dir, options.overwrite);
  return out;
}

}  // namespace normscope
