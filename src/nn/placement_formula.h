#pragma once
// A placement's formula, parsed and checked: every node knows whether it is a number, a trained scalar or a stream.
#include <string>
#include <vector>

#include <normscope/nn/placement.h>

#include "core/expression.h"

NORMSCOPE_BEGIN

struct FormulaNode {
  enum class Op { number, L, l, s, x, F, N1, N2, scalar, detach, root, add, subtract, multiply, divide, power };
  enum class Type { number, scalar, stream };  ///< double, [1], [B, T, C]
  Op op;
  Type type;
  double value = 0;       ///< of a number
  std::size_t index = 0;  ///< of a scalar
  std::vector<FormulaNode> in{};
  bool is_norm() const { return op == Op::N1 || op == Op::N2; }
  bool is_stream_sum() const { return op == Op::add && type == Type::stream; }
};

struct PlacementFormula {
  struct Scalar {
    std::string name;
    FormulaNode start;  ///< a number
  };
  FormulaNode root;
  std::vector<Scalar> scalars;
  bool uses_n1 = false, uses_n2 = false;
};

/// Raises UsageError that begins with "column N: ".
PlacementFormula parse_placement_formula(const std::string& text);

/// Completes the entry of a placement that is a formula: final_norm, refuse, make. Raises UsageError as above.
PlacementEntry formula_entry(PlacementEntry entry);

NORMSCOPE_END
