#include <algorithm>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "core/expression.h"

namespace normscope {

namespace {

using Kind = Expression::Kind;
using Texts = std::vector<std::string>;

/// The operands of a chain of one kind of operator: those that count, and those that are subtracted or divided by.
struct Chain {
  Texts plain{}, inverse{};
};

void collect(const Expression& e, Kind up, Kind down, bool inverted, Chain& out) {
  if (e.kind == up || e.kind == down) {
    collect(e.arguments[0], up, down, inverted, out);
    collect(e.arguments[1], up, down, inverted != (e.kind == down), out);
  } else if (e.kind == Kind::negate && up == Kind::add) {
    collect(e.arguments[0], up, down, !inverted, out);
  } else {
    (inverted ? out.inverse : out.plain).push_back(canonical_text(e));
  }
}

std::string chain_text(const Expression& e, Kind up, Kind down, const char* sign, const char* inverse_sign) {
  Chain chain;
  collect(e, up, down, false, chain);
  std::sort(chain.plain.begin(), chain.plain.end());
  std::sort(chain.inverse.begin(), chain.inverse.end());
  std::string text = fmt::format("({}", fmt::join(chain.plain, sign));
  for (const std::string& term : chain.inverse) text += inverse_sign + term;
  return text + ")";
}

}  // namespace

std::string canonical_text(const Expression& e) {
  switch (e.kind) {
    case Kind::number:
      return fmt::format("{}", e.number);
    case Kind::name:
      return e.name;
    case Kind::call: {
      Texts arguments;
      for (const Expression& a : e.arguments) arguments.push_back(canonical_text(a));
      return fmt::format("{}({})", e.name, fmt::join(arguments, ","));
    }
    case Kind::add:
    case Kind::subtract:
    case Kind::negate:
      return chain_text(e, Kind::add, Kind::subtract, "+", "-");
    case Kind::multiply:
    case Kind::divide:
      return chain_text(e, Kind::multiply, Kind::divide, "*", "/");
    case Kind::power:
      return fmt::format("{}^{}", canonical_text(e.arguments[0]), canonical_text(e.arguments[1]));
  }
  return {};
}

}  // namespace normscope
