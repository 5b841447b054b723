#pragma once
// Which known mistakes give a file's wrong results.
#include "foreign/foreign.h"
#include "foreign/problem.h"

namespace normscope::foreign {

/// A wrong result: the file's numbers, and what rounding allows: a tolerance for each, and relative to their size.
struct Wrong {
  std::string name;
  std::vector<double> values, tolerance;
  double relative;
};

/// Fills in explanations and unexplained. A mistake gives a result when all numbers agree within 4 times
/// (tolerance + relative (|number| + their root mean square)), and at least 4 times better than with the right ones.
/// First come the mistakes that give most of the wrong results; of equally good ones all are named, three at most.
void explain(const Problem& problem, const std::vector<Wrong>& wrong, Judgement& judgement);

}  // namespace normscope::foreign
