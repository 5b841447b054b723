// The pocket calculator: one norm on one row.
#include <algorithm>

#include <normscope/norms/norm.h>

#include "jobs/entries.h"

NORMSCOPE_BEGIN

NormResult norm_apply(const NormCall& call) {
  const auto width = static_cast<std::int64_t>(call.x.size());
  if (width == 0) throw UsageError("--x is empty; give numbers such as --x 1,2,3");
  if (!call.dy.empty() && call.dy.size() != call.x.size())
    throw UsageError("--dy has " + std::to_string(call.dy.size()) + " numbers, --x has " + std::to_string(width) +
                     "; give as many");
  Engine engine({1});
  Parameters parameters(engine, 0);
  NormSpec defaults;
  defaults.eps = call.eps;
  const auto norm = make_norm({parameters, "", -1, "norm"}, parse_norm(call.name, defaults), width);
  const auto row = [&](const std::vector<double>& values) {
    const Tensor t = Tensor::empty(engine, {1, width});
    std::transform(values.begin(), values.end(), t.data(), [](double v) { return static_cast<real>(v); });
    return t;
  };
  const auto list = [](const real* from, std::int64_t count) { return std::vector<double>(from, from + count); };
  const Variable x = Variable::leaf(row(call.x), "x");
  NormResult result;
  Tape tape;
  const Tape::Recording recording(tape);
  const Variable y = norm->forward(x);
  result.y = list(y.value().data(), width);
  if (call.dy.empty()) return result;
  tape.backward(y, row(call.dy));
  result.dx = list(x.grad().data(), width);
  for (const Parameter& p : parameters.all())
    result.gradients.emplace_back("d" + p.path, p.grad() ? list(p.grad(), p.numel()) : list(nullptr, 0));
  return result;
}

NORMSCOPE_END
