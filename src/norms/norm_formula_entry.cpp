// Entries of the catalogue that are formulas, and those that a user writes.
#include <algorithm>
#include <set>

#include "norms/composed.h"
#include "norms/norm_formula.h"

NORMSCOPE_BEGIN

namespace {

constexpr std::string_view kPrefix = "formula:";
constexpr std::int64_t kAnyWidth = 8;  // names and types do not depend on it

NormValues default_values(const NormEntry& entry) { return norm_values(entry, {}); }

/// n(x) of ops for one norm of a model.
NormFormula compiled(const Expression& formula, const NormRequest& request, const std::vector<std::string>& dropped) {
  const auto program = std::make_shared<const NormProgram>(formula, request.values, request.width, dropped);
  return [program](const Variable& x, const NormValues& values) { return program->run(x, values); };
}

/// gain and bias where the specification leaves them out.
std::vector<std::string> dropped_names(const NormSpec& spec) {
  if (!spec.affine) return {"gain", "bias"};
  return spec.bias.value_or(true) ? std::vector<std::string>{} : std::vector<std::string>{"bias"};
}

NormMaker maker(const std::shared_ptr<const Expression>& formula) {
  return [formula](const NormRequest& request) {
    const std::vector<std::string> dropped = dropped_names(request.spec);
    NormEntry entry = request.entry;
    std::erase_if(entry.parameters, [&](const NormParameter& p) {
      return std::find(dropped.begin(), dropped.end(), p.name) != dropped.end();
    });
    return std::make_unique<ComposedNorm>(NormRequest{.scope = request.scope,
                                                      .entry = entry,
                                                      .spec = request.spec,
                                                      .values = request.values,
                                                      .width = request.width,
                                                      .places = request.places,
                                                      .gain = request.gain,
                                                      .bias = request.bias},
                                          compiled(*formula, request, dropped));
  };
}

/// "sqrt(C)", "C-1".
std::string start_text(const Expression& start) {
  const std::string text = canonical_text(start);
  return text.front() == '(' ? text.substr(1, text.size() - 2) : text;
}

Expression product(Expression a, Expression b, Expression::Kind kind) {
  Expression e{.kind = kind};
  e.arguments = {std::move(a), std::move(b)};
  return e;
}

/// A norm of the table with a kernel, and which of gain and bias a formula around its n(x) has.
struct Kernel {
  const NormEntry* entry = nullptr;
  bool gain = false, bias = false;
};

Kernel kernel_for(const Expression& formula) {
  const std::string wanted = canonical_text(formula);
  const Expression gain{.kind = Expression::Kind::name, .name = "gain"};
  const Expression bias{.kind = Expression::Kind::name, .name = "bias"};
  for (const NormEntry& entry : norm_table()) {
    if (!entry.has_kernel) continue;
    const Expression n = parse_expression(entry.formula);
    if (canonical_text(n) == wanted) return {&entry, false, false};
    if (!entry.gain(default_values(entry))) continue;
    const Expression scaled = product(gain, n, Expression::Kind::multiply);
    if (canonical_text(scaled) == wanted) return {&entry, true, false};
    if (canonical_text(product(scaled, bias, Expression::Kind::add)) == wanted) return {&entry, true, true};
  }
  return {};
}

NormMaker kernel_maker(const Kernel& kernel) {
  return [kernel](const NormRequest& request) {
    const bool affine = request.spec.affine && kernel.gain;
    return kernel.entry->make({.scope = request.scope,
                               .entry = *kernel.entry,
                               .spec = request.spec,
                               .values = norm_values(*kernel.entry, {.eps = request.values.eps}),
                               .width = request.width,
                               .places = request.places,
                               .gain = affine ? std::optional(Gain{}) : std::nullopt,
                               .bias = affine && kernel.bias && request.spec.bias.value_or(true)});
  };
}

/// "NAME = " in front of a formula: the name, and where the formula begins.
std::pair<std::string, std::size_t> own_name(const std::string& text) {
  const std::size_t equals = text.find('=');
  if (equals == std::string::npos) return {"", kPrefix.size()};
  const std::size_t begin = std::min(text.find_first_not_of(' ', kPrefix.size()), equals);
  const std::string name = text.substr(begin, text.find_last_not_of(' ', equals - 1) + 1 - begin);
  const bool plain = !name.empty() && std::all_of(name.begin(), name.end(), [](unsigned char c) {
    return std::isalnum(c) || c == '_' || c == '-';
  });
  if (!plain) fail_at(begin + 1, "the name before '=' may contain letters, digits, _ and -");
  return {name, equals + 1};
}

/// A formula as a label: as it is, or its beginning.
std::string shortened(std::string text) {
  constexpr std::size_t kLongest = 40;
  text.erase(0, text.find_first_not_of(' '));
  return text.size() <= kLongest ? text : text.substr(0, kLongest - 3) + "...";
}

}  // namespace

NormEntry formula_entry(NormEntry entry) {
  const auto formula = std::make_shared<const Expression>(parse_expression(entry.formula));
  const NormProgram program(*formula, default_values(entry), kAnyWidth);
  for (const FormulaParameter& p : program.parameters()) {
    const auto start = [p](const NormValues& options, std::int64_t width) {
      return start_value(p.start, options, width);
    };
    const bool decay = std::find(entry.decayed.begin(), entry.decayed.end(), p.name) != entry.decayed.end();
    entry.parameters.push_back({.name = p.name,
                                .each_entry = p.each_entry,
                                .start_text = start_text(p.start),
                                .start = start,
                                .decay = decay});
  }
  entry.detached = program.detaches();
  entry.make = maker(formula);
  return entry;
}

NormEntry entry_of_formula(const std::string& text) {
  try {
    const auto [name, begin] = own_name(text);
    const std::string formula = std::string(begin, ' ') + text.substr(begin);  // columns are those of the whole text
    NormEntry entry = formula_entry({.name = text,
                                     .label = name.empty() ? shortened(text.substr(begin)) : name,
                                     .formula = formula,
                                     .reference = "a formula",
                                     .gain = no_gain});
    if (const Kernel kernel = kernel_for(parse_expression(formula)); kernel.entry) entry.make = kernel_maker(kernel);
    return entry;
  } catch (const UsageError& error) {
    throw UsageError("norm \"" + text + "\": " + error.what());
  }
}

NORMSCOPE_END
