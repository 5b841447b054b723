#define NORM_FILE "norms/layernorm.cpp"
#include "kernels/row_norm-inl.h"

ROW_NORM_BEGIN
/// n = (x - mu) r, r = 1 / sqrt(var + eps), biased variance. Gradient: dx = r (dn - mean(dn) - n mean(dn n)).
struct LayerNormRow : RowDefaults {
  real mean, r, shift;  // mu = mean - shift / r: the rounding that `mean` suffered is kept apart

  HWY_INLINE static LayerNormRow of(Row x, const RowNormOptions& o) {
    // Sums of differences only, so that a large offset costs no digits: the mean from the first entry on, then, centred
    // on its rounded value m, the error e = mean(x - m) and the variance (E[x^2] - E[x]^2 would cancel).
    const V first(x.x[0]);
    const real m = static_cast<real>(static_cast<double>(x.x[0]) + x.mean([&](V v) HWY_ATTR { return v - first; }));
    double e, square;
    x.means(
        [&](V v) HWY_ATTR {
          const V d = v - V(m);
          return Two{d, d * d};
        },
        &e, &square);
    const double r = 1 / std::sqrt(square - e * e + o.eps);
    return {{}, m, static_cast<real>(r), static_cast<real>(-e * r)};
  }
  HWY_INLINE V value(V x) const { return fma(x - V(mean), V(r), V(shift)); }
  HWY_INLINE Two terms(V x, V dn) const { return {dn, dn * value(x)}; }
  HWY_INLINE V gradient(V x, V dn, V mean_dn, V mean_dn_n) const {
    return V(r) * (dn - mean_dn - value(x) * mean_dn_n);
  }
};
ROW_NORM_END(LayerNormRow)

#if ROW_NORM_ONCE
#include "norms/row_norm.h"

namespace normscope::NORMSCOPE_REAL_NAMESPACE {
ROW_NORM_EXPORT(LayerNormRow)

NormEntry norm_layernorm() {
  const auto reference = [](const Variable& x, const RowNormOptions& o, const Variable&) {
    const Variable centred = subtract(x, mean_last(x));
    return divide(centred, sqrt(add_scalar(mean_last(square(centred)), o.eps)));
  };
  return {"layernorm",
          "(x - mean(x)) / sqrt(var(x) + eps), biased variance",
          "gain [C], bias [C]",
          "Ba, Kiros & Hinton 2016, arXiv 1607.06450",
          true,
          {},
          row_norm_maker({LayerNormRow_kernel(), reference, "", 0}, true)};
}
}  // namespace normscope::NORMSCOPE_REAL_NAMESPACE
#endif
