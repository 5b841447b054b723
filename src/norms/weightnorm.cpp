#include <cmath>

#include "norms/formula.h"

NORMSCOPE_BEGIN

namespace {
/// W = g v / |v| of each row: v is the parameter "weight", begun as the plain matrix is (and from the same random
/// stream), g the parameter "gain" [out], begun at |v|: the first W is v.
Weight normalized_weight(const Scope& scope, const Shape& shape, const Init& init) {
  const Variable v = scope.add("weight", shape, init);
  const Variable g = scope.add("gain", {shape[0]}, Init::constant(0));
  const real* row = v.value().data();
  for (std::int64_t i = 0; i < shape[0] && !scope.engine().dry(); ++i, row += shape[1]) {
    double squares = 0;
    for (std::int64_t j = 0; j < shape[1]; ++j) squares += static_cast<double>(row[j]) * static_cast<double>(row[j]);
    g.value().data()[i] = static_cast<real>(std::sqrt(squares));
  }
  return [v, g] { return multiply(divide(v, safe_sqrt(sum_last(square(v)))), reshape(g, {v.shape()[0], 1})); };
}
}  // namespace

NormEntry norm_weightnorm() {
  return {.name = "weightnorm",
          .label = "WeightNorm",
          .formula = "W = gain v / sqrt(sum(v^2)) of each row of a hidden matrix; activations stay as they are",
          .reference = "Salimans & Kingma 2016, arXiv 1602.07868, without its start from data",
          .over = Over::weights,
          .gain = no_gain,
          .refuse = [](const NormValues&, const NormSite&) -> std::string {
            return "it is a re-parametrisation of hidden matrices, not a norm of activations; arch mlp has it";
          },
          .weight = normalized_weight};
}

NORMSCOPE_END
