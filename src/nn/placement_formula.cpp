#include "nn/placement_formula.h"

#include <algorithm>

NORMSCOPE_BEGIN

namespace {

using Op = FormulaNode::Op;
using Type = FormulaNode::Type;

/// From a parsed text to nodes with types.
class Checker {
 public:
  PlacementFormula run(const std::string& text) {
    const Expression expression = parse_expression(text);
    formula_.root = node(expression);
    if (formula_.root.type != Type::stream) fail_at(expression.column, "the value of the formula is not a stream");
    if (!uses_f_) fail_at(1, "the formula does not use F, the sub-layer");
    return std::move(formula_);
  }

 private:
  FormulaNode node(const Expression& e) {
    using Kind = Expression::Kind;
    switch (e.kind) {
      case Kind::number:
        return {.op = Op::number, .type = Type::number, .value = e.number};
      case Kind::name:
        return name(e);
      case Kind::call:
        return call(e);
      case Kind::negate: {
        FormulaNode in = node(e.arguments[0]);
        FormulaNode minus{.op = Op::number, .type = Type::number, .value = -1};
        return join(Op::multiply, in.type, std::move(minus), std::move(in));
      }
      case Kind::add:
      case Kind::subtract: {
        FormulaNode a = node(e.arguments[0]), b = node(e.arguments[1]);
        if ((a.type == Type::stream) != (b.type == Type::stream))
          fail_at(e.column, "a stream and a number cannot be added");
        const Type type = std::max(a.type, b.type);
        return join(e.kind == Kind::add ? Op::add : Op::subtract, type, std::move(a), std::move(b));
      }
      case Kind::multiply: {
        FormulaNode a = node(e.arguments[0]), b = node(e.arguments[1]);
        if (a.type == Type::stream && b.type == Type::stream) fail_at(e.column, "two streams cannot be multiplied");
        if (a.type > b.type) std::swap(a, b);
        const Type type = b.type;
        return join(Op::multiply, type, std::move(a), std::move(b));
      }
      case Kind::divide: {
        FormulaNode a = node(e.arguments[0]), b = node(e.arguments[1]);
        if (b.type == Type::stream) fail_at(e.column, "the divisor must be a number or a scalar");
        const Type type = std::max(a.type, b.type);
        return join(Op::divide, type, std::move(a), std::move(b));
      }
      case Kind::power: {
        FormulaNode a = node(e.arguments[0]), b = node(e.arguments[1]);
        if (a.type != Type::number || b.type != Type::number) fail_at(e.column, "^ takes numbers only");
        return join(Op::power, Type::number, std::move(a), std::move(b));
      }
    }
    return {};
  }

  static FormulaNode join(Op op, Type type, FormulaNode a, FormulaNode b) {
    FormulaNode result{.op = op, .type = type};
    result.in.push_back(std::move(a));
    result.in.push_back(std::move(b));
    return result;
  }
  static FormulaNode wrap(Op op, Type type, FormulaNode a) {
    FormulaNode result{.op = op, .type = type};
    result.in.push_back(std::move(a));
    return result;
  }

  [[noreturn]] static void unknown(const Expression& e) {
    static constexpr const char* calls[] = {"F", "N", "N1", "N2", "sqrt", "detach", "scalar"};
    const bool is_call = std::find(std::begin(calls), std::end(calls), e.name) != std::end(calls);
    if (is_call) fail_at(e.column, e.name + " takes an argument: " + e.name + "(...)");
    if (e.name == "x" || e.name == "L" || e.name == "l" || e.name == "s")
      fail_at(e.column, e.name + " takes no arguments");
    fail_at(e.column, "'" + e.name + "' is unknown; allowed: x, F, N, N1, N2, L, l, s, sqrt, detach, scalar");
  }

  static FormulaNode name(const Expression& e) {
    if (e.name == "x") return {.op = Op::x, .type = Type::stream};
    if (e.name == "L") return {.op = Op::L, .type = Type::number};
    if (e.name == "l") return {.op = Op::l, .type = Type::number};
    if (e.name == "s") return {.op = Op::s, .type = Type::number};
    unknown(e);
  }

  FormulaNode call(const Expression& e) {
    if (e.name == "scalar") return scalar(e);
    if (e.name == "x" || e.name == "L" || e.name == "l" || e.name == "s") unknown(e);
    const bool on_stream = e.name == "F" || e.name == "N" || e.name == "N1" || e.name == "N2";
    if (!on_stream && e.name != "sqrt" && e.name != "detach") unknown(e);
    if (e.arguments.size() != 1) fail_at(e.column, e.name + " takes one argument");
    FormulaNode in = node(e.arguments[0]);
    const Type type = in.type;
    if (on_stream && type != Type::stream) fail_at(e.arguments[0].column, e.name + " takes a stream, such as x");
    if (e.name == "detach") {
      if (type == Type::number) fail_at(e.arguments[0].column, "detach takes a stream or a scalar");
      return wrap(Op::detach, type, std::move(in));
    }
    if (e.name == "sqrt") {
      if (type == Type::stream) fail_at(e.arguments[0].column, "sqrt takes a number or a scalar");
      return wrap(Op::root, type, std::move(in));
    }
    if (e.name == "F") {
      if (uses_f_) fail_at(e.column, "F occurs twice; a sub-layer runs once");
      uses_f_ = true;
      return wrap(Op::F, type, std::move(in));
    }
    const bool second = e.name == "N2";
    (second ? formula_.uses_n2 : formula_.uses_n1) = true;
    return wrap(second ? Op::N2 : Op::N1, type, std::move(in));
  }

  FormulaNode scalar(const Expression& e) {
    if (e.arguments.size() != 2 || e.arguments[0].kind != Expression::Kind::name)
      fail_at(e.column, "scalar takes a name and an initial value: scalar(scale, 0)");
    const std::string& wanted = e.arguments[0].name;
    if (wanted == "norm" || wanted == "post_norm") fail_at(e.arguments[0].column, wanted + " is the name of a norm");
    for (const auto& other : formula_.scalars)
      if (other.name == wanted) fail_at(e.column, "scalar " + wanted + " is declared twice; use different names");
    FormulaNode start = node(e.arguments[1]);
    if (start.type != Type::number) fail_at(e.arguments[1].column, "the initial value of a scalar must be a number");
    formula_.scalars.push_back({wanted, std::move(start)});
    return {.op = Op::scalar, .type = Type::scalar, .index = formula_.scalars.size() - 1};
  }

  PlacementFormula formula_;
  bool uses_f_ = false;
};

}  // namespace

PlacementFormula parse_placement_formula(const std::string& text) { return Checker().run(text); }

NORMSCOPE_END
