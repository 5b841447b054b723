#include <normscope/models/transformer.h>

#include "ops/check.h"

NORMSCOPE_BEGIN

Transformer::Transformer(Engine& engine, const ModelOptions& options, std::uint64_t seed)
    : Model(engine, options, seed) {
  ModelOptions& o = options_;
  const std::int64_t C = o.n_embd, V = o.vocab_size;
  const PlacementEntry placement = placement_entry(o.placement);
  if (placement.adjust) placement.adjust(o);
  if (const auto adjust = norm_entry(o.norm.name).adjust) adjust(o);
  const InitRule init = init_rule(o, placement.init ? placement.init : init_entry("normal").make);
  const Scope root{parameters_, "", -1, "embedding"};

  tokens_ = root.add("embed.tokens", {V, C}, init("embed.tokens", C, V));
  if (o.learned_positions)
    positions_ = root.add("embed.positions", {o.block_size, C}, init("embed.positions", C, o.block_size));
  else
    rope_ = rope_tables(engine, o.block_size, C / o.n_head, o.rope_theta);
  if (o.embed_norm) require_fit(*o.embed_norm, {.width = C, .causal = true, .hidden = false});
  if (o.embed_norm) embed_norm_ = make_norm(root.in("embed_norm").as("norm"), *o.embed_norm, C);
  if (o.train_embed_scale) embed_scale_ = root.as("scalar").add("embed_scale", {1}, Init::constant(o.embed_scale));

  const auto context = [&](std::int64_t block, const BlockOptions& own) {
    return PlacementContext{.layers = o.n_layer,
                            .block = block,
                            .width = C,
                            .inner_attention = C,
                            .inner_mlp = o.n_inner,
                            .attn_norm = own.attn_norm.value_or(o.norm),
                            .mlp_norm = own.mlp_norm.value_or(o.norm)};
  };
  const auto require_causal = [&](const NormSpec& norm) { require_fit(norm, {.width = C, .causal = true}); };
  refuse(placement);
  ends_ = placement.ends ? placement.ends(root, context(-1, {})) : std::make_unique<StreamEnds>();
  for (std::int64_t i = 0; i < o.n_layer; ++i) {
    const Scope scope{parameters_, "blocks." + std::to_string(i), i, ""};
    const auto found = o.block.find(i);
    const BlockOptions own = found == o.block.end() ? BlockOptions{} : found->second;
    const PlacementEntry here = own.placement.empty() ? placement : placement_entry(own.placement);
    refuse(here);
    require_causal(own.attn_norm.value_or(o.norm));
    require_causal(own.mlp_norm.value_or(o.norm));
    if (here.ends != placement.ends)
      throw UsageError("norm_placement = \"" + here.name + "\" of block " + std::to_string(i) +
                       " has a different stream than \"" + placement.name + "\"; they cannot be combined in one model");
    Block block;
    block.path = scope.prefix;
    block.placement = here.make(scope, context(i, own));
    block.attention = std::make_unique<Attention>(scope.in("attn").as("attention"),
                                                  AttentionSpec{.width = C,
                                                                .heads = o.n_head,
                                                                .kv_heads = o.n_kv_head,
                                                                .bias = o.bias,
                                                                .dropout = o.dropout,
                                                                .rope = o.learned_positions ? nullptr : &rope_,
                                                                .qk_norm = o.qk_norm,
                                                                .v_norm = o.v_norm,
                                                                .context = o.block_size,
                                                                .softcap = o.attn_softcap},
                                                  init);
    block.mlp = std::make_unique<Mlp>(
        scope.in("mlp").as("mlp"),
        MlpSpec{.width = C, .inner = o.n_inner, .activation = o.activation, .bias = o.bias, .dropout = o.dropout},
        init);
    blocks_.push_back(std::move(block));
  }
  if (!o.final_norm) o.final_norm = placement.has_final_norm();
  if (*o.final_norm) require_causal(o.final_norm_spec.value_or(o.norm));
  if (*o.final_norm) require_causal(o.final_norm_spec.value_or(o.norm));
  if (*o.final_norm) final_norm_ = make_norm(root.in("final_norm").as("norm"), o.final_norm_spec.value_or(o.norm), C);
  head_ = o.tie_weights ? tokens_ : root.as("head").add("head.weight", {V, C}, init("head", C, V));
  const auto points = static_cast<std::size_t>(2 * o.n_layer + (final_norm_ ? 2 : 1));
  for (std::size_t r = 0; r < points; ++r) points_.push_back("residual." + std::to_string(r));
}

void Transformer::refuse(const PlacementEntry& placement) const {
  const std::string reason = placement.refuse ? placement.refuse(options_) : "";
  if (!reason.empty()) throw UsageError("norm_placement = \"" + placement.name + "\" does not fit: " + reason);
}

Variable Transformer::hidden(const Indices& tokens, const Pass& pass) const {
  check(tokens.shape().rank() == 2 && tokens.shape()[1] <= options_.block_size, "transformer", "tokens ",
        tokens.shape().str(), " exceeds the context of ", options_.block_size);
  static const std::string embed = "embed", last = "final_norm";
  Variable x = embedding(tokens_, tokens, positions_);  // [B, T, C]
  if (embed_norm_) x = embed_norm_->forward(x, pass);
  if (embed_scale_.defined())
    x = scaled(x, embed_scale_);
  else if (options_.embed_scale != 1)
    x = scale(x, options_.embed_scale);
  if (pass.training) x = dropout(x, options_.dropout, pass.dropout(embed));
  Points points(points_, pass);
  Stream stream = ends_->begin(x);
  for (const Block& block : blocks_) {
    const Tape::Scope scope(block.path);
    block.placement->block(
        stream, [&](const Variable& n, const Inner& inner) { return (*block.attention)(n, pass, inner); },
        [&](const Variable& n, const Inner& inner) { return (*block.mlp)(n, pass, inner); }, pass, points);
  }
  const Tape::Scope scope(last);
  return ends_->finish(stream, final_norm_.get(), pass, points);
}

void Transformer::after_update(std::int64_t step) {
  ends_->after_update(step);
  for (const Block& block : blocks_) {
    block.placement->after_update(step);
    block.attention->after_update(step);
  }
  for (Norm* norm : {embed_norm_.get(), final_norm_.get()})
    if (norm) norm->after_update(step);
}

Variable Transformer::logits(const Batch& batch, const Pass& pass) const {
  const Variable z = linear(hidden(batch.tokens, pass), head_);  // [B, T, V]
  return options_.logit_softcap > 0 ? softcap(z, options_.logit_softcap) : z;
}

Batch Transformer::make_batch(std::int64_t items) const {
  const Shape shape{items, options_.block_size};
  return {Indices::empty(engine(), shape), Indices::empty(engine(), shape), {}};
}

std::vector<ProductShape> Transformer::products() const {
  const ModelOptions& o = options_;
  const std::int64_t kv = o.n_embd / o.n_head * o.n_kv_head;
  const std::int64_t expand = is_gated(o.activation) ? 2 * o.n_inner : o.n_inner;
  return {{o.n_embd, o.n_embd + 2 * kv, o.n_layer},
          {o.n_embd, o.n_embd, o.n_layer},
          {o.n_embd, expand, o.n_layer},
          {o.n_inner, o.n_embd, o.n_layer},
          {o.n_embd, o.vocab_size, 1}};
}

double Transformer::flops(std::int64_t predictions) const {
  const ModelOptions& o = options_;
  const auto attention = static_cast<double>((o.block_size + 1) * o.n_embd * o.n_layer);  // a token
  return Model::flops(predictions) + 3 * 2.0 * attention * static_cast<double>(predictions);
}

namespace {
template <bool kLearnedPositions>
std::unique_ptr<Model> make_transformer(Engine& engine, const ModelOptions& options, std::uint64_t seed) {
  ModelOptions own = options;
  own.learned_positions = kLearnedPositions;
  return std::make_unique<Transformer>(engine, own, seed);
}
}  // namespace

ModelEntry model_gpt() {
  return {.name = "gpt", .summary = "Transformer with learned positions (GPT-2)", .make = make_transformer<true>};
}

ModelEntry model_llama() {
  return {.name = "llama",
          .summary = "Transformer with rotary positions and SwiGLU (LLaMA)",
          .make = make_transformer<false>};
}

NORMSCOPE_END
