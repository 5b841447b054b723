#pragma once
// Placements: where the norms of a block stand, and what the residual stream is. The catalogue is placements.def.
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <normscope/core/model_options.h>
#include <normscope/nn/layers.h>

NORMSCOPE_BEGIN

/// The residual stream between two sub-layers: x + pending, where the sum is left to a norm that makes it on its way.
/// A placement that keeps more than one sum has a State of its own, which nobody else reads.
struct Stream {
  struct State {
    virtual ~State() = default;
  };
  Variable x, pending{};
  std::unique_ptr<State> state{};

  /// x + pending as one variable.
  Variable sum() const;
};

/// A sub-layer (attention or MLP) as a placement sees it.
using Branch = std::function<Variable(const Variable& x, const Inner& inner)>;

/// The points where the stream is observed, told one after the other: before each sub-layer, at the end, and after the
/// final norm.
class Points {
 public:
  Points(const std::vector<std::string>& names, const Pass& pass) : names_(names), pass_(pass) {}
  void observe(const Variable& x) { pass_.observe(names_[next_++], x); }

 private:
  const std::vector<std::string>& names_;
  const Pass& pass_;
  std::size_t next_ = 0;
};

/// What a placement is built from.
struct PlacementContext {
  std::int64_t layers, block, width;        ///< L, the block from 0, C
  std::int64_t inner_attention, inner_mlp;  ///< widths before the output projections
  NormSpec attn_norm, mlp_norm;             ///< of this block
};

/// The norms of one block and how they are wired. One object a block.
class BlockPlacement {
 public:
  virtual ~BlockPlacement() = default;
  /// Runs both sub-layers and tells `points` the stream before each.
  virtual void block(Stream& stream, const Branch& attention, const Branch& mlp, const Pass& pass,
                     Points& points) const = 0;
  /// Runs after optimizer step `step`, for what changes outside the gradient; its norms are the placement's to tell.
  virtual void after_update(std::int64_t /*step*/) {}
};

/// How a stream begins and ends. One object a model, of the model's own placement. The default is one sum.
class StreamEnds {
 public:
  virtual ~StreamEnds() = default;
  /// x [B, T, C]: the embedding.
  virtual Stream begin(const Variable& x) const;
  /// What the head reads: the stream, or its norm where there is a final norm (else null). Tells `points` the stream
  /// and, after a final norm, its output.
  virtual Variable finish(Stream& stream, const Norm* final_norm, const Pass& pass, Points& points) const;
  virtual void after_update(std::int64_t /*step*/) {}
};

/// One row of the catalogue.
struct PlacementEntry {
  std::string name, formula, reference;
  /// Is there a final norm unless the key `final_norm` says otherwise? Unset in a formula's entry: yes, unless the
  /// formula's outermost call is a norm.
  std::optional<bool> final_norm{};
  /// The initial value of a matrix where the key `init` says nothing else; null: the entry `normal` of inits.def.
  InitFormula init = nullptr;
  /// Why these options are impossible with this placement; "" when they are not. Null: nothing is refused.
  std::function<std::string(const ModelOptions& options)> refuse{};
  /// What the placement asks of the model beside norms (qk_norm, ...); null: nothing.
  void (*adjust)(ModelOptions& options) = nullptr;
  /// Makes a block; a formula's is made from its formula.
  std::function<std::unique_ptr<BlockPlacement>(const Scope& block, const PlacementContext& context)> make{};
  /// Makes the ends of the stream, with parameters of their own in `root`. Blocks of several placements fit into one
  /// model where this is the same function. Null: StreamEnds.
  std::unique_ptr<StreamEnds> (*ends)(const Scope& root, const PlacementContext& context) = nullptr;

  bool has_final_norm() const { return final_norm.value_or(true); }
};

const std::vector<PlacementEntry>& placement_table();
/// Can `text` be no name of the table, because it has more than letters, digits, _ and -?
bool is_formula(const std::string& text);
/// The entry of a name, or one made from a formula such as "x + F(N(x))": x is the stream, F the sub-layer, N or N1 its
/// norm *_norm, N2 its norm *_post_norm, L the number of blocks, l the block and s the sub-layer from 1; numbers,
/// + - * / ^, sqrt, detach(v), and scalar(name, start), a trained number at blocks.i.attn_NAME and blocks.i.mlp_NAME.
/// Raises UsageError for an unknown name (naming those that are) and for a wrong formula (with the column).
PlacementEntry placement_entry(const std::string& name_or_formula);

NORMSCOPE_END
