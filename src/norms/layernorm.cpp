#define NORM_FILE "norms/layernorm.cpp"
#include "kernels/row_norm-inl.h"

ROW_NORM_BEGIN
/// n = (x - mu) r, r = 1 / sqrt(var + eps), biased variance. Gradient: dx = r (dn - mean(dn) - n mean(dn n)).
struct LayerNormRow : RowDefaults {
  real mean, r;

  HWY_INLINE static LayerNormRow of(Row x, const RowNormOptions& o) {
    // Two passes; the second is centred on the rounded mean m and takes its error e = mean(x - m) back out, so that a
    // large offset costs no digits (E[x^2] - E[x]^2 would).
    const real m = static_cast<real>(x.mean([](V v) HWY_ATTR { return v; }));
    double e, square;
    x.means([&](V v) HWY_ATTR { const V d = v - V(m); return Two{d, d * d}; }, &e, &square);
    return {{}, static_cast<real>(static_cast<double>(m) + e), static_cast<real>(1 / std::sqrt(square - e * e + o.eps))};
  }
  HWY_INLINE V value(V x) const { return (x - V(mean)) * V(r); }
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
  return {"layernorm", "(x - mean(x)) / sqrt(var(x) + eps), biased variance", "gain [C], bias [C]",
          "Ba, Kiros & Hinton 2016, arXiv 1607.06450", true, {},
          row_norm_maker({LayerNormRow_kernel(), reference, "", 0}, true)};
}
}  // namespace normscope::NORMSCOPE_REAL_NAMESPACE
#endif
