#define NORM_FILE "norms/derf_row.cpp"
#include "kernels/row_norm-inl.h"

ROW_NORM_BEGIN
/// n = erf(u), u = a x + s, a and s trained. Gradient: e = dn 2/sqrt(pi) exp(-u^2), dx = a e, da = sum(e x), ds = sum
/// e. The slope is computed from x again: it takes one exponential, and erf alone does not give it.
struct DerfRow : RowDefaults {
  real a, s;

  template <class R>
  HWY_INLINE static DerfRow of(const R&, const RowNormOptions& o) {
    return {{}, static_cast<real>(o.scalars[0]), static_cast<real>(o.scalars[1])};
  }
  HWY_INLINE V value(V x) const {
    const V u = fma(V(a), x, V(s));
    return erf(u, exp(-u * u));
  }
  HWY_INLINE V slope(V x, V dn) const {
    const V u = fma(V(a), x, V(s));
    return dn * V(1.12837916709551257390) * exp(-u * u);
  }
  HWY_INLINE Terms terms(V x, V, V dn) const {
    const V e = slope(x, dn);
    return {e, e, x};
  }
  HWY_INLINE V gradient(V x, V, V dn, V, V) const { return V(a) * slope(x, dn); }
  HWY_INLINE void scalar_gradients(double plain, double product, double* to) const {
    to[0] += product;
    to[1] += plain;
  }
};
ROW_NORM_END(DerfRow)

#if ROW_NORM_ONCE
NORMSCOPE_BEGIN
ROW_NORM_EXPORT(DerfRow, derf_kernel)
NORMSCOPE_END
#endif
