#include <normscope/nn/placement.h>

NORMSCOPE_BEGIN

namespace {
/// x = x + F(N(x))
class Pre final : public BlockPlacement {
 public:
  Pre(const Scope& block, const PlacementContext& c)
      : attention_norm_(make_norm(block.in("attn_norm").as("norm"), c.norm, c.width)),
        mlp_norm_(make_norm(block.in("mlp_norm").as("norm"), c.norm, c.width)) {}

  Stream block(const Stream& in, const Branch& attention, const Branch& mlp, const Pass& pass,
               const std::vector<std::string>& points, std::size_t first) const override {
    const Stream middle = branch(in, *attention_norm_, attention, pass, points[first]);
    return branch(middle, *mlp_norm_, mlp, pass, points[first + 1]);
  }

 private:
  static Stream branch(const Stream& in, const Norm& norm, const Branch& run, const Pass& pass,
                       const std::string& point) {
    const auto [x, n] =
        in.pending.defined() ? norm.add_forward(in.x, in.pending, pass) : std::pair(in.x, norm.forward(in.x, pass));
    pass.observe(point, x);
    return {x, run(n, {}), {}};
  }
  std::unique_ptr<Norm> attention_norm_, mlp_norm_;
};
}  // namespace

PlacementEntry placement_pre() {
  return {"pre",
          "x = x + F(N(x)), final N",
          "GPT-2; Xiong et al. 2020, arXiv 2002.04745",
          true,
          residual_init_factor,
          [](const Scope& block, const PlacementContext& c) -> std::unique_ptr<BlockPlacement> {
            return std::make_unique<Pre>(block, c);
          }};
}

NORMSCOPE_END
