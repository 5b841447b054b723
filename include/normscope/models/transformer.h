#pragma once
// The Transformer: GPT and LLaMA are presets of one model; any norm at any block, any placement.
#include <map>
#include <memory>
#include <string>
#include <vector>

#include <normscope/nn/layers.h>
#include <normscope/core/model_options.h>
#include <normscope/nn/placement.h>

NORMSCOPE_BEGIN

class Transformer {
 public:
  /// Draws the initial values from `seed`. Raises UsageError on impossible options.
  Transformer(Engine& engine, const ModelOptions& options, std::uint64_t seed);

  /// tokens [B, T], T <= block_size -> logits [B, T, V]. Residual points are told to observe().
  Variable logits(const Indices& tokens, const Pass& pass) const;
  /// Mean token loss in nats, targets [B, T].
  Variable loss(const Indices& tokens, const Indices& targets, const Pass& pass) const;

  const Parameters& parameters() const { return parameters_; }
  /// Names of the residual points: residual.0 before block 0, one after each sub-layer, the last after the final norm.
  const std::vector<std::string>& residual_points() const { return points_; }
  const ModelOptions& options() const { return options_; }
  Engine& engine() const { return parameters_.engine(); }

 private:
  struct Block {
    std::unique_ptr<Attention> attention;
    std::unique_ptr<Mlp> mlp;
    std::unique_ptr<BlockPlacement> placement;
    std::string path;
  };
  Variable hidden(const Indices& tokens, const Pass& pass) const;

  ModelOptions options_;
  Parameters parameters_;
  RopeTables rope_;
  Variable tokens_, positions_, head_;
  std::vector<Block> blocks_;
  std::unique_ptr<Norm> final_norm_;
  std::vector<std::string> points_;
};

NORMSCOPE_END
