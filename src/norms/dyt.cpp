#define NORM_FILE "norms/dyt.cpp"
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
#include "norms/row_norm.h"

NORMSCOPE_BEGIN
ROW_NORM_EXPORT(DytRow)

NormEntry norm_dyt() {
  const auto reference = [](const Variable& x, const RowNormOptions&, const Variable& alpha) {
    return tanh(multiply(x, alpha));
  };
  const auto read = [](const NormSpec& spec, std::int64_t, RowNormOptions& options) {
    options.scalar = number_option(spec, "alpha", options.scalar, 1e-6, 1e6);
  };
  return {"dyt",
          "tanh(alpha x)",
          "alpha [1] (0.5), gain [C], bias [C]",
          "Zhu et al. 2025, arXiv 2503.10622",
          true,
          {"alpha"},
          row_norm_maker({DytRow_kernel(), reference, "alpha", 0.5}, true, read)};
}
NORMSCOPE_END
#endif
