#pragma once
// Placements: where the norms of a block stand, and what the residual stream is. The catalogue is placements.def.
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <normscope/nn/layers.h>
#include <normscope/core/model_options.h>

NORMSCOPE_BEGIN

/// The residual stream between two sub-layers: x + pending. The sum is left to the next norm, which makes it on its
/// way.
struct Stream {
  Variable x, pending;
  Variable second;  ///< for placements with two streams (ResiDual)
};

/// A sub-layer (attention or MLP) as a placement sees it.
using Branch = std::function<Variable(const Variable& x, const Inner& inner)>;

/// What a placement is built from.
struct PlacementContext {
  std::int64_t layers, width;               ///< L, C
  std::int64_t inner_attention, inner_mlp;  ///< widths before the output projections
  NormSpec norm;                            ///< of this block
};

/// The norms of one block and how they are wired. One object a block.
class BlockPlacement {
 public:
  virtual ~BlockPlacement() = default;
  /// Runs both sub-layers. `first` counts residual points: the stream before the attention is point `first`, before the
  /// MLP `first` + 1; each is told to observe().
  virtual Stream block(const Stream& in, const Branch& attention, const Branch& mlp, const Pass& pass,
                       const std::vector<std::string>& points, std::size_t first) const = 0;
};

/// One row of the catalogue.
struct PlacementEntry {
  std::string name, formula, reference;
  bool final_norm;  ///< by default
  /// Factor on the initial std of the block matrix `name` ("attn.q", "mlp.proj", ...), given L.
  double (*init_factor)(const std::string& name, std::int64_t layers);
  std::unique_ptr<BlockPlacement> (*make)(const Scope& block, const PlacementContext& context);
  /// What the placement asks of the model beside norms (qk_norm, ...); null: nothing.
  void (*adjust)(ModelOptions& options) = nullptr;
};

const std::vector<PlacementEntry>& placement_table();
/// Raises UsageError for an unknown name and names those that are.
const PlacementEntry& placement_entry(const std::string& name);

/// nanoGPT's rule: residual projections ("attn.proj", "mlp.proj") are divided by sqrt(2L).
double residual_init_factor(const std::string& name, std::int64_t layers);

/// x + pending as one variable.
Variable settle(const Stream& stream);

NORMSCOPE_END
