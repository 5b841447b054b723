#include "core/expression.h"

#include <cctype>
#include <charconv>

#include <normscope/core/error.h>

namespace normscope {

void fail_at(std::size_t column, const std::string& message) {
  throw UsageError("column " + std::to_string(column) + ": " + message);
}

namespace {

using Kind = Expression::Kind;

/// Recursive descent: sum = product (+- product)*, product = sign (*/ sign)*, sign = [-+] sign | power,
/// power = atom [^ sign], atom = number | name | name(sum, ...) | (sum).
class Reader {
 public:
  explicit Reader(const std::string& text) : text_(text) {}

  Expression all() {
    Expression result = sum();
    if (peek() != 0) fail_at(column(), "expected an operator, found " + found());
    return result;
  }

 private:
  static constexpr int kDeepest = 100;  // nested parentheses and signs, so that no text can exhaust the stack

  std::size_t column() const { return at_ + 1; }
  /// The next character that is no blank; 0 at the end.
  char peek() {
    while (at_ < text_.size() && std::isspace(static_cast<unsigned char>(text_[at_]))) ++at_;
    return at_ < text_.size() ? text_[at_] : '\0';
  }
  bool take(char wanted) {
    if (peek() != wanted) return false;
    ++at_;
    return true;
  }
  std::string found() {
    const char c = peek();
    return c == 0 ? "the end" : std::string{'\'', c, '\''};
  }

  static Expression join(Kind kind, std::size_t column, Expression left, Expression right) {
    Expression e{.kind = kind, .column = column};
    e.arguments.push_back(std::move(left));
    e.arguments.push_back(std::move(right));
    return e;
  }

  Expression sum() {
    Expression left = product();
    for (char c = peek(); c == '+' || c == '-'; c = peek()) {
      const std::size_t where = column();
      ++at_;
      left = join(c == '+' ? Kind::add : Kind::subtract, where, std::move(left), product());
    }
    return left;
  }

  Expression product() {
    Expression left = sign();
    for (char c = peek(); c == '*' || c == '/'; c = peek()) {
      const std::size_t where = column();
      ++at_;
      left = join(c == '*' ? Kind::multiply : Kind::divide, where, std::move(left), sign());
    }
    return left;
  }

  Expression sign() {
    if (++depth_ > kDeepest) fail_at(column(), "the formula is nested too deeply");
    const char c = peek();
    const std::size_t where = column();
    Expression result;
    if (c == '-') {
      ++at_;
      result = {.kind = Kind::negate, .column = where};
      result.arguments.push_back(sign());
    } else if (c == '+') {
      ++at_;
      result = sign();
    } else {
      result = power();
    }
    --depth_;
    return result;
  }

  Expression power() {
    Expression base = atom();
    if (peek() != '^') return base;
    const std::size_t where = column();
    ++at_;
    return join(Kind::power, where, std::move(base), sign());
  }

  Expression atom() {
    const char c = peek();
    const std::size_t where = column();
    if (std::isdigit(static_cast<unsigned char>(c)) || c == '.') return number();
    if (std::isalpha(static_cast<unsigned char>(c)) || c == '_') return name();
    if (!take('(')) fail_at(where, "expected a number, a name or '(', found " + found());
    Expression inside = sum();
    if (!take(')')) fail_at(column(), "expected ')', found " + found());
    return inside;
  }

  Expression number() {
    Expression e{.kind = Kind::number, .column = column()};
    const char *begin = text_.data() + at_, *end = text_.data() + text_.size();
    const auto [rest, error] = std::from_chars(begin, end, e.number);
    if (error != std::errc()) fail_at(column(), "not a number");
    at_ += static_cast<std::size_t>(rest - begin);
    return e;
  }

  Expression name() {
    Expression e{.kind = Kind::name, .column = column()};
    while (at_ < text_.size() && (std::isalnum(static_cast<unsigned char>(text_[at_])) || text_[at_] == '_'))
      e.name += text_[at_++];
    if (!take('(')) return e;
    e.kind = Kind::call;
    if (take(')')) return e;
    do e.arguments.push_back(sum());
    while (take(','));
    if (!take(')')) fail_at(column(), "expected ',' or ')', found " + found());
    return e;
  }

  const std::string& text_;
  std::size_t at_ = 0;
  int depth_ = 0;
};

}  // namespace

Expression parse_expression(const std::string& text) { return Reader(text).all(); }

}  // namespace normscope
