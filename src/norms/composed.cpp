#include "norms/composed.h"

#include <normscope/ops/ops.h>

#include "ops/check.h"

NORMSCOPE_BEGIN

ComposedNorm::ComposedNorm(const NormRequest& request, NormFormula formula)
    : name_(request.scope.prefix), width_(request.width), formula_(std::move(formula)), values_(request.values) {
  for (const NormParameter& p : request.entry.parameters) {
    const double start = p.start ? p.start(values_, width_) : 0;
    values_.parameters[p.name] = request.scope.add(p.name, {p.each_entry ? width_ : 1}, Init::constant(start));
    if (p.decay) request.scope.decay(p.name);
  }
  if (request.gain) {
    gain_ = request.scope.add("gain", {width_}, Init::constant(request.gain->start));
    gain_offset_ = request.gain->offset;
    if (request.gain->decay) request.scope.decay("gain");
  }
  if (request.bias) bias_ = request.scope.add("bias", {width_}, Init::constant(0));
}

Variable ComposedNorm::reference(const Variable& x) const {
  check_width(x);
  return affine(formula_(x, values_));
}

Variable ComposedNorm::affine(const Variable& n) const {
  const Variable y = gain_.defined() ? multiply(n, whole_gain()) : n;
  return bias_.defined() ? add(y, bias_) : y;
}

Variable ComposedNorm::whole_gain() const {
  return gain_.defined() && gain_offset_ != 0 ? add_scalar(gain_, gain_offset_) : gain_;
}

void ComposedNorm::check_width(const Variable& x) const {
  check(x.shape().last() == width_, name_.c_str(), "input ", x.shape(), ", but the norm has width ", width_);
}

NormMaker composed(NormFormula formula) {
  return [formula](const NormRequest& request) { return std::make_unique<ComposedNorm>(request, formula); };
}

NORMSCOPE_END
