#include "config/options.h"

#include <fnmatch.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include <normscope/core/error.h>
#include <normscope/core/team.h>

#include "core/text.h"

namespace normscope {

namespace {
NormSpec norm_defaults(const Config& config) {
  NormSpec spec;
  spec.eps = config.norm_eps;
  spec.affine = config.norm_affine;
  if (config.norm_bias != "auto") spec.bias = config.norm_bias == "true";
  return spec;
}

BlockOptions block_options(const Config& c, const std::map<std::string, std::string>& keys) {
  const auto text = [&](const char* key) -> const std::string* {
    const auto found = keys.find(key);
    return found == keys.end() ? nullptr : &found->second;
  };
  NormSpec base = norm_defaults(c);
  const std::string* eps = text("norm_eps");
  if (eps) base.eps = std::stod(*eps);
  const auto norm = [&](const char* key) -> std::optional<NormSpec> {
    for (const std::string* name : {text(key), text("norm"), eps ? &c.norm : nullptr})
      if (name) return parse_norm(*name, base);
    return std::nullopt;
  };
  BlockOptions own{.attn_norm = norm("attn_norm"), .mlp_norm = norm("mlp_norm")};
  if (const std::string* placement = text("norm_placement")) own.placement = *placement;
  return own;
}

std::optional<HeadNormSpec> head_norm(const std::string& text, const NormSpec& defaults) {
  return text == "none" ? std::nullopt : std::optional(parse_head_norm(text, defaults));
}
}  // namespace

DataShape assumed_shape(const Config& c) {
  if (c.arch == "mlp") return {.classes = 10, .features = 20};  // synthetic:teacher
  return {.classes = c.vocab_size > 0 ? c.vocab_size : 65};
}

ModelOptions model_options(const Config& c, const DataShape& data) {
  const bool samples = c.arch == "mlp";
  if (samples != (data.features > 0))
    throw UsageError("arch = " + c.arch + " (" + c.where("arch") + ") needs " + (samples ? "samples" : "tokens") +
                     ", and " + c.data + " (" + c.where("data") + ") contains " + (samples ? "tokens" : "samples") +
                     "; use --data " + (samples ? "synthetic:teacher" : "with text, or synthetic:grammar"));
  const std::int64_t tokenizer_vocab = data.classes;
  if (c.vocab_size > 0 && c.vocab_size < tokenizer_vocab)
    throw UsageError("vocab_size = " + std::to_string(c.vocab_size) + " (" + c.where("vocab_size") +
                     ") is smaller than the data's vocabulary of " + std::to_string(tokenizer_vocab) +
                     "; set it to 0 or a larger value");
  ModelOptions o;
  o.arch = c.arch;
  o.features = data.features;
  o.learned_positions = c.arch == "gpt";
  o.n_layer = c.n_layer;
  o.n_head = c.n_head;
  o.n_kv_head = c.n_kv_head;
  o.n_embd = c.n_embd;
  o.n_inner = c.n_inner;
  o.block_size = c.block_size;
  o.vocab_size = std::max(c.vocab_size, tokenizer_vocab);
  o.bias = c.bias;
  o.dropout = c.dropout;
  o.activation = c.activation;
  o.tie_weights = c.tie_weights;
  o.rope_theta = c.rope_theta;
  o.init = c.init;
  o.init_gain = c.init_gain;
  o.init_shift = c.init_shift;
  const NormSpec defaults = norm_defaults(c);
  o.norm = parse_norm(c.norm, defaults);
  for (const auto& [block, keys] : c.block) o.block[block] = block_options(c, keys);
  o.placement = c.norm_placement;
  if (c.final_norm != "auto") o.final_norm = c.final_norm != "false";
  if (c.final_norm != "auto" && c.final_norm != "true" && c.final_norm != "false")
    o.final_norm_spec = parse_norm(c.final_norm, defaults);
  o.qk_norm = head_norm(c.qk_norm, defaults);
  o.v_norm = head_norm(c.v_norm, defaults);
  if (c.embed_norm != "none") o.embed_norm = parse_norm(c.embed_norm, defaults);
  o.train_embed_scale = c.embed_scale == "learnable";
  o.embed_scale = parse_number(c.embed_scale).value_or(std::sqrt(static_cast<double>(c.n_embd)));
  o.attn_softcap = c.attn_softcap;
  o.logit_softcap = c.logit_softcap;
  return o;
}

CorpusOptions corpus_options(const Config& c) {
  if (c.data.empty())
    throw UsageError("data is not set; give a text file, a prepared folder or synthetic:grammar with --data");
  return {c.data, c.tokenizer, c.train_tokens, static_cast<std::uint64_t>(c.seed)};
}

SamplerOptions sampler_options(const Config& c) {
  return {c.sampler,     c.block_size,
          c.batch_size,  c.gradient_accumulation_steps,
          c.epoch_iters, static_cast<std::uint64_t>(c.seed)};
}

std::int64_t total_steps(const Config& c, const Sampler& sampler) {
  if (c.epochs > std::numeric_limits<std::int64_t>::max() / std::max<std::int64_t>(1, sampler.steps_per_epoch()))
    throw UsageError("epochs = " + std::to_string(c.epochs) + " (" + c.where("epochs") + ") gives too many steps");
  return c.epochs > 0 ? c.epochs * sampler.steps_per_epoch() : c.max_iters;
}

Schedule schedule(const Config& c, std::int64_t steps) {
  return {c.learning_rate, c.min_lr, c.warmup_iters, c.lr_decay_iters > 0 ? c.lr_decay_iters : steps, c.decay_lr};
}

bool matches_any(const std::vector<std::string>& globs, const std::string& name) {
  return std::any_of(globs.begin(), globs.end(),
                     [&](const std::string& glob) { return fnmatch(glob.c_str(), name.c_str(), 0) == 0; });
}

int thread_count(const Config& c) { return c.threads > 0 ? static_cast<int>(c.threads) : available_cores(); }

}  // namespace normscope
