#include "train/trainer.h"

#include <cmath>

#include <fmt/format.h>

#include "config/resume_check.h"
#include "core/decimal_text.h"
#include "core/text.h"
#include "run/checkpoint.h"
#include "run/saved_run.h"
#include "train/run_header.h"

NORMSCOPE_BEGIN

Trainer::Trainer(const Config& config, const TrainOptions& options, const Corpus& corpus)
    : session_(config, corpus.shape()),
      options_(options),
      corpus_(corpus),
      data_(corpus, *session_.model, sampler_options(config)),
      steps_(total_steps(config, data_.sampler)),
      step_(*session_.model, *data_.source, step_options(config, steps_)),
      statistics_(config, *session_.model),
      health_(*session_.model),
      judge_(corpus.shape().classes),
      epoch_(describe(session_.model->parameters()), session_.model->points().size()) {
  health_.pass_on_to(&statistics_);
  if (corpus.val_size() < 2)
    throw UsageError("the validation split has " + std::to_string(corpus.val_size()) +
                     " tokens, too few for a prediction; use more data");
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
  RunHeader header = run_header(session_, corpus_, data_.sampler, options_.command);
  header.statistics = statistics_.columns();
  folder_->start(config, header);
}

void Trainer::resume(const std::string& checkpoint) {
  const auto usable = [&](const auto& action) {
    try {
      return action();
    } catch (const Error& error) {
      throw UsageError(
          "cannot resume from " + checkpoint + ": " + error.what() +
          "; delete that file to resume from an older one or start over, or use --overwrite without resume");
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
  folder_->resume(session_.config, next_, statistics_.columns());
}

StepResult Trainer::step() {
  const StepResult result = step_.run(next_, &health_);
  write_row(result);
  judge_.step({.step = next_,
               .loss = result.loss,
               .grad_norm = step_.gradient_norms().global,
               .nonfinite = health_.nonfinite(result.loss),
               .overflow = health_.overflow()});
  return result;
}

void Trainer::write_row(const StepResult& result) {
  epoch_.add(result.loss, statistics_.grad_norms(), statistics_.row("residual/grad_norm"));
  folder_->file().append(StepRow{.step = next_,
                                 .epoch = data_.sampler.epoch_of(next_),
                                 .tokens = (next_ + 1) * step_.predictions_a_step(),
                                 .elapsed_s = elapsed_s(),
                                 .loss = result.loss,
                                 .lr = result.lr,
                                 .grad_norm = step_.gradient_norms().global,
                                 .clip_coef = result.clip,
                                 .columns = statistics_.rows()});
}

void Trainer::evaluate(bool exact) {
  const Config& c = session_.config;
  const auto seed = static_cast<std::uint64_t>(c.seed);
  const std::int64_t at = next_ - 1;  // the step whose update made these weights
  const auto sampled = [&](const Split& split) {
    SampledEvaluateOptions options;
    options.batch_size = c.batch_size;
    options.items = c.eval_iters * c.batch_size;
    options.seed = seed;
    options.step = at;
    return sampled_evaluation(*session_.model, split, options);
  };
  const Evaluation val =
      exact ? exact_evaluation(*session_.model, *data_.val, {.batch_size = c.batch_size}) : sampled(*data_.val);
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
  // A bar tells of each step, so that ten lines are enough above it.
  const std::int64_t note_interval =
      progress.on_terminal() ? std::max(c.log_interval, (steps_ + 9) / 10) : c.log_interval;
  while (next_ < steps_) {
    const double before = elapsed_s();
    const StepResult result = step();
    training_s_ += elapsed_s() - before;
    const std::int64_t done = next_++;
    const bool last = next_ == steps_ || judge_.found();
    const double grad_norm = step_.gradient_norms().global;
    if (last || next_ % c.log_interval == 0)
      folder_->metrics().step(done, result.loss, result.lr, grad_norm, elapsed_s(), statistics_.numbers());
    if (last || next_ % note_interval == 0)
      progress.note(fmt::format("step {:>{}}/{}: loss {}, gradient norm {}, lr {:.2e}, {:.0f} tokens/s", next_,
                                fmt::formatted_size("{}", steps_), steps_, decimal_text(result.loss, 4),
                                decimal_text(grad_norm, 4), result.lr, tokens_per_s()));
    progress.bar(next_, steps_, "loss " + decimal_text(result.loss, 4));
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
  Progress progress(options_.quiet);
  started_ = std::chrono::steady_clock::now();
  const bool automatic = session_.config.init_from == "auto";
  begin();
  if (first_ > 0) progress.note(fmt::format("resuming {} at step {} of {}", folder_->path(), first_, steps_));
  if (first_ > 0 && first_ >= steps_)
    progress.note("all steps of this run are done; increase --max_iters or --epochs to continue");
  if (first_ == 0 && automatic)
    progress.note(fmt::format("nothing to resume in {}; starting from scratch", folder_->path()));
  progress.note(fmt::format("{} parameters, {} of {}, {}, {}", session_.model->parameters().numel(),
                            counted(steps_, "step"), counted(step_.predictions_a_step(), "token"),
                            counted(session_.engine.threads(), "thread"), folder_->path()));
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
