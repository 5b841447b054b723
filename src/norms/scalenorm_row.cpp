#define NORM_FILE "norms/scalenorm_row.cpp"
#include "kernels/row_norm-inl.h"

ROW_NORM_BEGIN
/// n = g m, m = r x, r = 1 / max(|x|, eps), g trained. Gradient: dx = g r dn - r n sum(dn m), its last term only where
/// |x| > eps; dg = sum(dn m).
struct ScaleNormRow : RowDefaults {
  real g, r, q;

  template <class R>
  HWY_INLINE static ScaleNormRow of(const R& x, const RowNormOptions& o) {
    real none, square;
    x.means([](V v) HWY_ATTR { return Terms{V(0), v, v}; }, &none, &square);
    const auto width = static_cast<real>(x.width);
    const real length = std::sqrt(square * width), eps = static_cast<real>(o.eps);
    const real r = 1 / (length < eps ? eps : length);  // in this order: NaN stays NaN
    return {{}, static_cast<real>(o.scalars[0]), r, length > eps ? r * width : 0};
  }
  HWY_INLINE V value(V x) const { return x * V(g * r); }
  HWY_INLINE Terms terms(V x, V, V dn) const { return {V(0), dn, x * V(r)}; }
  HWY_INLINE V gradient(V, V n, V dn, V, V mean_dn_m) const {
    const V slope = V(-q) * mean_dn_m;  // of the row
    return fma(V(g * r), dn, n * slope);
  }
  HWY_INLINE void scalar_gradients(double, double sum, double* to) const { to[0] += sum; }
};
ROW_NORM_END(ScaleNormRow)

#if ROW_NORM_ONCE
NORMSCOPE_BEGIN
ROW_NORM_EXPORT(ScaleNormRow, scalenorm_kernel)
NORMSCOPE_END
#endif
