#include "norms/norm_formula.h"

#include <algorithm>
#include <cmath>
#include <map>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "norms/formula.h"

NORMSCOPE_BEGIN

namespace {

using Op = FormulaStep::Op;
using Type = FormulaStep::Type;
using Function = Variable (*)(const Variable&);

double sigmoid_of(double v) { return 1 / (1 + std::exp(-v)); }

/// Functions of one value: of a constant, and of a variable.
struct UnaryFunction {
  const char* name;
  double (*constant)(double);
  Function variable;
};
constexpr UnaryFunction kUnary[] = {
    {"sqrt", std::sqrt, safe_sqrt}, {"exp", std::exp, exp}, {"log", std::log, log},
    {"tanh", std::tanh, tanh},      {"erf", std::erf, erf}, {"sigmoid", sigmoid_of, sigmoid},
    {"atan", std::atan, atan},      {"sin", std::sin, sin}, {"abs", std::fabs, abs}};

/// x - detach(mean(x)), in two passes as centred().
Variable centred_detached(const Variable& x) {
  const Variable once = subtract(x, mean_last(x).detach());
  return subtract(once, mean_last(once).detach());
}

Variable variance(const Variable& x) { return mean_last(square(centred(x))); }

struct Reduction {
  const char* name;
  Function variable;
};
constexpr Reduction kReductions[] = {{"mean", mean_last}, {"sum", sum_last}, {"var", variance}, {"max", max_last}};

template <class Table>
auto* find(const Table& table, const std::string& name) {
  const auto found = std::find_if(std::begin(table), std::end(table), [&](const auto& e) { return name == e.name; });
  return found == std::end(table) ? nullptr : &*found;
}

Type wider(Type a, Type b) {
  const bool outer = (a == Type::column && b == Type::vector) || (a == Type::vector && b == Type::column);
  return outer ? Type::row : std::max(a, b);
}

}  // namespace

/// From a parsed text to steps.
class NormCompiler {
 public:
  NormCompiler(NormProgram& program, const NormValues& options, std::int64_t width,
               const std::vector<std::string>& dropped)
      : program_(program), options_(options), width_(width), dropped_(dropped) {}

  int compile(const Expression& e) {
    using Kind = Expression::Kind;
    switch (e.kind) {
      case Kind::number:
        return constant(e.number);
      case Kind::name:
        return name(e);
      case Kind::call:
        return call(e);
      case Kind::negate:
        return multiply(constant(-1), compile(e.arguments[0]));
      case Kind::add:
        return sum(e, Op::add);
      case Kind::subtract:
        return sum(e, Op::subtract);
      case Kind::multiply: {
        const int a = compile(e.arguments[0]);
        return multiply(a, compile(e.arguments[1]));
      }
      case Kind::divide: {
        const int a = compile(e.arguments[0]);
        return divide(a, compile(e.arguments[1]));
      }
      case Kind::power:
        return power(e);
    }
    return -1;
  }

  /// The value of a formula that may hold numbers only.
  double number(const Expression& e) {
    const int step = compile(e);
    if (!is_number(step)) fail_at(e.column, "a number is expected here");
    return at(step).number;
  }

 private:
  const FormulaStep& at(int step) const { return program_.steps_[static_cast<std::size_t>(step)]; }
  bool is_number(int step) const { return at(step).op == Op::number; }
  bool is_number(int step, double value) const { return is_number(step) && at(step).number == value; }

  int step(FormulaStep wanted) {
    auto& steps = program_.steps_;
    const auto at = std::find(steps.begin(), steps.end(), wanted) - steps.begin();
    if (at == static_cast<std::ptrdiff_t>(steps.size())) steps.push_back(std::move(wanted));
    return static_cast<int>(at);
  }
  int constant(double value) { return step({.op = Op::number, .type = Type::number, .number = value}); }
  int unary(int a, Function function) {
    return step({.op = Op::unary, .type = at(a).type, .a = a, .function = function});
  }
  int binary(Op op, int a, int b) { return step({.op = op, .type = wider(at(a).type, at(b).type), .a = a, .b = b}); }

  int sum(const Expression& e, Op op) {
    const int a = compile(e.arguments[0]), b = compile(e.arguments[1]);
    if (is_number(a) && is_number(b))
      return constant(op == Op::add ? at(a).number + at(b).number : at(a).number - at(b).number);
    if (is_number(b, 0)) return a;
    if (is_number(a, 0) && op == Op::add) return b;
    if (op == Op::add) return is_number(a) ? binary(op, b, a) : binary(op, a, b);
    if (is_number(b)) return binary(Op::add, a, constant(-at(b).number));
    if (is_number(a)) return binary(Op::add, multiply(constant(-1), b), a);
    // v - mean(v) keeps its digits whatever the mean is
    const bool detached = at(b).op == Op::detach;
    const FormulaStep& mean = at(detached ? at(b).a : b);
    if (mean.op == Op::reduce && mean.function == mean_last && mean.a == a && at(a).type == Type::row)
      return step({.op = Op::unary, .type = Type::row, .a = a, .function = detached ? centred_detached : centred});
    return binary(op, a, b);
  }

  int multiply(int a, int b) {
    if (is_number(a)) std::swap(a, b);
    if (is_number(a)) return constant(at(a).number * at(b).number);
    if (is_number(b, 1)) return a;
    if (is_number(b, 0)) return b;
    return binary(Op::multiply, a, b);
  }

  int divide(int a, int b) {
    if (is_number(a) && is_number(b)) return constant(at(a).number / at(b).number);
    if (is_number(b)) return multiply(a, constant(1 / at(b).number));
    if (is_number(a)) return multiply(constant(at(a).number), unary(b, reciprocal));
    // one division a row instead of one an entry
    if (at(b).type == Type::column) return multiply(a, unary(b, reciprocal));
    return binary(Op::divide, a, b);
  }

  int power(const Expression& e) {
    const int a = compile(e.arguments[0]);
    const double p = number(e.arguments[1]);
    if (is_number(a)) return constant(std::pow(at(a).number, p));
    if (p == 1) return a;
    if (p == 2) return unary(a, square);
    if (p == 0.5) return unary(a, safe_sqrt);
    if (p == -1) return unary(a, reciprocal);
    if (p != 0 && std::abs(p) <= 16 && p == std::floor(p)) {
      int result = a;
      for (int i = 1; i < static_cast<int>(std::abs(p)); ++i) result = multiply(result, a);
      return p > 0 ? result : unary(result, reciprocal);
    }
    return unary(multiply(unary(a, log), constant(p)), exp);  // v^p, v > 0
  }

  int name(const Expression& e) {
    if (e.name == "x") return step({.op = Op::x, .type = Type::row});
    if (e.name == "C") return constant(static_cast<double>(width_));
    if (e.name == "eps") return constant(options_.eps);
    if (e.name == "pi") return constant(3.14159265358979323846);
    if (e.name == "gain" || e.name == "bias") {
      const double start = e.name == "gain" ? 1 : 0;
      if (std::find(dropped_.begin(), dropped_.end(), e.name) != dropped_.end()) return constant(start);
      if (!declared(e.name)) return declare(e, e.name, true, {.kind = Expression::Kind::number, .number = start});
    }
    if (const FormulaParameter* p = declared(e.name)) return parameter(*p);
    if (const auto option = options_.options.find(e.name); option != options_.options.end())
      return constant(option->second);
    unknown(e);
  }

  const FormulaParameter* declared(const std::string& wanted) const { return find(program_.parameters_, wanted); }
  int parameter(const FormulaParameter& p) {
    return step({.op = Op::parameter, .type = p.each_entry ? Type::vector : Type::scalar, .parameter = p.name});
  }
  int declare(const Expression& e, const std::string& name, bool each_entry, const Expression& start) {
    if (declared(name)) fail_at(e.column, name + " is declared twice; use only its name the second time");
    program_.parameters_.push_back({name, each_entry, start});
    return parameter(program_.parameters_.back());
  }

  [[noreturn]] static void unknown(const Expression& e) {
    std::vector<std::string> functions;
    for (const Reduction& r : kReductions) functions.push_back(r.name);
    for (const UnaryFunction& u : kUnary) functions.push_back(u.name);
    const bool call = e.kind == Expression::Kind::call;
    if (!call && (find(kUnary, e.name) || find(kReductions, e.name) || e.name == "detach" || e.name == "clip"))
      fail_at(e.column, fmt::format("{} is a function: {}(...)", e.name, e.name));
    fail_at(e.column, fmt::format("'{}' is unknown; names are x, gain, bias, eps, C, pi, scalar(NAME, START) and "
                                  "vector(NAME, START); functions are {}, detach, clip",
                                  e.name, fmt::join(functions, ", ")));
  }

  int call(const Expression& e) {
    if (e.name == "scalar" || e.name == "vector") return declaration(e);
    if (e.name == "clip") return clip(e);
    if (e.name == "max" && e.arguments.size() == 2) return clip_from(e);
    const UnaryFunction* function = find(kUnary, e.name);
    const Reduction* reduction = find(kReductions, e.name);
    if (!function && !reduction && e.name != "detach") unknown(e);
    if (e.arguments.size() != 1) fail_at(e.column, e.name + " takes one argument");
    const int a = compile(e.arguments[0]);
    if (reduction) {
      if (at(a).type != Type::row && at(a).type != Type::vector)
        fail_at(e.arguments[0].column, e.name + " takes a value with one number per entry, such as x");
      return step({.op = Op::reduce,
                   .type = at(a).type == Type::row ? Type::column : Type::scalar,
                   .a = a,
                   .function = reduction->variable});
    }
    if (!function) return is_number(a) ? a : step({.op = Op::detach, .type = at(a).type, .a = a});
    if (is_number(a)) return constant(function->constant(at(a).number));
    // sqrt(v + eps) has a finite slope without help
    const FormulaStep& inner = at(a);
    const bool positive = inner.op == Op::add && is_number(inner.b) && at(inner.b).number > 0;
    return unary(a, function->variable == safe_sqrt && positive ? sqrt : function->variable);
  }

  int clip(const Expression& e) {
    if (e.arguments.size() != 3) fail_at(e.column, "clip takes a value and two bounds: clip(x, -1, 1)");
    const int a = compile(e.arguments[0]);
    const double low = number(e.arguments[1]), high = number(e.arguments[2]);
    if (!(low < high)) fail_at(e.arguments[1].column, "the first bound must be the smaller one");
    return bounded(a, low, high);
  }
  int clip_from(const Expression& e) {  // max(v, number)
    const int a = compile(e.arguments[0]);
    return bounded(a, number(e.arguments[1]), std::numeric_limits<double>::infinity());
  }
  int bounded(int a, double low, double high) {
    if (is_number(a)) return constant(std::clamp(at(a).number, low, high));
    return step({.op = Op::clip, .type = at(a).type, .a = a, .number = low, .high = high});
  }

  int declaration(const Expression& e) {
    const char* example = e.name == "scalar" ? "scalar(alpha, 0.5)" : "vector(alpha, 1)";
    if (e.arguments.size() != 2 || e.arguments[0].kind != Expression::Kind::name)
      fail_at(e.column, fmt::format("{} takes a name and an initial value: {}", e.name, example));
    const Expression& wanted = e.arguments[0];
    static constexpr const char* taken[] = {"x", "C", "eps", "pi", "gain", "bias"};
    if (std::find(std::begin(taken), std::end(taken), wanted.name) != std::end(taken))
      fail_at(wanted.column, fmt::format("'{}' is already defined; choose another name", wanted.name));
    number(e.arguments[1]);
    return declare(e, wanted.name, e.name == "vector", e.arguments[1]);
  }

  NormProgram& program_;
  const NormValues& options_;
  std::int64_t width_;
  std::vector<std::string> dropped_;
};

double start_value(const Expression& start, const NormValues& options, std::int64_t width) {
  NormProgram none;
  return NormCompiler(none, options, width, {}).number(start);
}

NormProgram::NormProgram(const Expression& formula, const NormValues& options, std::int64_t width,
                         const std::vector<std::string>& dropped) {
  NormCompiler compiler(*this, options, width, dropped);
  const int last = compiler.compile(formula);
  if (std::none_of(steps_.begin(), steps_.end(), [](const FormulaStep& s) { return s.op == Op::x; }))
    fail_at(formula.column, "the formula does not use x");
  const Type type = steps_[static_cast<std::size_t>(last)].type;
  if (type != Type::row) fail_at(formula.column, "the value of the formula must have the shape of x");
  steps_.resize(static_cast<std::size_t>(last) + 1);  // the value may be an earlier step
  steps_.back().needed = true;
  for (std::size_t i = steps_.size(); i-- > 0;)
    for (const int in : {steps_[i].a, steps_[i].b})
      if (steps_[i].needed && in >= 0) steps_[static_cast<std::size_t>(in)].needed = true;
}

bool NormProgram::detaches() const {
  return std::any_of(steps_.begin(), steps_.end(), [](const FormulaStep& s) { return s.op == Op::detach; });
}

namespace {

/// max(low, min(v, high)), the slope being 1 strictly between the bounds and 0 elsewhere.
Variable clipped(const Variable& v, double low, double high) {
  const Variable above = add_scalar(relu(add_scalar(v, -low)), low);
  if (std::isinf(high)) return above;
  return add_scalar(scale(relu(add_scalar(scale(above, -1), high)), -1), high);
}

Variable evaluate(const FormulaStep& s, const std::vector<FormulaStep>& steps, const std::vector<Variable>& done,
                  const Variable& x, const NormValues& values) {
  const auto is_number = [&](int i) { return steps[static_cast<std::size_t>(i)].op == Op::number; };
  const auto number = [&](int i) { return steps[static_cast<std::size_t>(i)].number; };
  const auto in = [&](int i) -> const Variable& { return done[static_cast<std::size_t>(i)]; };
  switch (s.op) {
    case Op::x:
      return x;
    case Op::number:
      return {};
    case Op::parameter:
      return values.parameter(s.parameter);
    case Op::unary:
    case Op::reduce:
      return s.function(in(s.a));
    case Op::detach:
      return in(s.a).detach();
    case Op::clip:
      return clipped(in(s.a), s.number, s.high);
    case Op::add:
      return is_number(s.b) ? add_scalar(in(s.a), number(s.b)) : add(in(s.a), in(s.b));
    case Op::subtract:
      return subtract(in(s.a), in(s.b));
    case Op::multiply:
      return is_number(s.b) ? scale(in(s.a), number(s.b)) : multiply(in(s.a), in(s.b));
    case Op::divide:
      return divide(in(s.a), in(s.b));
  }
  return {};
}

}  // namespace

Variable NormProgram::run(const Variable& x, const NormValues& values) const {
  std::vector<Variable> done;
  done.reserve(steps_.size());
  for (const FormulaStep& step : steps_)
    done.push_back(step.needed ? evaluate(step, steps_, done, x, values) : Variable());
  return done.back();
}

NORMSCOPE_END
