// resolve(): the values that follow from others, and what can be checked without data.
#include <fmt/format.h>
#include "config/config.h"
#include <normscope/core/error.h>
#include <normscope/nn/layers.h>
#include <normscope/nn/placement.h>
#include <normscope/norms/norm.h>

#include <algorithm>
#include <cctype>
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "config/config_text.h"
#include "core/choices.h"

namespace normscope {
namespace {

/// "n_head = 3 (--n_head)": a key, its value and where it stood.
std::string shown(const Config& config, const std::string& key) {
  return fmt::format("{} = {} ({})", key, config.get(key), config.where(key));
}

[[noreturn]] void reject(const Config& config, const std::string& key, const std::string& why) {
  throw UsageError(shown(config, key) + " " + why);
}

void require(const Config& config, const char* key, bool ok, const char* allowed) {
  if (!ok) reject(config, key, fmt::format("is out of range; allowed: {}", allowed));
}

bool is_transformer(const Config& c) { return c.arch == "gpt" || c.arch == "llama"; }

/// Runs `check`; a UsageError of it is told with the place of `path`, as --KEY = ... where it names that key itself.
template <class Check>
void at_place(const Config& config, const std::string& path, Check check) {
  try {
    check();
  } catch (const UsageError& error) {
    const std::string where = config.where(path), what = error.what();
    throw UsageError(where == "--" + path && what.starts_with(path + " = ") ? "--" + what : where + ": " + what);
  }
}

/// Checks a value against the choices of `key`, and a norm's options; `path` is the key, or "block.N.key".
void require_choice(const Config& config, const std::string& path, const KeyInfo& key) {
  const std::vector<std::string> allowed = key_choices(key);
  const std::string value = config.get(path);
  const bool options = std::string_view(key.choices).find("NORMS") != std::string_view::npos;
  if (std::string_view(key.choices).find("PLACEMENTS") != std::string_view::npos && is_formula(value))
    return at_place(config, path, [&] { placement_entry(value); });
  if (options && is_norm_formula(value)) return at_place(config, path, [&] { norm_entry(value); });
  const bool number = std::any_of(allowed.begin(), allowed.end(), parse_number);
  if (number && parse_number(value)) return;
  const std::string name = options ? value.substr(0, value.find(':')) : value;
  if (!allowed.empty() && std::find(allowed.begin(), allowed.end(), name) == allowed.end())
    reject(config, path, unknown_text(name, allowed) + (number ? "; or any other number" : ""));
  if (std::string_view(key.choices) == "HEAD_NORMS" && name != "false")
    return at_place(config, path, [&] { norm_values(head_norm_entry(name), parse_head_norm(value, {}).norm); });
  for (const NormEntry& entry : norm_table())
    if (options && entry.name == name) at_place(config, path, [&] { norm_values(entry, parse_norm(value, {})); });
}

void check_names(const Config& c) {
  for (const KeyInfo& key : config_keys()) require_choice(c, key.name, key);
  for (const auto& [index, overrides] : c.block)
    for (const auto& [name, value] : overrides)
      require_choice(c, fmt::format("block.{}.{}", index, name),
                     *find_key(name == "attn_norm" || name == "mlp_norm" ? "norm" : name));
  require(c, "init_from", !c.init_from.empty(), "a name");
}

void check_ranges(const Config& c) {
  // The upper end keeps products of sizes inside 64 bits; memory ends long before.
  const auto size = [&](const char* key, std::int64_t value, std::int64_t least, std::int64_t up_to = 1 << 20) {
    if (value < least || value > up_to) reject(c, key, fmt::format("is out of range; allowed: {} to {}", least, up_to));
  };
  size("n_layer", c.n_layer, 1, 1 << 14);
  size("n_head", c.n_head, 1);
  size("n_kv_head", c.n_kv_head, 0);
  size("n_embd", c.n_embd, 1);
  size("n_inner", c.n_inner, 0);
  size("block_size", c.block_size, 1);
  size("vocab_size", c.vocab_size, 0);
  size("batch_size", c.batch_size, 1);
  size("gradient_accumulation_steps", c.gradient_accumulation_steps, 1);
  size("threads", c.threads, 0, 1024);
  require(c, "dropout", c.dropout >= 0 && c.dropout < 1, "at least 0 and below 1");
  require(c, "rope_theta", c.rope_theta > 0, "above 0");
  require(c, "embed_scale", parse_number(c.embed_scale).value_or(1) > 0, "a number above 0, sqrt, learnable");
  for (const auto& [key, cap] :
       {std::pair("attn_softcap", c.attn_softcap), std::pair("logit_softcap", c.logit_softcap)})
    require(c, key, cap >= 0, "0 (off) or above");
  require(c, "norm_eps", c.norm_eps >= 0, "0 or above");
  require(c, "train_tokens", c.train_tokens >= 0, "0 (all) or above");
  require(c, "epoch_iters", c.epoch_iters >= 0, "0 (off) or above");
  require(c, "max_iters", c.max_iters >= 1, "1 or above");
  require(c, "epochs", c.epochs >= 0, "0 (off) or above");
  require(c, "learning_rate", c.learning_rate > 0, "above 0");
  require(c, "min_lr", c.min_lr >= 0 || c.min_lr == -1, "0 or above, or -1 for learning_rate / 10");
  require(c, "warmup_iters", c.warmup_iters >= 0, "0 or above");
  require(c, "lr_decay_iters", c.lr_decay_iters >= 0, "0 (max_iters) or above");
  require(c, "weight_decay", c.weight_decay >= 0, "0 or above");
  require(c, "beta1", c.beta1 >= 0 && c.beta1 < 1, "at least 0 and below 1");
  require(c, "beta2", c.beta2 >= 0 && c.beta2 < 1, "at least 0 and below 1");
  require(c, "grad_clip", c.grad_clip >= 0, "0 (off) or above");
  require(c, "seed", c.seed >= 0, "0 or above");
  require(c, "eval_interval", c.eval_interval >= 0, "0 (only at the end) or above");
  require(c, "eval_iters", c.eval_iters >= 1, "1 or above");
  require(c, "log_interval", c.log_interval >= 1, "1 or above");
  require(c, "checkpoint_interval", c.checkpoint_interval >= 0, "0 (only at the end) or above");
  require(c, "probe_interval", c.probe_interval >= 1, "1 or above (--probe '' measures nothing)");
}

/// What an architecture other than a Transformer cannot mean, given explicitly (a saved configuration holds every key).
void check_keys_of_arch(const Config& c) {
  for (const KeyInfo& key : config_keys()) {
    const std::string where = c.where(key.name);
    if (std::string_view(key.section) == "transformer" && where != "default" && where != kSavedConfig)
      reject(c, key.name, "does not apply to " + shown(c, "arch") + "; remove it");
  }
  if (c.norm_placement != "before" && c.norm_placement != "after")
    reject(c, "norm_placement", "does not exist for " + shown(c, "arch") + "; allowed: before (the ReLU), after");
  for (const auto& [index, overrides] : c.block)
    for (const auto& [key, value] : overrides)
      if (key != "norm" && key != "norm_eps")
        reject(c, fmt::format("block.{}.{}", index, key), "does not apply to " + shown(c, "arch") + "; remove it");
}

void check_combinations(const Config& c) {
  if (!is_transformer(c)) check_keys_of_arch(c);
  if (c.n_embd % c.n_head != 0)
    reject(c, "n_embd", "is not a multiple of " + shown(c, "n_head") + "; change one of them");
  if (c.n_head % c.n_kv_head != 0)
    reject(c, "n_kv_head", "does not divide " + shown(c, "n_head") + "; change one of them");
  if (c.arch == "llama" && (c.n_embd / c.n_head) % 2 != 0)
    reject(c, "n_embd",
           fmt::format("over {} gives the odd head width {}; RoPE needs an even one", shown(c, "n_head"),
                       c.n_embd / c.n_head));
  if (c.qk_norm.substr(0, c.qk_norm.find(':')) == "l2" && c.block_size < 2)
    reject(c, "qk_norm", "starts its scale at log2(L^2 - L); it needs a block_size L of 2 or more");
  for (const auto& [index, overrides] : c.block)
    for (const auto& [key, value] : overrides) {
      const std::string path = fmt::format("block.{}.{}", index, key);
      if (index >= c.n_layer)
        throw UsageError(fmt::format("{}: [block.{}] does not exist; n_layer = {} has blocks 0 to {}", c.where(path),
                                     index, c.n_layer, c.n_layer - 1));
      const auto eps = parse_number(value);
      if (key == "norm_eps" && (!eps || *eps < 0)) reject(c, path, "is out of range; allowed: 0 or above");
    }
}

/// Everything but letters, digits and ._- becomes one dash: "layernorm:bias=false" -> "layernorm-bias-false".
std::string file_safe(const std::string& text) {
  std::string out;
  for (const char c : text) {
    const bool safe = std::isalnum(static_cast<unsigned char>(c)) || c == '.' || c == '_';
    if (safe) out += c;
    if (!safe && !out.empty() && out.back() != '-') out += '-';
  }
  while (!out.empty() && out.back() == '-') out.pop_back();
  return out;
}

/// "-shakespeare" of data/shakespeare/input.txt, "-book" of book.txt and prepared/book/, "-grammar" of
/// synthetic:grammar, whatever its options.
std::string data_part(const std::string& data) {
  if (data.rfind("synthetic:", 0) == 0) return "-" + split(data, ':')[1];
  std::filesystem::path path = data;
  if (!path.has_filename() || path.filename() == "input.txt") path = path.parent_path();
  return path.empty() ? "" : "-" + path.stem().string().substr(0, 40);
}

std::string default_name(const Config& c) {
  const bool usual = c.norm_placement == "pre" || c.norm_placement == "before";
  const std::string placement =
      usual ? "" : "-" + (is_formula(c.norm_placement) ? formula_short_name(c.norm_placement) : c.norm_placement);
  return file_safe(fmt::format("{}-{}{}-L{}-C{}{}-s{}", c.arch, norm_short_name(c.norm), placement, c.n_layer, c.n_embd,
                               data_part(c.data), c.seed));
}

void fill_defaults(Config& c) {
  const bool llama = c.arch == "llama";
  if (c.activation == "auto") c.activation = llama ? "swiglu" : "gelu";
  if (c.norm == "auto") c.norm = llama ? "rmsnorm" : "layernorm";
  if (c.norm_placement == "auto") c.norm_placement = is_transformer(c) ? "pre" : "before";
  if (!is_transformer(c)) c.block_size = 1;  // a sample is one prediction
  if (is_transformer(c)) {
    const PlacementEntry placement = placement_entry(c.norm_placement);
    if (c.final_norm == "auto") c.final_norm = placement.has_final_norm() ? "true" : "false";
    if (c.init == "auto" && !placement.init) c.init = "normal";
  }
  for (std::string* norm : {&c.qk_norm, &c.v_norm})
    if (*norm == "false") *norm = "none";  // as runs of earlier versions have it
  if (c.n_kv_head == 0) c.n_kv_head = c.n_head;
  if (c.n_inner == 0) c.n_inner = llama ? (8 * c.n_embd + 95) / 96 * 32 : 4 * c.n_embd;  // ceil(8C/3, 32) and 4C
  if (c.min_lr == -1) c.min_lr = c.learning_rate / 10;
  // With `epochs` the number of steps is known only once the data is.
  if (c.lr_decay_iters == 0 && c.epochs == 0) c.lr_decay_iters = c.max_iters;
  if (c.name.empty()) c.name = default_name(c);
  if (c.out_dir.empty()) c.out_dir = "runs/" + c.name;
}

}  // namespace

void Config::resolve() {
  for (const auto& [key, values] : lists)
    throw UsageError(fmt::format("{} = {} ({}) is a list; give one value, or use normscope ablate to train each", key,
                                 join_list(values), where(key)));
  check_names(*this);
  check_ranges(*this);
  fill_defaults(*this);
  check_combinations(*this);
  if (name == "." || name == "..") reject(*this, "name", "is not allowed");
  if (name != file_safe(name))
    reject(*this, "name",
           fmt::format("is not a file name; allowed are letters, digits and . _ -, "
                       "such as {}",
                       file_safe(name)));
}

}  // namespace normscope
