// A block whose sub-layers are wired by a formula.
#include <cmath>
#include <utility>

#include "nn/placement_formula.h"

NORMSCOPE_BEGIN

namespace {

using Op = FormulaNode::Op;
using Type = FormulaNode::Type;
using Node = FormulaNode;

/// What L, l and s are in one sub-layer.
struct Place {
  double layers, block, sublayer;
};

double number(const Node& n, const Place& place) {
  const auto in = [&](std::size_t i) { return number(n.in[i], place); };
  switch (n.op) {
    case Op::L:
      return place.layers;
    case Op::l:
      return place.block;
    case Op::s:
      return place.sublayer;
    case Op::root:
      return std::sqrt(in(0));
    case Op::add:
      return in(0) + in(1);
    case Op::subtract:
      return in(0) - in(1);
    case Op::multiply:
      return in(0) * in(1);
    case Op::divide:
      return in(0) / in(1);
    case Op::power:
      return std::pow(in(0), in(1));
    default:
      return n.value;
  }
}

/// The norm of x that the formula takes first, or null: it makes the sum that is pending.
const Node* first_norm_of_x(const Node& n) {
  if (n.is_norm() && n.in[0].op == Op::x) return &n;
  for (const Node& in : n.in)
    if (const Node* found = first_norm_of_x(in)) return found;
  return nullptr;
}

/// The formula with the norms and scalars of one sub-layer.
class SubLayer {
 public:
  SubLayer(const Scope& block, const std::string& name, std::shared_ptr<const PlacementFormula> formula,
           const NormSpec& norm, std::int64_t width, const Place& place)
      : formula_(std::move(formula)), place_(place), first_norm_(first_norm_of_x(formula_->root)) {
    const auto make = [&](const std::string& path) { return make_norm(block.in(path).as("norm"), norm, width); };
    if (formula_->uses_n1) n1_ = make(name + "_norm");
    if (formula_->uses_n2) n2_ = make(name + "_post_norm");
    for (const auto& scalar : formula_->scalars)
      scalars_.push_back(
          block.as("scalar").add(name + "_" + scalar.name, {1}, Init::constant(number(scalar.start, place))));
  }

  void run(Stream& stream, const Branch& branch, const Pass& pass, Points& points) const {
    Frame frame{.x = stream.x, .normed = {}, .branch = branch, .pass = pass};
    if (stream.pending.defined() && first_norm_)
      std::tie(frame.x, frame.normed) = norm(*first_norm_).add_forward(stream.x, stream.pending, pass);
    else
      frame.x = stream.sum();
    stream.x = stream.pending = {};
    points.observe(frame.x);
    const Node& root = formula_->root;
    if (root.is_stream_sum()) {
      stream.x = value(root.in[0], frame);
      stream.pending = value(root.in[1], frame);
    } else {
      stream.x = value(root, frame);
    }
  }

  void after_update(std::int64_t step) {
    if (n1_) n1_->after_update(step);
    if (n2_) n2_->after_update(step);
  }

 private:
  struct Frame {
    Variable x, normed;  // the stream; the first norm of it, where that is known already
    const Branch& branch;
    const Pass& pass;
  };

  Norm& norm(const Node& n) const { return n.op == Op::N1 ? *n1_ : *n2_; }

  Variable value(const Node& n, const Frame& frame) const {
    const auto in = [&](std::size_t i) { return value(n.in[i], frame); };
    const auto is_number = [&](std::size_t i) { return n.in[i].type == Type::number; };
    const auto factor = [&](std::size_t i) { return number(n.in[i], place_); };
    switch (n.op) {
      case Op::x:
        return frame.x;
      case Op::F:
        return frame.branch(in(0), {});
      case Op::N1:
      case Op::N2:
        if (&n == first_norm_ && frame.normed.defined()) return frame.normed;
        if (n.in[0].is_stream_sum()) {
          const Variable x = value(n.in[0].in[0], frame), f = value(n.in[0].in[1], frame);
          return norm(n).add_forward(x, f, frame.pass).second;
        }
        return norm(n).forward(in(0), frame.pass);
      case Op::scalar:
        return scalars_[n.index];
      case Op::detach:
        return in(0).detach();
      case Op::root:
        return sqrt(in(0));
      case Op::add:
        if (is_number(0)) return add_scalar(in(1), factor(0));
        if (is_number(1)) return add_scalar(in(0), factor(1));
        return add(in(0), in(1));
      case Op::subtract:
        if (is_number(0)) return add_scalar(scale(in(1), -1), factor(0));
        if (is_number(1)) return add_scalar(in(0), -factor(1));
        return subtract(in(0), in(1));
      case Op::multiply:  // of the two, the first is the simpler one
        return is_number(0) ? scale(in(1), factor(0)) : multiply(in(1), in(0));
      case Op::divide:
        if (is_number(0)) return scale(reciprocal(in(1)), factor(0));
        return is_number(1) ? scale(in(0), 1 / factor(1)) : divide(in(0), in(1));
      default:
        throw Error("[placement] expected a stream, found a number");
    }
  }

  std::shared_ptr<const PlacementFormula> formula_;
  Place place_;
  const Node* first_norm_;
  std::unique_ptr<Norm> n1_, n2_;
  std::vector<Variable> scalars_;
};

class FormulaBlock final : public BlockPlacement {
 public:
  FormulaBlock(const Scope& block, const PlacementContext& c, const std::shared_ptr<const PlacementFormula>& formula)
      : attention_(block, "attn", formula, c.attn_norm, c.width, place(c, 1)),
        mlp_(block, "mlp", formula, c.mlp_norm, c.width, place(c, 2)) {}

  void block(Stream& stream, const Branch& attention, const Branch& mlp, const Pass& pass,
             Points& points) const override {
    attention_.run(stream, attention, pass, points);
    mlp_.run(stream, mlp, pass, points);
  }
  void after_update(std::int64_t step) override {
    attention_.after_update(step);
    mlp_.after_update(step);
  }

 private:
  static Place place(const PlacementContext& c, std::int64_t half) {
    return {static_cast<double>(c.layers), static_cast<double>(c.block + 1), static_cast<double>(2 * c.block + half)};
  }
  SubLayer attention_, mlp_;
};

}  // namespace

PlacementEntry formula_entry(PlacementEntry entry) {
  const auto formula = std::make_shared<const PlacementFormula>(parse_placement_formula(entry.formula));
  if (!entry.final_norm) entry.final_norm = !formula->root.is_norm();
  if (!entry.refuse && !formula->uses_n1 && !formula->uses_n2)
    entry.refuse = [name = entry.name](const ModelOptions& o) -> std::string {
      for (const auto& [i, own] : o.block) {
        const bool mine = own.placement == name || (own.placement.empty() && o.placement == name);
        if (mine && (own.attn_norm || own.mlp_norm))
          return "its blocks have no norms, but block " + std::to_string(i) + " sets one; remove it";
      }
      return "";
    };
  entry.make = [formula](const Scope& block, const PlacementContext& context) {
    return std::make_unique<FormulaBlock>(block, context, formula);
  };
  return entry;
}

NORMSCOPE_END
