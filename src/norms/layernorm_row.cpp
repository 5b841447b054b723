#define NORM_FILE "norms/layernorm_row.cpp"
#include "kernels/row_norm-inl.h"

ROW_NORM_BEGIN
/// n = (x - mu) r, r = 1 / sqrt(v + eps), v = u mean((x - mu)^2), u = 1 or, unbiased, C / (C - 1); with eps outside
/// r = 1 / (s + eps), s = sqrt(v). Gradient: dx = r (dn - mean(dn)) - q n mean(dn n), q = u r, or u / s with eps
/// outside.
struct LayerNormRow : RowDefaults {
  static constexpr bool centred = true;
  real back, r, shift, q;  // n = (x + back) r + shift, -back being near the row's entries

  template <class R>
  HWY_INLINE static LayerNormRow of(R& x, const RowNormOptions& o) {
    // Sums of differences only, so that a large offset costs no digits: E[x^2] - E[x]^2 would cancel. The row's first
    // entry is a good enough centre unless it is an outlier; then the mean it led to is.
    real offset = 0, variance = 0;
    for (int pass = 0; pass < 2; ++pass) {
      real square;
      x.means([](V d) HWY_ATTR { return Terms{d, d, d}; }, &offset, &square);
      variance = square - offset * offset;
      if (square <= 8 * variance) break;
      if (pass == 0) x.move(x.back - offset);
    }
    const auto width = static_cast<real>(x.width);
    const real u = o.unbiased && x.width > 1 ? width / (width - 1) : 1;
    const Scale scale = scale_of(u * variance, o);
    return {{}, x.back, scale.r, -offset * scale.r, u * scale.q};
  }
  HWY_INLINE V value(V d) const { return fma(d, V(r), V(shift)); }
  HWY_INLINE Terms terms(V, V n, V dn) const { return {dn, dn, n}; }
  HWY_INLINE V gradient(V, V n, V dn, V mean_dn, V mean_dn_n) const {
    const V slope = V(-q) * mean_dn_n;          // of the row
    return fma(V(r), dn - mean_dn, n * slope);  // in this order: what is alike in a row cancels to zero
  }
};
ROW_NORM_END(LayerNormRow)

#if ROW_NORM_ONCE
NORMSCOPE_BEGIN
ROW_NORM_EXPORT(LayerNormRow, layernorm_kernel)
NORMSCOPE_END
#endif
