#include <algorithm>
#include <cmath>
#include <set>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <normscope/core/error.h>
#include <normscope/norms/norm.h>

#include "foreign/explain.h"
#include "foreign/foreign.h"
#include "foreign/tolerance.h"

namespace normscope::foreign {
namespace {

using File = std::map<std::string, NpzArray>;
using Extents = std::vector<std::int64_t>;

std::string shape_text(const Extents& shape) { return fmt::format("[{}]", fmt::join(shape, ", ")); }

const NpzArray* find(const File& file, const std::string& name) {
  const auto found = file.find(name);
  return found == file.end() ? nullptr : &found->second;
}

void require_finite(const std::string& name, const NpzArray& array) {
  for (const double v : array.values)
    if (!std::isfinite(v)) throw UsageError(fmt::format("array '{}' contains {}; inputs must be finite", name, v));
}

/// An input of `count` numbers, whatever its extents of 1.
const NpzArray& input(const File& file, const std::string& name, std::size_t count) {
  const NpzArray& array = file.at(name);
  if (array.values.size() != count)
    throw UsageError(
        fmt::format("array '{}' has shape {}; the norm takes {} numbers", name, shape_text(array.shape), count));
  require_finite(name, array);
  return array;
}

/// The parameters that the norm has: name, count, and what it is where the file does not say.
struct ParameterInfo {
  std::string name;
  std::size_t count;
  double start;
};

std::vector<ParameterInfo> parameters_of(const File& file, const NormSpec& spec, std::int64_t width) {
  const NormEntry& entry = norm_entry(spec.name);
  const NormValues values = norm_values(entry, spec);
  std::vector<ParameterInfo> list;
  for (const NormParameter& p : entry.parameters)
    list.push_back({p.name, p.each_entry ? static_cast<std::size_t>(width) : 1, p.start ? p.start(values, width) : 0});
  const auto gain = spec.affine ? entry.gain(values) : std::nullopt;
  if (!gain) return list;
  list.push_back({"gain", static_cast<std::size_t>(width), gain->start});
  const bool named = file.contains("bias") || file.contains("dbias");
  if (spec.bias.value_or(entry.bias || named)) list.push_back({"bias", static_cast<std::size_t>(width), 0});
  return list;
}

NormCall call_of(const File& file, NormSpec spec, Judgement& judgement) {
  const NpzArray* x = find(file, "x");
  if (!x)
    throw UsageError("the file has no array 'x'; write x, dy, gain, bias, eps and the results y, dx, dgain, dbias");
  require_finite("x", *x);
  if (x->shape.empty() || x->values.empty())
    throw UsageError(fmt::format("array 'x' has shape {}; give rows of numbers", shape_text(x->shape)));
  NormCall call;
  call.width = x->shape.back();
  call.x = x->values;
  if (const NpzArray* dy = find(file, "dy")) {
    if (dy->shape != x->shape)
      throw UsageError(fmt::format("array 'dy' has shape {}, but x has {}; they must match", shape_text(dy->shape),
                                   shape_text(x->shape)));
    require_finite("dy", *dy);
    call.dy = dy->values;
  }
  call.eps = spec.eps;
  if (file.contains("eps"))
    call.eps = input(file, "eps", 1).values[0];
  else
    judgement.assumed.push_back(fmt::format("eps = {:g}", call.eps));
  if (call.eps < 0) throw UsageError(fmt::format("array 'eps' is {:g}; give 0 or above", call.eps));
  for (const ParameterInfo& p : parameters_of(file, spec, call.width)) {
    if (file.contains(p.name)) {
      call.parameters[p.name] = input(file, p.name, p.count).values;
    } else {
      call.parameters[p.name].assign(p.count, p.start);
      judgement.assumed.push_back(fmt::format("{} = {:g}", p.name, p.start));
    }
  }
  call.name = norm_text(spec);
  judgement.width = call.width;
  judgement.rows = static_cast<std::int64_t>(call.x.size()) / call.width;
  judgement.eps = call.eps;
  return call;
}

/// Where element i of an array lies.
Extents place(std::size_t i, const Extents& shape) {
  Extents at(shape.size(), 0);
  for (std::size_t k = shape.size(); k-- > 0;) {
    at[k] = static_cast<std::int64_t>(i) % shape[k];
    i /= static_cast<std::size_t>(shape[k]);
  }
  return at;
}

/// The shape that a result should have; extents of 1 in front do not matter for a parameter.
bool has_shape(const NpzArray& array, const std::string& name, const NpzArray& x, std::size_t count) {
  if (array.values.size() != count) return false;
  if (name != "y" && name != "dx") return count == 1 || (!array.shape.empty() && array.shape.back() == x.shape.back());
  return array.shape == x.shape ||
         array.shape == Extents{static_cast<std::int64_t>(count) / x.shape.back(), x.shape.back()};
}

ResultVerdict judge_result(const std::string& name, const NpzArray& array, const std::vector<double>& right,
                           const std::vector<double>& tolerance) {
  ResultVerdict verdict{.name = name, .right = true};
  double squares = 0, worst = -1;
  for (const double v : right) squares += v * v / static_cast<double>(right.size());
  verdict.scale = squares > 0 ? std::sqrt(squares) : 1;
  std::size_t at = 0;
  for (std::size_t i = 0; i < right.size(); ++i) {
    const double error = std::abs(array.values[i] - right[i]) / tolerance[i];
    if (!(error <= 1)) verdict.right = false;
    if (error > worst || std::isnan(error)) {
      worst = std::isnan(error) ? HUGE_VAL : error;
      at = i;
    }
  }
  verdict.at = place(at, array.shape);
  verdict.foreign = array.values[at];
  verdict.expected = right[at];
  verdict.error = std::abs(array.values[at] - right[at]) / verdict.scale;
  verdict.tolerance = tolerance[at] / verdict.scale;
  if (!std::isfinite(array.values[at])) verdict.problem = fmt::format("it is {} there", array.values[at]);
  return verdict;
}

/// Everything in the file that is none of its inputs or results.
std::vector<std::string> unused_arrays(const File& file, const NormCall& call, const Results& right) {
  std::vector<std::string> unused;
  for (const auto& [name, array] : file)
    if (name != "x" && name != "dy" && name != "eps" && !call.parameters.contains(name) && !right.contains(name))
      unused.push_back(name);
  return unused;
}

/// The coarsest format that x, dy, both, or everything in the file shows: what any result may have gone through.
const Format& common_format(const File& file, const Problem& p) {
  std::vector<const NpzArray*> inputs, all;
  for (const auto& [name, array] : file) {
    const bool input = name == "x" || (name == "dy" && !p.dn.empty());
    if (input) inputs.push_back(&array);
    if (input || p.call.parameters.contains(name) || p.right.contains(name)) all.push_back(&array);
  }
  const Format* common = &coarser(format_of(inputs), format_of(all));
  for (const NpzArray* array : inputs) common = &coarser(*common, format_of({array}));
  return *common;
}

/// y, dx, then the gradients of the parameters as the norm has them.
std::vector<std::string> result_names(const Problem& p) {
  std::vector<std::string> names{"y", "dx", "dgain", "dbias"};
  std::erase_if(names, [&](const std::string& name) { return !p.right.contains(name); });
  for (const auto& [name, values] : p.right)
    if (std::find(names.begin(), names.end(), name) == names.end()) names.push_back(name);
  return names;
}

}  // namespace

bool Judgement::right() const {
  return std::all_of(results.begin(), results.end(), [](const ResultVerdict& r) { return r.right; });
}

Judgement judge(const File& file, const std::string& norm) {
  const NormSpec spec = parse_norm(norm, {});
  Judgement judgement{.norm = norm};
  const Problem problem = make_problem(call_of(file, spec, judgement));
  judgement.unused = unused_arrays(file, problem.call, problem.right);
  if (problem.dn.empty())
    for (const auto& [name, array] : file)
      if (name == "dx" || (name.starts_with('d') && problem.call.parameters.contains(name.substr(1))))
        throw UsageError(fmt::format("the file has '{}' but no 'dy' (the gradient of y); add it", name));
  const NpzArray& x = file.at("x");
  const Format& common = common_format(file, problem);
  std::map<std::string, Results> bounds;  // by format
  std::vector<Wrong> wrong;
  for (const std::string& name : result_names(problem)) {
    const std::vector<double>& right = problem.right.at(name);
    for (const double v : right)
      if (!std::isfinite(v))
        throw UsageError(fmt::format("the correct {} is not finite for these inputs: {}", name, v));
    const NpzArray* array = find(file, name);
    if (!array) {
      judgement.absent.push_back(name);
      continue;
    }
    const Format& format = coarser(common, format_of({array}));
    if (!bounds.contains(format.name)) bounds[format.name] = tolerances(problem, format);
    const std::vector<double>& tolerance = bounds.at(format.name).at(name);
    if (has_shape(*array, name, x, right.size()))
      judgement.results.push_back(judge_result(name, *array, right, tolerance));
    else
      judgement.results.push_back(
          {.name = name,
           .problem = fmt::format(
               "its shape is {}, right is {}", shape_text(array->shape),
               right.size() == problem.call.x.size() ? shape_text(x.shape) : fmt::format("[{}]", right.size()))});
    judgement.results.back().precision = format.name;
    if (!judgement.results.back().right)
      wrong.push_back({name, array->values, tolerance, allowance(problem, name, format)});
  }
  if (judgement.results.empty())
    throw UsageError("the file has no result to judge; add one of: " +
                     fmt::format("{}", fmt::join(judgement.absent, ", ")));
  explain(problem, wrong, judgement);
  return judgement;
}

}  // namespace normscope::foreign
