#pragma once
// Formulas as text: a parser that knows arithmetic and calls, and nothing of what the names mean.
#include <cstddef>
#include <string>
#include <vector>

namespace normscope {

/// A node of a parsed formula.
struct Expression {
  enum class Kind { number, name, call, add, subtract, multiply, divide, power, negate };
  Kind kind = Kind::number;
  std::size_t column = 1;  ///< of its first character, or of its operator; from 1
  double number = 0;
  std::string name{};  ///< of a name or a call
  std::vector<Expression> arguments{};
};

/// Parses numbers, names, calls f(a, b), + - * / ^ and parentheses; ^ binds tighter than a sign and to the right.
/// Raises UsageError that begins with "column N: ".
Expression parse_expression(const std::string& text);

/// One text for all orders of terms and factors: "b*a" and "a * b", "x/s*g" and "g*x/s" give the same.
std::string canonical_text(const Expression& expression);

/// Raises UsageError "column N: MESSAGE".
[[noreturn]] void fail_at(std::size_t column, const std::string& message);

}  // namespace normscope
