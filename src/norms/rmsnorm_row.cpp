#define NORM_FILE "norms/rmsnorm_row.cpp"
#include "kernels/row_norm-inl.h"

ROW_NORM_BEGIN
/// n = r x, r = 1 / sqrt(mean x^2 + eps), or with eps outside r = 1 / (s + eps), s = sqrt(mean x^2).
/// Gradient: dx = r dn - q n mean(dn n), q = r, or 1 / s with eps outside.
struct RmsNormRow : RowDefaults {
  real r, q;

  template <class R>
  HWY_INLINE static RmsNormRow of(const R& x, const RowNormOptions& o) {
    real none, square;
    x.means([](V v) HWY_ATTR { return Terms{V(0), v, v}; }, &none, &square);
    const Scale scale = scale_of(square, o);
    return {{}, scale.r, scale.q};
  }
  HWY_INLINE V value(V x) const { return x * V(r); }
  HWY_INLINE Terms terms(V, V n, V dn) const { return {V(0), dn, n}; }
  HWY_INLINE V gradient(V, V n, V dn, V, V mean_dn_n) const {
    const V slope = V(-q) * mean_dn_n;  // of the row
    return fma(V(r), dn, n * slope);
  }
};
ROW_NORM_END(RmsNormRow)

#if ROW_NORM_ONCE
NORMSCOPE_BEGIN
ROW_NORM_EXPORT(RmsNormRow, rmsnorm_kernel)
NORMSCOPE_END
#endif
