#pragma once
// The Transformer: GPT and LLaMA are presets of one model; any norm at any block, any placement.
#include <memory>
#include <string>
#include <vector>

#include <normscope/models/model.h>
#include <normscope/nn/layers.h>
#include <normscope/nn/placement.h>

NORMSCOPE_BEGIN

class Transformer final : public Model {
 public:
  /// Draws the initial values from `seed`. Raises UsageError on impossible options.
  Transformer(Engine& engine, const ModelOptions& options, std::uint64_t seed);

  /// tokens [B, T], T <= block_size -> logits [B, T, V]. Points: residual.0 before block 0, one after each sub-layer,
  /// the last after the final norm.
  Variable logits(const Batch& batch, const Pass& pass) const override;
  Variable logits(const Indices& tokens, const Pass& pass) const { return logits(Batch{tokens, {}, {}}, pass); }
  Batch make_batch(std::int64_t items) const override;
  std::vector<ProductShape> products() const override;
  /// With causal attention, 2 T (T + 1) C a layer and sequence forward.
  double flops(std::int64_t predictions) const override;
  /// Tells the placement and the norms.
  void after_update(std::int64_t step) override;

 private:
  struct Block {
    std::unique_ptr<Attention> attention;
    std::unique_ptr<Mlp> mlp;
    std::unique_ptr<BlockPlacement> placement;
    std::string path;
  };
  /// Raises UsageError with the reason when the placement does not fit the options.
  void refuse(const PlacementEntry& placement) const;
  Variable hidden(const Indices& tokens, const Pass& pass) const;

  RopeTables rope_;
  Variable tokens_, positions_, head_, embed_scale_;  // embed_scale_ [1], where it is trained
  std::unique_ptr<StreamEnds> ends_;
  std::vector<Block> blocks_;
  std::unique_ptr<Norm> embed_norm_, final_norm_;
};

NORMSCOPE_END
