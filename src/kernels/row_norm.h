#pragma once
// What the driver of row normalizations is called with; a norm's own arithmetic is in its file (row_norm-inl.h).
#include <cstdint>

#include <normscope/core/engine.h>
#include <normscope/core/precision.h>

NORMSCOPE_BEGIN
namespace kernels {

constexpr int kRowNormScalars = 2;

/// Plain values a norm's arithmetic may use; `scalars` are its own trained numbers, in the order of their names (alpha
/// of dyt; a and s of derf). An option that a kernel implements becomes a member with the option's name.
struct RowNormOptions {
  double eps = 1e-5;
  double scalars[kRowNormScalars] = {};
  bool eps_outside = false, unbiased = false;
};

/// Where rows lie that are a part of longer ones: `group` rows side by side, the groups' first rows `step` apart.
/// group 0: all rows side by side.
struct RowGroups {
  std::int64_t group = 0, step = 0;
};

/// y = gain n(h) + bias with h = x, or h = x + f when f is given (then h is written too).
struct RowNormForward {
  const real *x, *f;        // [rows, width]; f may be null
  real *h, *y;              // h is null when f is
  const real *gain, *bias;  // [width] or null
  real* statistics;         // [rows, kernel.statistics]
  std::int64_t width;
  RowNormOptions options;
  RowGroups groups = {};  ///< of x and y; then without f
  bool stream = false;    ///< y is written past the caches (set by row_norm_forward)
};

struct RowNormBackward {
  const real *h, *dy, *gain, *statistics;
  real* dh;  // written, or added to
  bool add;
  real *dgain, *dbias;  // null where not wanted
  double* dscalars;     // [kRowNormScalars], or null where not wanted
  std::int64_t width;
  RowNormOptions options;
  RowGroups groups = {};  ///< of h, dy and dh
  bool stream = false;    ///< the same for dh, which then must not be added to (set by row_norm_backward)
};

/// The functions of one norm; begin and end are rows. In backward dgain, dbias and dscalars are those of one tile.
struct RowNormKernel {
  std::int64_t statistics;
  void (*forward)(const RowNormForward& call, std::int64_t begin, std::int64_t end);
  void (*backward)(const RowNormBackward& call, std::int64_t begin, std::int64_t end);
};

void row_norm_forward(Engine& engine, const RowNormKernel& kernel, RowNormForward call, std::int64_t rows);
/// dh may be dy. dgain and dbias [width] are overwritten, or added to where the flag says so; dscalars are overwritten.
void row_norm_backward(Engine& engine, const RowNormKernel& kernel, RowNormBackward call, std::int64_t rows,
                       bool add_gain, bool add_bias);

}  // namespace kernels
NORMSCOPE_END
