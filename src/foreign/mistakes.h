#pragma once
// Known mistakes: each computes, in float64, what a program gives that makes it.
#include <string>
#include <vector>

#include "foreign/problem.h"

namespace normscope::foreign {

/// One form of a mistake: the results that it changes, and which form ("eps = 1e-06"), if there are several.
struct Form {
  Results results;
  std::string detail{};
};

struct Mistake {
  const char *name, *what, *correct;
  std::vector<Form> (*forms)(const Problem& problem);  ///< none where it cannot be made
};

#define MISTAKE(name, what, correct) std::vector<Form> mistake_##name(const Problem& problem);
#include "foreign/mistakes.def"
#undef MISTAKE

/// In the order of mistakes.def.
const std::vector<Mistake>& mistake_table();

}  // namespace normscope::foreign
