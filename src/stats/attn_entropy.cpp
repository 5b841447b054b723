// How widely each attention head looks: 0 is one token, ln t all t tokens alike. Collapse towards 0 precedes
// divergence.
#include <algorithm>
#include <charconv>

#include "stats/statistic.h"

NORMSCOPE_BEGIN

namespace {

class AttentionEntropy final : public Statistic {
 public:
  explicit AttentionEntropy(const StatContext& context)
      : heads_(context.model.options().n_head),
        sums_(static_cast<std::size_t>(context.model.options().n_layer * heads_)) {}

  void start_step(std::int64_t) override {
    std::fill(sums_.begin(), sums_.end(), 0.0);
    queries_ = 0;
  }

  bool wants(const std::string& name) const override { return name.ends_with(".attn.entropy"); }

  void value(const std::string& name, const Variable& x) override {  // [B, H, T]
    if (!wants(name)) return;
    constexpr std::string_view prefix = "blocks.";
    std::int64_t block = 0;
    std::from_chars(name.data() + prefix.size(), name.data() + name.size(), block);
    const std::int64_t time = x.shape()[2], rows = x.shape().rows();
    for (std::int64_t row = 0; row < rows; ++row) {
      double& sum = sums_[static_cast<std::size_t>(block * heads_ + row % heads_)];
      for (std::int64_t t = 0; t < time; ++t) sum += static_cast<double>(x.value().data()[row * time + t]);
    }
    if (block == 0) queries_ += x.shape()[0] * time;
  }

  void row(std::span<float> out) override {
    for (std::size_t h = 0; h < out.size(); ++h)
      out[h] = static_cast<float>(sums_[h] / static_cast<double>(queries_));  // NaN for a model without attention
  }

 private:
  std::int64_t heads_, queries_ = 0;
  std::vector<double> sums_;
};

}  // namespace

StatisticEntry statistic_attn_entropy() {
  return {.name = "attn/entropy",
          .unit = "nat",
          .long_name = "entropy of each head's attention weights, mean over queries",
          .formula = "-sum_j p_j ln p_j",
          .reference = "Zhai et al. 2023, arXiv 2303.06296",
          .axis = Axis::heads,
          .make = make_statistic<AttentionEntropy>};
}

NORMSCOPE_END
