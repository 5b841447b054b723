#include <normscope/nn/placement.h>

NORMSCOPE_BEGIN

namespace {
/// x = N(x + F(x))
class Post final : public BlockPlacement {
 public:
  Post(const Scope& block, const PlacementContext& c)
      : attention_norm_(make_norm(block.in("attn_norm").as("norm"), c.norm, c.width)),
        mlp_norm_(make_norm(block.in("mlp_norm").as("norm"), c.norm, c.width)) {}

  Stream block(const Stream& in, const Branch& attention, const Branch& mlp, const Pass& pass,
               const std::vector<std::string>& points, std::size_t first) const override {
    const Variable x = settle(in);
    pass.observe(points[first], x);
    const Variable y = attention_norm_->add_forward(x, attention(x, {}), pass).second;
    pass.observe(points[first + 1], y);
    return {mlp_norm_->add_forward(y, mlp(y, {}), pass).second, {}, {}};
  }

 private:
  std::unique_ptr<Norm> attention_norm_, mlp_norm_;
};
}  // namespace

PlacementEntry placement_post() {
  return {"post",
          "x = N(x + F(x))",
          "Vaswani et al. 2017, arXiv 1706.03762",
          false,
          residual_init_factor,
          [](const Scope& block, const PlacementContext& c) -> std::unique_ptr<BlockPlacement> {
            return std::make_unique<Post>(block, c);
          }};
}

NORMSCOPE_END
