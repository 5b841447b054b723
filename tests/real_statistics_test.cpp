// Statistics on made-up values: which number stands under which name.
#include "model_helpers.h"
#include "stats/statistic.h"

namespace normscope::real_test {
namespace {

TEST(AttentionEntropy, OfEachHeadStandsUnderItsOwnName) {
  const Transformer model(engine(), small({}), 5);
  const std::int64_t heads = model.options().n_head, layers = model.options().n_layer, batch = 3, time = 2;
  ASSERT_GT(heads, 1);
  ASSERT_GT(layers, 1);
  const std::vector<double> norms(model.parameters().all().size(), 0);
  const ResidualMeter residual(model.points(), std::vector<bool>(model.points().size(), true));
  const StatContext context{.model = model, .grad_norms = norms, .residual = residual};
  for (const StatisticEntry& entry : statistic_table()) {
    if (entry.name != "attn/entropy") continue;
    const auto statistic = entry.make(context);
    std::vector<float> row(static_cast<std::size_t>(layers * heads));
    for (int step = 0; step < 2; ++step) {  // the second begins afresh
      statistic->start_step(step);
      for (std::int64_t block = 0; block < layers; ++block) {
        const Tensor x = Tensor::empty(engine(), {batch, heads, time});
        for (std::int64_t i = 0; i < x.numel(); ++i)
          x.data()[i] = as_real(static_cast<double>(10 * block + i / time % heads + i / time / heads - 1));
        statistic->value("blocks." + std::to_string(block) + ".attn.entropy", Variable(x));
      }
      statistic->row(row);
      for (std::int64_t k = 0; k < layers * heads; ++k)
        EXPECT_NEAR(static_cast<double>(row[static_cast<std::size_t>(k)]),
                    static_cast<double>(10 * (k / heads) + k % heads), 1e-5)
            << "block " << k / heads << " head " << k % heads;
    }
    return;
  }
  FAIL() << "there is no attn/entropy";
}

}  // namespace
}  // namespace normscope::real_test
