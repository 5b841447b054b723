#include "train/trainer.h"

#include <cmath>

#include <fmt/format.h>

#include "config/resume_check.h"
#include "core/decimal_text.h"
#include "run/checkpoint.h"
#include "run/saved_run.h"
#include "train/run_header.h"

NORMSCOPE_BEGIN

namespace {
constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();

std::vector<bool> select(const std::vector<std::string>& globs, const std::vector<std::string>& names) {
  std::vector<bool> selected;
  for (const std::string& name : names) selected.push_back(matches_any(globs, name));
  return selected;
}

std::vector<std::string> names(const std::vector<ParamInfo>& params) {
  std::vector<std::string> list;
  for (const ParamInfo& p : params) list.push_back(p.name);
  return list;
}
}  // namespace

Trainer::Trainer(const Config& config, const TrainOptions& options, const Corpus& corpus)
    : session_(config, corpus.shape()),
      options_(options),
      corpus_(corpus),
      data_(corpus, *session_.model, sampler_options(config)),
      steps_(total_steps(config, data_.sampler)),
      step_(*session_.model, *data_.source, step_options(config, steps_)),
      params_(describe(session_.model->parameters())),
      param_selected_(select(config.probe, names(params_))),
      probe_(session_.model->points(), select(config.probe, session_.model->points())),
      health_(*session_.model),
      judge_(corpus.shape().classes),
      epoch_(params_, session_.model->points().size()) {
  for (auto* row : {&norm_row_, &max_row_, &weight_row_, &update_row_}) row->assign(params_.size(), kNaN);
  grad_norms_.assign(params_.size(), 0);
  if (corpus.val_size() < 2)
    throw UsageError("the validation split has " + std::to_string(corpus.val_size()) +
                     " tokens, too few for a prediction; give longer data");
}

double Trainer::elapsed_s() const {
  return elapsed_before_ + std::chrono::duration<double>(std::chrono::steady_clock::now() - started_).count();
}

double Trainer::tokens_per_s() const {
  return static_cast<double>(step_.predictions_a_step() * (next_ - first_)) / training_s_;  // 0 / 0 without a step
}

Snapshot Trainer::snapshot() {
  return {.parameters = session_.model->parameters(),
          .optimizer = step_.optimizer(),
          .epoch = epoch_,
          .next = next_,
          .elapsed_s = elapsed_s()};
}

void Trainer::save_checkpoint() {
  folder_->file().flush();  // the run file holds every row up to here before the checkpoint counts
  snapshot().save(checkpoint_path(folder_->path(), next_), session_.config, corpus_);
  remove_older_checkpoints(folder_->path());
}

void Trainer::begin() {
  Config& config = session_.config;
  folder_.emplace(config.out_dir);
  if (const auto checkpoint = folder_->find_checkpoint(config, corpus_.sha256, options_.overwrite))
    return resume(*checkpoint);
  if (config.init_from == "auto") config.init_from = "scratch";  // what the run begins with
  if (const auto weights = initial_weights(config)) load_weights(session_.model->parameters(), *weights);
  folder_->start(config, run_header(session_, corpus_, data_.sampler, options_.command));
}

void Trainer::resume(const std::string& checkpoint) {
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
  Snapshot state = snapshot();
  usable([&] { state.restore(file); });
  next_ = first_ = state.next;
  elapsed_before_ = state.elapsed_s;
  const RunData before = read_run(folder_->file_path());
  for (std::size_t i = 0; i < before.step.size() && before.step[i] < next_; ++i)
    judge_.step({.step = before.step[i], .loss = before.loss[i], .grad_norm = before.grad_norm[i]});
  if (next_ >= steps_)  // nothing left to do: say again what it found
    for (const EvalRow& row : before.evals)
      if (row.step < next_) last_eval_ = row;
  session_.config.init_from = then.init_from;  // what the run began with
  folder_->resume(session_.config, next_);
}

StepResult Trainer::step() {
  const Config& config = session_.config;
  const bool probed = next_ % config.probe_interval == 0;
  health_.pass_on_to(probed && !config.probe.empty() ? &probe_ : nullptr);
  const StepResult result = step_.run(next_, &health_);
  probe_.finish_step(probed && !config.probe.empty());
  write_row(result, probed);
  judge_.step({.step = next_,
               .loss = result.loss,
               .grad_norm = step_.gradient_norms().global,
               .nonfinite = health_.nonfinite(result.loss),
               .overflow = health_.overflow()});
  return result;
}

void Trainer::write_row(const StepResult& result, bool probed) {
  const GradientNorms& gradients = step_.gradient_norms();
  const UpdateNorms& updates = step_.update_norms();
  for (std::size_t p = 0; p < params_.size(); ++p) {
    grad_norms_[p] = std::sqrt(gradients.sum_squares[p]);
    const bool shown = probed && param_selected_[p];
    const double weight = std::sqrt(updates.weight_squares[p]);
    norm_row_[p] = shown ? static_cast<float>(grad_norms_[p]) : kNaN;
    max_row_[p] = shown ? static_cast<float>(gradients.max_abs[p]) : kNaN;
    weight_row_[p] = shown ? static_cast<float>(weight) : kNaN;
    update_row_[p] = shown ? static_cast<float>(std::sqrt(updates.change_squares[p]) / weight) : kNaN;
  }
  epoch_.add(result.loss, grad_norms_, probe_.grad_norm);
  StepRow row;
  row.step = next_;
  row.epoch = data_.sampler.epoch_of(next_);
  row.tokens = (next_ + 1) * step_.predictions_a_step();
  row.elapsed_s = elapsed_s();
  row.loss = result.loss;
  row.lr = result.lr;
  row.grad_norm = gradients.global;
  row.clip_coef = result.clip;
  row.param_grad_norm = norm_row_;
  row.param_grad_max_abs = max_row_;
  row.param_weight_norm = weight_row_;
  row.param_update_ratio = update_row_;
  row.residual_grad_norm = probe_.grad_norm;
  row.residual_grad_times_x = probe_.grad_times_x;
  row.residual_rms = probe_.rms;
  row.residual_mean_share = probe_.mean_share;
  folder_->file().append(row);
}

void Trainer::evaluate(bool exact) {
  const Config& c = session_.config;
  const auto seed = static_cast<std::uint64_t>(c.seed);
  const std::int64_t at = next_ - 1;  // the step whose update made these weights
  const auto sampled = [&](const Split& split) {
    return sampled_evaluation(*session_.model, split, c.batch_size, c.eval_iters * c.batch_size, seed, at);
  };
  const Evaluation val = exact ? exact_evaluation(*session_.model, *data_.val, c.batch_size) : sampled(*data_.val);
  last_eval_ = {.step = at, .train_loss = sampled(*data_.train).loss, .val_loss = val.loss, .exact = exact};
  accuracy_ = val.accuracy;
  if (exact) last_attributes_["val_targets"] = std::to_string(val.targets);
  folder_->file().append(last_eval_);
  folder_->metrics().eval(at, last_eval_.val_loss, last_eval_.train_loss);
}

TrainOutcome Trainer::run() {
  try {
    return train_to_end();
  } catch (...) {
    // Memory or disk ended before the first step: there is nothing to resume.
    if (next_ == 0 && folder_) folder_->discard();
    throw;
  }
}

std::string Trainer::train_steps(Progress& progress) {
  const Config& c = session_.config;
  while (next_ < steps_) {
    const double before = elapsed_s();
    const StepResult result = step();
    training_s_ += elapsed_s() - before;
    const std::int64_t done = next_++;
    const bool line = next_ % c.log_interval == 0 || next_ == steps_ || judge_.found();
    const double grad_norm = step_.gradient_norms().global;
    if (line) folder_->metrics().step(done, result.loss, result.lr, grad_norm, elapsed_s());
    progress.step(done, result.loss, grad_norm, result.lr, tokens_per_s(), line);
    if (judge_.found()) return "diverged";
    if (data_.sampler.ends_epoch(done)) folder_->file().append(epoch_.finish(data_.sampler.epoch_of(done), true));
    if (next_ == steps_) break;
    if (c.eval_interval > 0 && next_ % c.eval_interval == 0) {
      folder_->file().flush();
      evaluate(false);
      progress.note(fmt::format("step {}: sampled loss, training {}, validation {}", next_,
                                decimal_text(last_eval_.train_loss, 4), decimal_text(last_eval_.val_loss, 4)));
    }
    if (signals_.stopped()) return "interrupted";  // after the step's evaluation, which resuming would not make up
    if (c.checkpoint_interval > 0 && next_ % c.checkpoint_interval == 0) save_checkpoint();
  }
  return "done";
}

TrainOutcome Trainer::train_to_end() {
  Progress progress(steps_, options_.quiet);
  started_ = std::chrono::steady_clock::now();
  const bool automatic = session_.config.init_from == "auto";
  begin();
  if (first_ > 0) progress.note(fmt::format("resumes {} at step {} of {}", folder_->path(), first_, steps_));
  if (first_ > 0 && first_ >= steps_)
    progress.note("all steps of this run are done; a larger --max_iters or --epochs makes it longer");
  if (first_ == 0 && automatic)
    progress.note(fmt::format("nothing to resume in {}, starts from scratch", folder_->path()));
  progress.note(fmt::format("{} parameters, {} steps of {} tokens, {} threads, {}",
                            session_.model->parameters().numel(), steps_, step_.predictions_a_step(),
                            session_.engine.threads(), folder_->path()));
  std::string status = train_steps(progress);
  const bool evaluated = last_eval_.exact && last_eval_.step == next_ - 1;  // a finished run, resumed
  if (status == "done" && next_ > 0 && !evaluated) {
    folder_->file().flush();
    evaluate(true);
  }
  if (status == "done" && next_ > 0) judge_.end(last_eval_.val_loss);
  if (judge_.found()) {
    status = "diverged";
    last_attributes_.merge(judge_.found()->attributes());
    progress.note("diverged " + judge_.found()->text());
  }
  if (status != "diverged") save_checkpoint();
  if (!epoch_.empty() && status != "interrupted")
    folder_->file().append(epoch_.finish(data_.sampler.epoch_of(next_ - 1), false));
  folder_->file().finish(status, last_attributes_);
  return {.status = status,
          .run_dir = folder_->path(),
          .first_step = first_,
          .steps = next_,
          .parameters = session_.model->parameters().numel(),
          .train_loss = last_eval_.train_loss,
          .val_loss = last_eval_.val_loss,
          .exact = last_eval_.exact,
          .accuracy = accuracy_,
          .elapsed_s = elapsed_s(),
          .tokens_per_s = tokens_per_s(),
          .divergence = judge_.found()};
}

NORMSCOPE_END
