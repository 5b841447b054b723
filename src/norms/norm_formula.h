#pragma once
// Formulas of norms as text: parsed and checked once, then turned into steps of ops for one width and one set of
// options.
#include <memory>
#include <string>
#include <vector>

#include <normscope/norms/norm.h>

#include "core/expression.h"

NORMSCOPE_BEGIN

/// One op of a formula. Equal parts of a formula are one step.
struct FormulaStep {
  enum class Op { x, number, parameter, unary, reduce, detach, clip, add, subtract, multiply, divide };
  /// What a value is, in the order in which operands widen: a constant, a trained number [1], one number a row
  /// [..., 1], one number an entry [C], a row [..., C].
  enum class Type { number, scalar, column, vector, row };
  Op op;
  Type type;
  int a = -1, b = -1;       ///< steps that it reads
  double number = 0;        ///< a constant; the lower bound of clip
  double high = 0;          ///< the upper bound of clip
  std::string parameter{};  ///< its name
  Variable (*function)(const Variable&) = nullptr;
  bool needed = false;  ///< by the last step
  bool operator==(const FormulaStep&) const = default;
};

/// A parameter that a formula declares.
struct FormulaParameter {
  std::string name;
  bool each_entry;
  Expression start;  ///< a number; C and the norm's options may stand in it
};

/// The value of a start such as "sqrt(C)".
double start_value(const Expression& start, const NormValues& options, std::int64_t width);

class NormProgram {
 public:
  /// For rows of `width`. `dropped` names parameters (gain, bias) that are the constants 1 and 0.
  NormProgram(const Expression& formula, const NormValues& options, std::int64_t width,
              const std::vector<std::string>& dropped = {});
  /// x [..., C] -> [..., C].
  Variable run(const Variable& x, const NormValues& values) const;
  const std::vector<FormulaParameter>& parameters() const { return parameters_; }
  bool detaches() const;  ///< then the gradient is not the derivative

 private:
  NormProgram() = default;
  friend double start_value(const Expression& start, const NormValues& options, std::int64_t width);
  friend class NormCompiler;
  std::vector<FormulaStep> steps_;  // those before the last one first
  std::vector<FormulaParameter> parameters_;
};

/// Completes an entry that is its formula: parameters, detached, make. The formula is n(x); where it names gain or
/// bias itself, entry.gain must be no_gain. Raises UsageError that begins with "column N: ".
NormEntry formula_entry(NormEntry entry);

/// The entry of "formula: TEXT" or "formula: NAME = TEXT". A norm with a kernel whose printed formula is the same, up
/// to the order of terms and factors, serves it. Raises UsageError with the column of the mistake.
NormEntry entry_of_formula(const std::string& text);

NORMSCOPE_END
