#pragma once
// A norm that is its formula: gain, bias and parameters around a function of ops. Row kernels build on it.
#include <normscope/norms/norm.h>

NORMSCOPE_BEGIN

class ComposedNorm : public Norm {
 public:
  ComposedNorm(const NormRequest& request, NormFormula formula);
  Variable forward(const Variable& x, const Pass&) const override { return reference(x); }
  Variable reference(const Variable& x) const override;

 protected:
  /// What n is multiplied by, [C]; undefined without gain.
  Variable whole_gain() const;
  /// gain n + bias.
  Variable affine(const Variable& n) const;
  void check_width(const Variable& x) const;

  std::string name_;
  std::int64_t width_;
  NormFormula formula_;
  NormValues values_;
  double gain_offset_ = 0;
  Variable gain_, bias_;
};

NORMSCOPE_END
