#define NORM_FILE "norms/dyt_row.cpp"
#include "kernels/row_norm-inl.h"

ROW_NORM_BEGIN
/// n = tanh(alpha x), alpha trained. Gradient: dx = alpha dn (1 - n^2), dalpha = sum dn (1 - n^2) x.
struct DytRow : RowDefaults {
  real alpha;

  template <class R>
  HWY_INLINE static DytRow of(const R&, const RowNormOptions& o) {
    return {{}, static_cast<real>(o.scalars[0])};
  }
  HWY_INLINE V value(V x) const { return tanh(x * V(alpha)); }
  HWY_INLINE static V slope(V n, V dn) { return dn * (V(1) - n * n); }
  HWY_INLINE Terms terms(V x, V n, V dn) const { return {V(0), slope(n, dn), x}; }
  HWY_INLINE V gradient(V, V n, V dn, V, V) const { return V(alpha) * slope(n, dn); }
  HWY_INLINE void scalar_gradients(double, double sum, double* to) const { to[0] += sum; }
};
ROW_NORM_END(DytRow)

#if ROW_NORM_ONCE
NORMSCOPE_BEGIN
ROW_NORM_EXPORT(DytRow, dyt_kernel)
NORMSCOPE_END
#endif
