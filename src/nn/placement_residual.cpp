// ResiDual: two streams, so no formula of one.
#include <normscope/nn/placement.h>

NORMSCOPE_BEGIN

namespace {

/// The embedding plus every sub-layer's output, never normalized.
struct PlainSum final : Stream::State {
  Variable sum;
};

class ResidualBlock final : public BlockPlacement {
 public:
  ResidualBlock(const Scope& block, const PlacementContext& c)
      : attention_norm_(make_norm(block.in("attn_norm").as("norm"), c.attn_norm, c.width)),
        mlp_norm_(make_norm(block.in("mlp_norm").as("norm"), c.mlp_norm, c.width)) {}

  void block(Stream& stream, const Branch& attention, const Branch& mlp, const Pass& pass,
             Points& points) const override {
    run(stream, *attention_norm_, attention, pass, points);
    run(stream, *mlp_norm_, mlp, pass, points);
  }
  void after_update(std::int64_t step) override {
    attention_norm_->after_update(step);
    mlp_norm_->after_update(step);
  }

 private:
  static void run(Stream& stream, const Norm& norm, const Branch& branch, const Pass& pass, Points& points) {
    points.observe(stream.x);
    const Variable f = branch(stream.x, {});
    auto& plain = static_cast<PlainSum&>(*stream.state);
    plain.sum = add(plain.sum, f);
    stream.x = norm.add_forward(stream.x, f, pass).second;
  }
  std::unique_ptr<Norm> attention_norm_, mlp_norm_;
};

class ResidualEnds final : public StreamEnds {
 public:
  Stream begin(const Variable& x) const override {
    auto plain = std::make_unique<PlainSum>();
    plain->sum = x;
    return {.x = x, .state = std::move(plain)};
  }
  Variable finish(Stream& stream, const Norm* final_norm, const Pass& pass, Points& points) const override {
    points.observe(stream.x);
    const Variable& plain = static_cast<PlainSum&>(*stream.state).sum;
    const Variable y = add(stream.x, final_norm ? final_norm->forward(plain, pass) : plain);
    if (final_norm) points.observe(y);
    return y;
  }
};

}  // namespace

PlacementEntry placement_residual() {
  return {
      .name = "residual",
      .formula = "N(x + F(x)), and u + F(x) with u the embedding at first; at the end x + N(u)",
      .reference = "ResiDual, Xie et al. 2023, arXiv 2304.14802",
      .final_norm = true,
      .make = [](const Scope& block, const PlacementContext& c) { return std::make_unique<ResidualBlock>(block, c); },
      .ends = [](const Scope&, const PlacementContext&) -> std::unique_ptr<StreamEnds> {
        return std::make_unique<ResidualEnds>();
      }};
}

NORMSCOPE_END
