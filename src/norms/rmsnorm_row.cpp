#define NORM_FILE "norms/rmsnorm_row.cpp"
#include "kernels/row_norm-inl.h"

ROW_NORM_BEGIN
/// n = r x, r = 1 / sqrt(mean x^2 + eps). Gradient: dx = r (dn - n mean(dn n)).
struct RmsNormRow : RowDefaults {
  real r;

  template <class R>
  HWY_INLINE static RmsNormRow of(const R& x, const RowNormOptions& o) {
    real none, square;
    x.means([](V v) HWY_ATTR { return Terms{V(0), v, v}; }, &none, &square);
    return {{}, 1 / std::sqrt(square + static_cast<real>(o.eps))};
  }
  HWY_INLINE V value(V x) const { return x * V(r); }
  HWY_INLINE Terms terms(V, V n, V dn) const { return {V(0), dn, n}; }
  HWY_INLINE V gradient(V n, V dn, V, V mean_dn_n) const {
    const V slope = V(-r) * mean_dn_n;  // of the row
    return fma(V(r), dn, n * slope);
  }
};
ROW_NORM_END(RmsNormRow)

#if ROW_NORM_ONCE
NORMSCOPE_BEGIN
ROW_NORM_EXPORT(RmsNormRow, rmsnorm_kernel)
NORMSCOPE_END
#endif
