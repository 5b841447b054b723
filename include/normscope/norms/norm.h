#pragma once
// Normalization layers. Models and layers know this interface only; which norm it is stands in the configuration.
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <normscope/core/norm_spec.h>
#include <normscope/nn/parameters.h>
#include <normscope/autograd/pass.h>

NORMSCOPE_BEGIN

class Norm {
 public:
  virtual ~Norm() = default;
  /// x [..., C] -> [..., C], in one pass where the norm has a kernel.
  virtual Variable forward(const Variable& x, const Pass& pass = {}) const = 0;
  /// The same, composed of plain operations: what forward() is tested against.
  virtual Variable reference(const Variable& x) const = 0;
  /// h = x + f and N(h), in one pass where the norm has a kernel: {h, N(h)}.
  virtual std::pair<Variable, Variable> add_forward(const Variable& x, const Variable& f, const Pass& pass = {}) const;
  /// Runs after optimizer step `step`, for what changes outside the gradient.
  virtual void after_update(std::int64_t /*step*/) {}
};

/// One row of the catalogue: what the norm is, and how one is made.
struct NormEntry {
  std::string name, formula, parameters, reference;
  bool bias = false;                 ///< has a bias by definition
  std::vector<std::string> options;  ///< names it takes beside eps, bias, affine
  std::function<std::unique_ptr<Norm>(const Scope& scope, const NormSpec& spec, std::int64_t width)> make;
};

/// The catalogue, in the order of norms.def.
const std::vector<NormEntry>& norm_table();
/// Makes the norm `spec` names, for rows of `width`, with its parameters in `scope` ("gain", "bias", ...).
/// Raises UsageError for an unknown name or option and names those that are.
std::unique_ptr<Norm> make_norm(const Scope& scope, const NormSpec& spec, std::int64_t width);

NORMSCOPE_END
