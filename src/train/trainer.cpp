#include "train/trainer.h"

#include <cmath>
#include <limits>

#include <fmt/format.h>

#include "io/build_info.h"

NORMSCOPE_BEGIN

namespace {
constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();

std::vector<ParamInfo> describe(const Parameters& parameters) {
  std::vector<ParamInfo> infos;
  for (const Parameter& p : parameters.all()) infos.push_back({p.path, p.block, p.role, p.shape.vector()});
  return infos;
}

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
    : session_(config, corpus.tokenizer->vocab_size()),
      options_(options),
      corpus_(corpus),
      sampler_(corpus.train, sampler_options(config)),
      steps_(total_steps(config, sampler_)),
      schedule_(schedule(config, steps_)),
      params_(describe(session_.model.parameters())),
      param_selected_(select(config.probe, names(params_))),
      optimizer_(session_.model.parameters(),
                 {config.optimizer, config.beta1, config.beta2, 1e-8, config.weight_decay}),
      runner_(session_.model, config),
      probe_(session_.model.residual_points(), select(config.probe, session_.model.residual_points())),
      epoch_(params_, session_.model.residual_points().size()),
      run_dir_(config.out_dir) {
  for (auto* row : {&norm_row_, &max_row_, &weight_row_, &update_row_}) row->assign(params_.size(), kNaN);
  grad_norms_.assign(params_.size(), 0);
  if (static_cast<std::int64_t>(corpus.val.size()) <= config.block_size)
    throw UsageError("the validation split has " + std::to_string(corpus.val.size()) +
                     " tokens, too few for block_size = " + std::to_string(config.block_size) + " (" +
                     config.where("block_size") + "); make it smaller or the data longer");
}

double Trainer::elapsed_s() const {
  return elapsed_before_ + std::chrono::duration<double>(std::chrono::steady_clock::now() - started_).count();
}

RunHeader Trainer::header() const {
  const BuildInfo build = build_info();
  RunHeader h;
  h.config_json = session_.config.to_json();
  h.command = options_.command;
  h.git_commit = build.git_commit;
  h.version = build.version;
  h.host = cpu_model();
  h.isa = build.isa;
  const bool openblas = sizeof(real) == 8 && session_.engine.gemm() == GemmBackend::onednn;  // which has no float64
  h.gemm_backend = openblas ? "openblas" : name_of(session_.engine.gemm());
  h.data_sha256 = corpus_.sha256;
  h.epoch_label = sampler_.epoch_label();
  h.seed = static_cast<std::uint64_t>(session_.config.seed);
  h.threads = session_.engine.threads();
  h.params = params_;
  h.residual = session_.model.residual_points();
  h.extra["dtype"] = kDtypeName;
  h.extra["openblas_core"] = build.openblas_core;
  h.extra["tokenizer_json"] = corpus_.tokenizer->to_json();
  h.extra["data"] = corpus_.source;
  h.extra["train_tokens"] = std::to_string(corpus_.train.size());
  h.extra["val_tokens"] = std::to_string(corpus_.val.size());
  h.extra["windows_per_epoch"] = std::to_string(sampler_.windows_per_epoch());
  h.extra["dropped_windows"] = std::to_string(sampler_.dropped_windows());
  h.extra["steps_per_epoch"] = std::to_string(sampler_.steps_per_epoch());
  if (corpus_.entropy_rate) h.extra["entropy_rate"] = fmt::format("{}", *corpus_.entropy_rate);
  return h;
}

bool Trainer::step() {
  const Config& config = session_.config;
  const bool probed = next_ % config.probe_interval == 0;
  const double lr = schedule_.at(next_);
  probe_.start_step();
  const double loss = runner_.run(
      next_,
      [&](std::int64_t micro, const Batch& batch) {
        const auto count = static_cast<std::size_t>(batch.tokens.numel());
        sampler_.batch(next_, micro, {batch.tokens.data(), count}, {batch.targets.data(), count});
      },
      probed && !config.probe.empty() ? &probe_ : nullptr);
  optimizer_.measure(gradients_);
  probe_.finish_step(probed);
  const bool finite = std::isfinite(loss) && gradients_.finite;
  const double clip = finite ? Optimizer::clip_factor(gradients_.global, config.grad_clip) : 1;
  if (finite) {
    optimizer_.step(lr, clip, updates_);
  } else {
    updates_.weight_squares.assign(params_.size(), std::numeric_limits<double>::quiet_NaN());
    updates_.change_squares = updates_.weight_squares;
  }
  write_row(loss, lr, clip, probed);
  return finite;
}

void Trainer::write_row(double loss, double lr, double clip, bool probed) {
  for (std::size_t p = 0; p < params_.size(); ++p) {
    grad_norms_[p] = std::sqrt(gradients_.sum_squares[p]);
    const bool shown = probed && param_selected_[p];
    const double weight = std::sqrt(updates_.weight_squares[p]);
    norm_row_[p] = shown ? static_cast<float>(grad_norms_[p]) : kNaN;
    max_row_[p] = shown ? static_cast<float>(gradients_.max_abs[p]) : kNaN;
    weight_row_[p] = shown ? static_cast<float>(weight) : kNaN;
    update_row_[p] = shown ? static_cast<float>(std::sqrt(updates_.change_squares[p]) / weight) : kNaN;
  }
  last_loss_ = loss;
  last_lr_ = lr;
  epoch_.add(loss, grad_norms_, probe_.grad_norm);
  StepRow row;
  row.step = next_;
  row.epoch = sampler_.epoch_of(next_);
  row.tokens = (next_ + 1) * session_.config.gradient_accumulation_steps * runner_.batch().tokens.numel();
  row.elapsed_s = elapsed_s();
  row.loss = loss;
  row.lr = lr;
  row.grad_norm = gradients_.global;
  row.clip_coef = clip;
  row.param_grad_norm = norm_row_;
  row.param_grad_max_abs = max_row_;
  row.param_weight_norm = weight_row_;
  row.param_update_ratio = update_row_;
  row.residual_grad_norm = probe_.grad_norm;
  row.residual_grad_times_x = probe_.grad_times_x;
  row.residual_rms = probe_.rms;
  row.residual_mean_share = probe_.mean_share;
  file_->append(row);
}

void Trainer::evaluate(bool exact) {
  const Config& c = session_.config;
  const auto seed = static_cast<std::uint64_t>(c.seed);
  const std::int64_t at = next_ - 1;  // the step whose update made these weights
  last_eval_ = {at, sampled_loss(session_.model, corpus_.train, c.batch_size, c.eval_iters, seed, at),
                exact ? exact_loss(session_.model, corpus_.val, c.batch_size)
                      : sampled_loss(session_.model, corpus_.val, c.batch_size, c.eval_iters, seed, at),
                exact};
  file_->append(last_eval_);
  metrics_->eval(at, last_eval_.val_loss, last_eval_.train_loss);
}

TrainOutcome Trainer::run() {
  try {
    return train_to_end();
  } catch (...) {
    if (next_ == 0) discard_run();  // memory or disk ended before the first step: there is nothing to resume
    throw;
  }
}

TrainOutcome Trainer::train_to_end() {
  const Config& c = session_.config;
  Progress progress(steps_, options_.quiet);
  started_ = std::chrono::steady_clock::now();
  const bool automatic = c.init_from == "auto";
  open_run();
  const std::int64_t first = next_, tokens = c.gradient_accumulation_steps * runner_.batch().tokens.numel();
  if (first > 0) progress.note(fmt::format("resumes {} at step {} of {}", run_dir_, first, steps_));
  if (first > 0 && first >= steps_)
    progress.note("all steps of this run are done; a larger --max_iters or --epochs makes it longer");
  if (first == 0 && automatic) progress.note(fmt::format("nothing to resume in {}, starts from scratch", run_dir_));
  progress.note(fmt::format("{} parameters, {} steps of {} tokens, {} threads, {}", session_.model.parameters().numel(),
                            steps_, tokens, session_.engine.threads(), run_dir_));
  std::string status = "done";
  double train_s = 0;
  while (next_ < steps_) {
    const double before = elapsed_s();
    const bool finite = step();
    train_s += elapsed_s() - before;
    const std::int64_t done = next_++;
    const bool line = next_ % c.log_interval == 0 || next_ == steps_ || !finite;
    const double rate = static_cast<double>(tokens * (next_ - first)) / train_s;
    if (line) metrics_->step(done, last_loss_, last_lr_, gradients_.global, elapsed_s());
    progress.step(done, last_loss_, gradients_.global, last_lr_, rate, line);
    if (!finite) {
      status = "diverged";
      break;
    }
    if (sampler_.ends_epoch(done)) file_->append(epoch_.finish(sampler_.epoch_of(done), true));
    if (next_ == steps_) break;
    if (c.eval_interval > 0 && next_ % c.eval_interval == 0) {
      file_->flush();
      evaluate(false);
      progress.note(fmt::format("step {}: sampled loss, training {:.4f}, validation {:.4f}", next_,
                                last_eval_.train_loss, last_eval_.val_loss));
    }
    if (signals_.stopped()) {  // after the evaluation that belongs to this step: resuming would not make it up
      status = "interrupted";
      break;
    }
    if (c.checkpoint_interval > 0 && next_ % c.checkpoint_interval == 0) save_checkpoint();
  }
  const bool evaluated = last_eval_.exact && last_eval_.step == next_ - 1;  // a finished run, resumed
  if (status == "done" && next_ > 0 && !evaluated) {
    file_->flush();
    evaluate(true);
    if (!std::isfinite(last_eval_.val_loss)) status = "diverged";  // by the last update: no later step could tell
  }
  if (status != "diverged") save_checkpoint();
  if (!epoch_.empty() && status != "interrupted") file_->append(epoch_.finish(sampler_.epoch_of(next_ - 1), false));
  file_->finish(status);
  return {.status = status,
          .run_dir = run_dir_,
          .first_step = first,
          .steps = next_,
          .parameters = session_.model.parameters().numel(),
          .train_loss = last_eval_.train_loss,
          .val_loss = last_eval_.val_loss,
          .exact = last_eval_.exact,
          .elapsed_s = elapsed_s(),
          .tokens_per_s = static_cast<double>(tokens * (next_ - first)) / train_s};  // 0 / 0 without a step
}

NORMSCOPE_END
