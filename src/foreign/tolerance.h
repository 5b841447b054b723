#pragma once
// How far a right program's result may be from the exact one.
#include "foreign/problem.h"
#include "io/npz_file.h"

namespace normscope::foreign {

/// A floating-point format, coarse ones behind fine ones in the table.
struct Format {
  const char* name;
  int digits;       ///< bits of the significand
  int least;        ///< exponent of the smallest number above 0
  double unit() const;  ///< u: the largest relative rounding error, 2^-digits
};

/// The format an array was computed in: its dtype, or a coarser one that all of its numbers fit and whose last bit at
/// least 8 of them use (bfloat16 that was saved as float32).
const Format& format_of(const NpzArray& array);
const Format& coarser(const Format& a, const Format& b);
const Format& finer(const Format& a, const Format& b);

/// The bound for each element of each result,
///   t = u (8 + sqrt(n) / 2) (E + S) + h.
/// u is the format's unit, h its smallest number. n is how many numbers are summed one by one: C for y and dx, rows + C
/// for gain and bias, rows C for a norm's own parameters; sqrt(n) is the growth of rounding errors in such a sum
/// (Higham & Mary 2019, doi 10.1137/18M1226312). S is the sum of absolute terms: sum |dy n| for dgain, sum |dy| for
/// dbias, the result's own size elsewhere. E is the condition, measured: the root mean square over 16 draws of how far
/// the result moves when every input moves by a relative normal(0, 1) u, over u; and of what computing the norm's
/// formula in float32 instead of float64 changes, over 2^-24. The first has what cancels in the inputs (a large mean),
/// the second what cancels inside (dx of a row of one or two entries).
Results tolerances(const Problem& problem, const Format& format);

/// (8 + sqrt(n) / 2) of a result.
double growth(const Problem& problem, const std::string& result);

}  // namespace normscope::foreign
