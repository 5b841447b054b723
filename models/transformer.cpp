#include <normscope/models/transformer.h>

#include "ops/check.h"

NORMSCOPE_BEGIN

Transformer::Transformer(Engine& engine, const ModelOptions& options, std::uint64_t seed)
    : Model(engine, options, seed) {
  ModelOptions& o = options_;
  const std::int64_t C = o.n_embd, V = o.vocab_size;
  const PlacementEntry& placement = placement_entry(o.placement);
  if (placement.adjust) placement.adjust(o);
  if (const auto adjust = norm_entry(o.norm.name).adjust) adjust(o);
  const InitRule rule = [&](const std::string& name, std::int64_t, std::int64_t) {
    return Init::normal(o.init_std * o.init_gain * placement.init_factor(name, o.n_layer), o.init_shift);
  };
  const Init init = Init::normal(o.init_std * o.init_gain, o.init_shift);
  const Scope root{parameters_, "", -1, "embedding"};

  tokens_ = root.add("embed.tokens", {V, C}, init);
  if (o.learned_positions)
    positions_ = root.add("embed.positions", {o.block_size, C}, init);
  else
    rope_ = rope_tables(engine, o.block_size, C / o.n_head, o.rope_theta);

  for (std::int64_t i = 0; i < o.n_layer; ++i) {
    const Scope scope{parameters_, "blocks." + std::to_string(i), i, ""};
    const auto other = o.block_norm.find(i);
    const NormSpec& norm = other == o.block_norm.end() ? o.norm : other->second;
    Block block;
    block.path = scope.prefix;
    block.placement = placement.make(scope, {o.n_layer, C, C, o.n_inner, norm});
    block.attention = std::make_unique<Attention>(
        scope.in("attn").as("attention"),
        AttentionSpec{C, o.n_head, o.n_kv_head, o.bias, o.dropout, o.learned_positions ? nullptr : &rope_, rule});
    block.mlp =
        std::make_unique<Mlp>(scope.in("mlp").as("mlp"), MlpSpec{C, o.n_inner, o.activation, o.bias, o.dropout, rule});
    blocks_.push_back(std::move(block));
  }
  if (o.final_norm) final_norm_ = make_norm(root.in("final_norm").as("norm"), o.final_norm_spec, C);
  head_ = o.tie_weights ? tokens_ : root.as("head").add("head.weight", {V, C}, init);
  const auto points = static_cast<std::size_t>(2 * o.n_layer + (o.final_norm ? 2 : 1));
  for (std::size_t r = 0; r < points; ++r) points_.push_back("residual." + std::to_string(r));
}

Variable Transformer::hidden(const Indices& tokens, const Pass& pass) const {
  check(tokens.shape().rank() == 2 && tokens.shape()[1] <= options_.block_size, "transformer", "tokens ",
        tokens.shape().str(), " for a context of ", options_.block_size);
  static const std::string embed = "embed", last = "final_norm";
  Variable x = embedding(tokens_, tokens, positions_);  // [B, T, C]
  if (pass.training) x = dropout(x, options_.dropout, pass.dropout(embed));
  Stream stream{x, {}, {}};
  for (std::size_t i = 0; i < blocks_.size(); ++i) {
    const Block& block = blocks_[i];
    const Tape::Scope scope(block.path);
    stream = block.placement->block(
        stream, [&](const Variable& n, const Inner& inner) { return (*block.attention)(n, pass, inner); },
        [&](const Variable& n, const Inner& inner) { return (*block.mlp)(n, pass, inner); }, pass, points_, 2 * i);
  }
  const Tape::Scope scope(last);
  const std::string& point = points_[2 * blocks_.size()];
  if (!final_norm_) {
    x = settle(stream);
    pass.observe(point, x);
    return x;
  }
  const auto [h, y] = stream.pending.defined() ? final_norm_->add_forward(stream.x, stream.pending, pass)
                                               : std::pair(stream.x, final_norm_->forward(stream.x, pass));
  pass.observe(point, h);
  pass.observe(points_.back(), y);
  return y;
}

Variable Transformer::logits(const Batch& batch, const Pass& pass) const {
  return linear(hidden(batch.tokens, pass), head_);  // [B, T, V]
}

Batch Transformer::make_batch(std::int64_t items) const {
  const Shape shape{items, options_.block_size};
  return {Indices::empty(engine(), shape), Indices::empty(engine(), shape), {}};
}

std::vector<ProductShape> Transformer::products() const {
  const ModelOptions& o = options_;
  const std::int64_t kv = o.n_embd / o.n_head * o.n_kv_head;
  const std::int64_t expand = o.activation == "swiglu" ? 2 * o.n_inner : o.n_inner;
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
std::unique_ptr<Model> make_transformer(Engine& engine, const ModelOptions& options, std::uint64_t seed) {
  return std::make_unique<Transformer>(engine, options, seed);
}
}  // namespace

ModelEntry model_gpt() {
  return {.name = "gpt", .summary = "Transformer with learned positions (GPT-2)", .make = make_transformer};
}

ModelEntry model_llama() {
  return {.name = "llama", .summary = "Transformer with rotary positions and SwiGLU (LLaMA)", .make = make_transformer};
}

NORMSCOPE_END
