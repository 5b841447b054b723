// Which share of each gradient is exactly zero: what dead units and unused tokens leave.
#include <algorithm>
#include <bit>
#include <type_traits>

#include "core/parallel.h"
#include "stats/statistic.h"

NORMSCOPE_BEGIN

namespace {

class GradZeroFraction final : public Statistic {
 public:
  explicit GradZeroFraction(const StatContext& context) : parameters_(context.model.parameters()) {
    share_.resize(parameters_.all().size());
  }

  void gradients(const GradientNorms&) override {
    const auto tiles = static_cast<std::int64_t>(share_.size());
    parallel_tiles(parameters_.engine(), tiles, [this](std::int64_t p) { count(static_cast<std::size_t>(p)); });
  }

  void row(std::span<float> out) override { std::copy(share_.begin(), share_.end(), out.begin()); }

 private:
  void count(std::size_t p) {
    using Bits = std::conditional_t<sizeof(real) == 4, std::uint32_t, std::uint64_t>;
    const Parameter& parameter = parameters_.all()[p];
    const real* g = parameter.grad();
    std::int64_t zeros = g == nullptr ? parameter.numel() : 0;  // no gradient reached it
    // By bits: while denormals are flushed, they compare equal to 0.
    for (std::int64_t i = 0; g != nullptr && i < parameter.numel(); ++i)
      zeros += static_cast<Bits>(std::bit_cast<Bits>(g[i]) << 1) == 0;
    share_[p] = static_cast<float>(static_cast<double>(zeros) / static_cast<double>(parameter.numel()));
  }

  const Parameters& parameters_;
  std::vector<float> share_;
};

}  // namespace

StatisticEntry statistic_grad_zero_fraction() {
  return {.name = "grad/zero_fraction",
          .unit = "1",
          .long_name = "share of exactly zero elements of each parameter's gradient",
          .stage = "before clipping",
          .formula = "count(dL/dW == 0) / count(dL/dW)",
          .axis = Axis::params,
          .make = make_statistic<GradZeroFraction>};
}

NORMSCOPE_END
