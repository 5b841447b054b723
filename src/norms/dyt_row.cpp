#define NORM_FILE "norms/dyt_row.cpp"
#include "kernels/row_norm-inl.h"

ROW_NORM_BEGIN
/// n = tanh(alpha x), alpha trained. Gradient: dx = alpha dn (1 - n^2), dalpha = sum dn (1 - n^2) x.
struct DytRow : RowDefaults {
  real alpha;

  template <class R>
  HWY_INLINE static DytRow of(const R&, const RowNormOptions& o) {
    return {{}, static_cast<real>(o.scalar)};
  }
  HWY_INLINE V value(V x) const { return tanh(x * V(alpha)); }
  HWY_INLINE static V slope(V n, V dn) { return dn * (V(1) - n * n); }
  HWY_INLINE Terms terms(V x, V n, V dn) const { return {V(0), slope(n, dn), x}; }
  HWY_INLINE V gradient(V n, V dn, V, V) const { return V(alpha) * slope(n, dn); }
  HWY_INLINE double scalar_gradient(real, real mean, std::int64_t width) const {
    return static_cast<double>(mean) * static_cast<double>(width);
  }
};
ROW_NORM_END(DytRow)

#if ROW_NORM_ONCE
NORMSCOPE_BEGIN
ROW_NORM_EXPORT(DytRow, dyt_kernel)
NORMSCOPE_END
#endif
