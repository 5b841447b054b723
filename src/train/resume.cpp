// How a run starts, is saved, and goes on with the same bits.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <filesystem>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "io/file_util.h"

#include "run/checkpoint.h"
#include "run/saved_run.h"
#include "train/trainer.h"
#include "config/resume_check.h"

NORMSCOPE_BEGIN

namespace fs = std::filesystem;

void Trainer::open_run() {
  const fs::path dir = run_dir_;
  std::vector<fs::path> missing;
  std::error_code ignored;
  for (fs::path p = dir; !p.empty() && !fs::exists(p, ignored); p = p.parent_path()) missing.push_back(p);
  create_output_dir(run_dir_);
  lock_.emplace(run_dir_);
  // Only now: two runs may have made the folder at once, and the other may have used it.
  const auto strange = [](const fs::directory_entry& entry) { return entry.path().filename() != ".lock"; };
  if (std::none_of(fs::directory_iterator(dir), fs::directory_iterator(), strange)) made_ = missing;

  const std::string& from = session_.config.init_from;
  if ((from == "resume" || from == "auto") && can_resume(run_dir_)) return resume_run(*newest_checkpoint(run_dir_));
  if (from == "resume") require_resumable(run_dir_);
  check_run_folder(session_.config, options_.overwrite);  // again: another process may have used it until now
  if (!options_.overwrite && fs::exists(dir / "run.h5")) check_same_run(dir / "run.h5");
  start_run();
}

/// init_from auto starts a run without a checkpoint afresh, but only with its own configuration.
void Trainer::check_same_run(const fs::path& file) const {
  RunData old;
  try {
    old = read_run(file.string());
  } catch (const Error&) {
    return;  // killed while it was being made
  }
  check_resumable(session_.config, Config::from_json(old.config_json), old.data_sha256, corpus_.sha256);
}

void Trainer::discard_run() {
  file_.reset();
  metrics_.reset();
  if (fresh_) remove_run_files(run_dir_);
  std::error_code ignored;
  if (!made_.empty()) fs::remove_all(run_dir_, ignored);
  for (const fs::path& folder : made_) fs::remove(folder, ignored);  // only where empty
}

void Trainer::start_run() {
  Config& config = session_.config;
  const fs::path dir = run_dir_;
  if (config.init_from == "auto") config.init_from = "scratch";  // what the run begins with
  if (config.init_from != "scratch") {
    const auto weights = fs::exists(config.init_from) ? newest_checkpoint(config.init_from) : std::nullopt;
    if (!weights)
      throw UsageError("init_from = \"" + config.init_from + "\" (" + config.where("init_from") +
                       ") holds no checkpoint; name a run folder, or use scratch, resume or auto");
    load_parameters(session_.model.parameters(), ArrayFileReader(*weights));
  }
  remove_run_files(run_dir_);
  fresh_ = true;
  file_ = RunFile::create((dir / "run.h5").string(), header());  // first: it tells that the folder is ours
  create_output_dir((dir / "checkpoints").string());
  write_text_atomically((dir / "config.toml").string(), config.to_toml());
  metrics_ = MetricsLog::create((dir / "metrics.jsonl").string());
}

void Trainer::save_checkpoint() {
  file_->flush();  // the run file holds every row up to here before the checkpoint counts
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
  file.write("state/epoch", Array::Type::f64, {static_cast<std::int64_t>(epoch_.state().size())},
             epoch_.state().data());
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

namespace {
/// An array of exactly this shape, so that a damaged file cannot write past a buffer.
Array read_shaped(const ArrayFileReader& file, const std::string& name, const std::vector<std::int64_t>& shape) {
  Array array = file.read(name);
  if (array.shape != shape)
    throw UsageError(name + " has shape " + Shape(array.shape).str() + ", not " + Shape(shape).str());
  return array;
}
}  // namespace

void Trainer::restore(const ArrayFileReader& file) {
  const Array counts = read_shaped(file, "state/steps", {2}), elapsed = read_shaped(file, "state/elapsed_s", {});
  if (counts.type != Array::Type::i64 || elapsed.type != Array::Type::f64) throw UsageError("its state is damaged");
  std::int64_t steps[2];
  std::memcpy(steps, counts.bytes.data(), sizeof steps);
  if (steps[0] < 0 || steps[1] < 0 || steps[1] > steps[0]) throw UsageError("its step numbers are damaged");
  std::memcpy(&elapsed_before_, elapsed.bytes.data(), sizeof elapsed_before_);
  const auto size = static_cast<std::int64_t>(epoch_.state().size());
  const Array epoch = read_shaped(file, "state/epoch", {size});
  if (epoch.type != Array::Type::f64) throw UsageError("its state is damaged");
  std::vector<double> state(static_cast<std::size_t>(size));
  std::memcpy(state.data(), epoch.bytes.data(), epoch.bytes.size());
  epoch_.restore(state);
  load_parameters(session_.model.parameters(), file);
  const auto& parameters = session_.model.parameters().all();
  for (std::size_t p = 0; p < parameters.size(); ++p) {
    const auto shape = parameters[p].shape.vector();
    copy_reals(read_shaped(file, "optimizer/first/" + parameters[p].path, shape), optimizer_.first()[p].data());
    if (!optimizer_.second().empty())
      copy_reals(read_shaped(file, "optimizer/second/" + parameters[p].path, shape), optimizer_.second()[p].data());
  }
  optimizer_.set_steps(steps[1]);
  next_ = steps[0];
}

void Trainer::resume_run(const std::string& checkpoint) {
  const auto usable = [&](const auto& action) {
    try {
      return action();
    } catch (const Error& error) {
      throw UsageError("cannot resume from " + checkpoint + ": " + error.what() +
                       "; delete that file to go on from an older one or the start, or add --overwrite without resume");
    }
  };
  const ArrayFileReader file = usable([&] { return ArrayFileReader(checkpoint); });
  const auto attribute = [&, all = usable([&] { return file.attributes(); })](const std::string& name) {
    const auto found = all.find(name);
    return found == all.end() ? "" : found->second;
  };
  const Config then = usable([&] { return Config::from_json(attribute("config_json")); });
  check_resumable(session_.config, then, attribute("data_sha256"), corpus_.sha256);
  usable([&] { restore(file); });
  const fs::path dir = run_dir_;
  const std::string run = (dir / "run.h5").string();
  if (next_ >= steps_)  // nothing left to do: say again what it found
    for (const EvalRow& row : read_run(run).evals)
      if (row.step < next_) last_eval_ = row;
  session_.config.init_from = then.init_from;                      // what the run began with
  file_ = RunFile::resume(run, next_, session_.config.to_json());  // on a full disk nothing has changed yet
  write_text_atomically((dir / "config.toml").string(), session_.config.to_toml());
  metrics_ = MetricsLog::resume((dir / "metrics.jsonl").string(), next_);
}

NORMSCOPE_END
