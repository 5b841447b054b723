// How a run starts, is saved, and goes on with the same bits.
#include <cmath>
#include <cstring>
#include <filesystem>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <normscope/file_util.h>

#include "train/checkpoint.h"
#include "train/real_trainer.h"
#include "train/resume_check.h"

namespace normscope::NORMSCOPE_REAL_NAMESPACE {

namespace fs = std::filesystem;

void Trainer::open_run() {
  const bool resume = session_.config.init_from == "resume";
  const bool made = !fs::exists(run_dir_);
  create_output_dir(run_dir_);
  try {
    lock_.emplace(run_dir_);
    const auto newest = newest_checkpoint(run_dir_);
    if (resume && newest && fs::exists(fs::path(run_dir_) / "run.h5")) {
      resume_run(*newest);
    } else {
      if (fs::exists(fs::path(run_dir_) / "run.h5") && !resume && !options_.overwrite)
        throw UsageError(run_dir_ + " holds a run already; add --overwrite to replace it, --init_from resume to continue "
                         "it, or name another folder with --out_dir");
      start_run();
    }
  } catch (...) {
    file_.reset();
    std::error_code ignored;
    if (made) fs::remove_all(run_dir_, ignored);
    throw;
  }
}

void Trainer::start_run() {
  const Config& config = session_.config;
  const fs::path dir = run_dir_;
  if (config.init_from != "scratch" && config.init_from != "resume") {
    const auto weights = fs::exists(config.init_from) ? newest_checkpoint(config.init_from) : std::nullopt;
    if (!weights)
      throw UsageError("init_from = \"" + config.init_from + "\" (" + config.where("init_from") +
                       ") holds no checkpoint; name a run folder, or use scratch or resume");
    load_parameters(session_.model.parameters(), ArrayFileReader(*weights));
  }
  for (const char* old : {"checkpoints", "run.h5", "metrics.jsonl", "config.toml"}) fs::remove_all(dir / old);
  create_output_dir((dir / "checkpoints").string());
  write_text_atomically((dir / "config.toml").string(), config.to_toml());
  file_ = RunFile::create((dir / "run.h5").string(), header());
  metrics_ = MetricsLog::create((dir / "metrics.jsonl").string());
}

void Trainer::save_checkpoint() {
  file_->flush();   // the run file holds every row up to here before the checkpoint counts
  ArrayFileWriter file(checkpoint_path(run_dir_, next_));
  file.attribute("format", "normscope-checkpoint");
  file.attribute("config_json", session_.config.to_json());
  file.attribute("tokenizer_json", corpus_.tokenizer->to_json());
  file.attribute("data", corpus_.source);
  file.attribute("data_sha256", corpus_.sha256);
  const std::int64_t state[] = {next_, optimizer_.steps()};
  file.write("state/steps", Array::Type::i64, {2}, state);
  const double elapsed = elapsed_s();
  file.write("state/elapsed_s", Array::Type::f64, {}, &elapsed);
  file.write("state/epoch", Array::Type::f64, {static_cast<std::int64_t>(epoch_.state().size())}, epoch_.state().data());
  const auto& parameters = session_.model.parameters().all();
  for (std::size_t p = 0; p < parameters.size(); ++p) {
    const auto shape = parameters[p].shape.vector();
    file.write("params/" + parameters[p].path, real_type(), shape, parameters[p].value());
    file.write("optimizer/first/" + parameters[p].path, real_type(), shape, optimizer_.first()[p].data());
    if (!optimizer_.second().empty())
      file.write("optimizer/second/" + parameters[p].path, real_type(), shape, optimizer_.second()[p].data());
  }
  file.commit();
  remove_older_checkpoints(run_dir_);
}

void Trainer::resume_run(const std::string& checkpoint) {
  const ArrayFileReader file(checkpoint);
  const auto attributes = file.attributes();
  check_resumable(session_.config, Config::from_json(attributes.at("config_json")), attributes.at("data_sha256"),
                  corpus_.sha256);
  std::int64_t steps[2];
  std::memcpy(steps, file.read("state/steps").bytes.data(), sizeof steps);
  next_ = steps[0];
  optimizer_.set_steps(steps[1]);
  std::memcpy(&elapsed_before_, file.read("state/elapsed_s").bytes.data(), sizeof elapsed_before_);
  const Array epoch = file.read("state/epoch");
  std::vector<double> state(static_cast<std::size_t>(epoch.numel()));
  std::memcpy(state.data(), epoch.bytes.data(), epoch.bytes.size());
  epoch_.restore(state);
  load_parameters(session_.model.parameters(), file);
  const auto& parameters = session_.model.parameters().all();
  for (std::size_t p = 0; p < parameters.size(); ++p) {
    copy_reals(file.read("optimizer/first/" + parameters[p].path), optimizer_.first()[p].data());
    if (!optimizer_.second().empty())
      copy_reals(file.read("optimizer/second/" + parameters[p].path), optimizer_.second()[p].data());
  }
  const fs::path dir = run_dir_;
  const std::string run = (dir / "run.h5").string();
  if (next_ >= steps_) {   // nothing left to do: say again what it found
    const RunData data = read_run(run);
    if (!data.evals.empty()) last_eval_ = data.evals.back();
  }
  file_ = RunFile::resume(run, next_);
  metrics_ = MetricsLog::resume((dir / "metrics.jsonl").string(), next_);
}

}  // namespace normscope::NORMSCOPE_REAL_NAMESPACE
