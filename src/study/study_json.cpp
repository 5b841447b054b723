// study.json: written and read back.
#include <fmt/format.h>
#include "io/output_folder.h"

#include <cmath>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "study/arms.h"

namespace normscope {
namespace {

using Json = nlohmann::ordered_json;  // keeps the order of axes

Json typed(const std::string& key, const std::string& value) {
  for (const KeyInfo& info : config_keys()) {
    if (info.name != key || std::string(info.type) == "text" || std::string(info.type) == "list") continue;
    const Json parsed = Json::parse(value, nullptr, false);
    if (!parsed.is_discarded()) return parsed;
  }
  return value;
}

std::string text_of(const Json& value) { return value.is_string() ? value.get<std::string>() : value.dump(); }

Json arm_json(const Arm& arm) {
  Json out = Json::object();
  for (const auto& [key, value] : arm) out[key] = typed(key, value);
  return out;
}

Arm arm_from(const Json& json) {
  Arm arm;
  for (const auto& [key, value] : json.items()) arm[key] = text_of(value);
  return arm;
}

double number_or_nan(const Json& json, const char* key) {
  const auto found = json.find(key);
  return found == json.end() || !found->is_number() ? kNaN : found->get<double>();
}

Json finite(double value) { return std::isfinite(value) ? Json(value) : Json(nullptr); }

Json run_json(const StudyRun& run) {
  Json out;
  const Json config = Json::parse(run.config_json.empty() ? "{}" : run.config_json, nullptr, false);
  out["config"] = config.is_object() ? config : Json::object();
  out["file"] = run.file;
  out["status"] = run.status;
  out["val_loss"] = finite(run.val_loss);
  out["val_targets"] = run.val_targets > 0 ? Json(run.val_targets) : Json(nullptr);
  out["epoch_mean_grad_norm"] = Json::array();
  for (double value : run.epoch_mean_grad_norm) out["epoch_mean_grad_norm"].push_back(finite(value));
  out["epoch_complete"] = run.epoch_complete;
  out["train_loss"] = finite(run.train_loss);
  out["name"] = run.name;
  out["seed"] = run.seed;
  out["arm"] = arm_json(run.arm);
  return out;
}

StudyRun run_from(const Json& json) {
  StudyRun run;
  run.config_json = json.at("config").dump();
  run.config = config_texts(run.config_json);
  run.file = json.at("file").get<std::string>();
  run.status = json.at("status").get<std::string>();
  run.val_loss = number_or_nan(json, "val_loss");
  const auto targets = json.find("val_targets");
  if (targets != json.end() && targets->is_number_integer()) run.val_targets = targets->get<std::int64_t>();
  run.train_loss = number_or_nan(json, "train_loss");
  for (const Json& value : json.at("epoch_mean_grad_norm")) {
    run.epoch_mean_grad_norm.push_back(value.is_number() ? value.get<double>() : kNaN);
  }
  for (const Json& value : json.value("epoch_complete", Json::array())) run.epoch_complete.push_back(value.get<bool>());
  run.name = json.value("name", "");
  run.seed = json.value("seed", std::uint64_t{0});
  run.arm = arm_from(json.value("arm", Json::object()));
  return run;
}

Json comparison_json(const Comparison& row) {
  Json out;
  out["a"] = arm_json(row.a);
  out["b"] = arm_json(row.b);
  out["metric"] = row.metric;
  out["epoch"] = row.epoch > 0 ? Json(row.epoch) : Json(nullptr);
  out["n"] = row.result.n;
  out["mean"] = finite(row.result.mean);
  out["ci95"] = Json::array({finite(row.result.low), finite(row.result.high)});
  out["excluded"] = row.excluded;
  if (row.metric == kTimeRatio) return out;
  out["p"] = finite(row.facts.p);
  if (row.metric == kGradRatio) out["p_holm"] = finite(row.p_holm);
  out["smallest_effect"] = finite(row.facts.detectable);
  out["correlation"] = finite(row.facts.correlation);
  out["unpaired_seeds"] =
      std::isfinite(row.facts.unpaired) ? Json(static_cast<std::int64_t>(row.facts.unpaired)) : Json(nullptr);
  return out;
}

Json step_times_json(const StepTimes& times) {
  Json out;
  out["arm"] = arm_json(times.arm);
  out["seconds"] = Json::array();
  for (double value : times.seconds) out["seconds"].push_back(finite(value));
  return out;
}

StepTimes step_times_from(const Json& json) {
  StepTimes times{arm_from(json.at("arm")), {}};
  for (const Json& value : json.at("seconds")) times.seconds.push_back(value.is_number() ? value.get<double>() : kNaN);
  return times;
}

Json interaction_json(const Interaction& row) {
  Json out;
  out["key"] = row.key;
  out["a"] = typed(row.key, row.a);
  out["b"] = typed(row.key, row.b);
  out["axis"] = row.axis;
  out["from"] = typed(row.axis, row.from);
  out["to"] = typed(row.axis, row.to);
  out["metric"] = kValLoss;
  out["n"] = row.result.n;
  out["mean"] = finite(row.result.mean);
  out["ci95"] = Json::array({finite(row.result.low), finite(row.result.high)});
  out["excluded"] = row.result.excluded;
  return out;
}

}  // namespace

std::string study_to_json(const Study& study) {
  Json out;
  out["format"] = kStudyFormat;
  out["format_version"] = 1;
  out["command"] = study.command;
  out["axes"] = Json::object();
  for (const auto& [key, values] : study.axes) {
    out["axes"][key] = Json::array();
    for (const std::string& value : values) out["axes"][key].push_back(typed(key, value));
  }
  out["seeds"] = study.seeds;
  out["runs"] = Json::array();
  for (const StudyRun& run : study.runs) out["runs"].push_back(run_json(run));
  out["comparisons"] = Json::array();
  for (const Comparison& row : study.comparisons) out["comparisons"].push_back(comparison_json(row));
  out["interactions"] = Json::array();
  for (const Interaction& row : interactions(study.axes, study.runs))
    out["interactions"].push_back(interaction_json(row));
  if (!study.step_times.empty()) out["step_times"] = Json::array();
  for (const StepTimes& times : study.step_times) out["step_times"].push_back(step_times_json(times));
  return out.dump(1, ' ', false, Json::error_handler_t::replace) + "\n";
}

Study study_from_json(const std::string& text, const std::string& path) {
  const Json json = Json::parse(text, nullptr, false);
  if (!json.is_object() || json.value("format", "") != kStudyFormat) {
    throw UsageError(
        fmt::format("[study] {} is not a study: its \"format\" is not \"normscope-study\"; give a folder "
                    "written by `normscope ablate`",
                    path));
  }
  try {
    Study study;
    for (const auto& [key, values] : json.at("axes").items()) {
      study.axes.emplace_back(key, std::vector<std::string>{});
      for (const Json& value : values) study.axes.back().second.push_back(text_of(value));
    }
    study.seeds = json.at("seeds").get<std::vector<std::uint64_t>>();
    for (const Json& run : json.at("runs")) study.runs.push_back(run_from(run));
    for (const Json& times : json.value("step_times", Json::array()))
      study.step_times.push_back(step_times_from(times));
    study.comparisons = all_comparisons(study);
    study.command = json.value("command", "");
    return study;
  } catch (const Json::exception& error) {
    throw UsageError(
        fmt::format("[study] {} is damaged ({}); choose another folder with --out_dir", path, error.what()));
  }
}

Study read_study(const std::string& path) {
  namespace fs = std::filesystem;
  const fs::path file = fs::is_directory(path) ? fs::path(path) / "study.json" : fs::path(path);
  std::ifstream in(file, std::ios::binary);
  if (!in) throw UsageError(fmt::format("[study] cannot read {}; give the folder of a study", file.string()));
  std::ostringstream text;
  text << in.rdbuf();
  return study_from_json(text.str(), file.string());
}

}  // namespace normscope
