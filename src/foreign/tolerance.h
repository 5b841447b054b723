#pragma once
// How far a right program's result may be from the exact one.
#include "foreign/problem.h"
#include "io/npz_file.h"

namespace normscope::foreign {

/// A floating-point format, coarse ones behind fine ones in the table.
struct Format {
  const char* name;
  int digits;           ///< bits of the significand
  int least;            ///< exponent of the smallest number above 0
  double unit() const;  ///< u: the largest relative rounding error, 2^-digits
};

/// The format that arrays were computed in: their finest dtype, or a coarser one that all of their numbers fit and
/// whose last bit at least one of them uses (bfloat16 that was saved as float32).
const Format& format_of(const std::vector<const NpzArray*>& arrays);
const Format& coarser(const Format& a, const Format& b);

/// The bound for each element of each result,
///   t = (4 (u + 2^-53) + sqrt(n) / 2 min(u, 2^-24)) (E + S) + h.
/// u is the format's unit, h its smallest number, 2^-53 is for the yardstick, float64 itself. n is how many numbers are
/// summed one by one: C for y and dx, rows + C for gain and bias, rows C for a norm's own parameters; sqrt(n) is the
/// growth of rounding errors in such a sum (Higham & Mary 2019, doi 10.1137/18M1226312). Formats of 16 bits are taken
/// to sum in float32.
///
/// S is the sum of absolute terms. With dn = gain dy, N = r (|x| + [centred] mean|x|) and the terms of Problem:
///   y      |gain| N + |bias|
///   dx     r (|dn| + [centred] mean|dn| + k (|n| mean(|dn| N) + N mean|dn n| + u N mean(|dn| N)))
///   dgain  sum over rows of |dy| N
///   dbias  sum over rows of |dy|
/// Where the norm is not of that form: |gain n| + |bias|, |dx|, sum |dy n|, sum |dy|; for a norm's own parameters the
/// gradient's size.
///
/// E is the condition, measured: the root mean square over random draws of how far the result moves when every input
/// moves by a relative normal(0, 1) u, over u. For a norm of another form than Problem::linear, where S does not know
/// what cancels inside, it has the same of what computing the formula in float32 and not in float64 changes, over
/// 2^-24.
Results tolerances(const Problem& problem, const Format& format);

/// The factor of E + S above.
double allowance(const Problem& problem, const std::string& result, const Format& format);

}  // namespace normscope::foreign
