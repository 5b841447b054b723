// One norm on rows of numbers: the pocket calculator, and what judges other programs' results.
#include <algorithm>

#include <normscope/norms/norm.h>

#include "jobs/entries.h"

NORMSCOPE_BEGIN

namespace {

void set_parameters(const Parameters& parameters, const NormCall& call) {
  for (const auto& [name, values] : call.parameters) {
    const auto& all = parameters.all();
    const auto found = std::find_if(all.begin(), all.end(), [&](const Parameter& p) { return p.path == name; });
    if (found == all.end()) throw UsageError("norm \"" + call.name + "\" has no parameter \"" + name + "\"");
    if (found->numel() != static_cast<std::int64_t>(values.size()))
      throw UsageError("parameter \"" + name + "\" has " + std::to_string(values.size()) + " numbers, norm \"" +
                       call.name + "\" wants " + std::to_string(found->numel()));
    std::transform(values.begin(), values.end(), found->value(), [](double v) { return static_cast<real>(v); });
  }
}

}  // namespace

NormResult norm_apply(const NormCall& call) {
  const auto count = static_cast<std::int64_t>(call.x.size());
  const std::int64_t width = call.width ? call.width : count;
  if (count == 0) throw UsageError("--x is empty; give numbers such as --x 1,2,3");
  if (!call.dy.empty() && call.dy.size() != call.x.size())
    throw UsageError("--dy has " + std::to_string(call.dy.size()) + " numbers, but --x has " + std::to_string(count) +
                     "; the counts must match");
  Engine engine({1});
  Parameters parameters(engine, 0);
  NormSpec defaults;
  defaults.eps = call.eps;
  if (call.parameters.contains("bias")) defaults.bias = true;
  const auto norm = make_norm({parameters, "", -1, "norm"}, parse_norm(call.name, defaults), width);
  set_parameters(parameters, call);
  const auto tensor = [&](const std::vector<double>& values) {
    const Tensor t = Tensor::empty(engine, {count / width, width});
    std::transform(values.begin(), values.end(), t.data(), [](double v) { return static_cast<real>(v); });
    return t;
  };
  const auto list = [](const real* from, std::int64_t length) { return std::vector<double>(from, from + length); };
  const Variable x = Variable::leaf(tensor(call.x), "x");
  Pass pass;
  pass.training = true;  // a norm over the batch takes this batch's statistics
  NormResult result;
  Tape tape;
  const Tape::Recording recording(tape);
  const Variable y = call.by_formula && norm_entry(parse_norm(call.name, {}).name).has_kernel ? norm->reference(x)
                                                                                              : norm->forward(x, pass);
  result.y = list(y.value().data(), count);
  if (call.dy.empty()) return result;
  tape.backward(y, tensor(call.dy));
  result.dx = list(x.grad().data(), count);
  for (const Parameter& p : parameters.all())
    result.gradients.emplace_back("d" + p.path, p.grad() ? list(p.grad(), p.numel()) : list(nullptr, 0));
  return result;
}

NORMSCOPE_END
