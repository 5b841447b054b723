#pragma once
// Normalization layers. Models and layers know the class Norm only; which norm it is stands in the configuration. A
// norm is an entry of the catalogue: a formula made of ops with its options by name, and beside it, where it pays, a
// kernel.
#include <cstdint>
#include <functional>
#include <limits>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <normscope/core/model_options.h>
#include <normscope/core/norm_spec.h>
#include <normscope/autograd/pass.h>
#include <normscope/nn/parameters.h>

NORMSCOPE_BEGIN

class Norm {
 public:
  virtual ~Norm() = default;
  /// x [..., C] -> [..., C], in one pass where the norm has a kernel. Raises Error when x has another width.
  virtual Variable forward(const Variable& x, const Pass& pass = {}) const = 0;
  /// The same by the formula: what a kernel is tested against.
  virtual Variable reference(const Variable& x) const = 0;
  /// h = x + f and N(h), in one pass where the norm has a kernel: {h, N(h)}.
  virtual std::pair<Variable, Variable> add_forward(const Variable& x, const Variable& f, const Pass& pass = {}) const;
  /// Runs after optimizer step `step`, for what changes outside the gradient.
  virtual void after_update(std::int64_t /*step*/) {}
};

/// An option of one norm, `--norm prmsnorm:p=0.25`. A flag is true or false, and false unless given.
struct NormOption {
  std::string name{};
  bool flag = false;
  double default_value = 0, low = 0, high = 0;  ///< of a number: the range, its ends included
  bool above_low = false;                       ///< `low` itself is not allowed
  std::string documentation{};
};

/// What a formula reads by name: the norm's options, and its own parameters. Raises Error for a name that the entry
/// does not have.
struct NormValues {
  double eps = 1e-5;
  std::map<std::string, double> options{};
  std::map<std::string, Variable> parameters{};

  double number(const std::string& option) const;
  bool flag(const std::string& option) const { return number(option) != 0; }
  const Variable& parameter(const std::string& name) const;
};

/// n(x) of ops: x [..., C] -> [..., C], without gain and bias. The tape makes the gradient.
using NormFormula = std::function<Variable(const Variable& x, const NormValues& values)>;

/// y = (offset + gain) n + bias, `gain` being the parameter, which begins at `start`.
struct Gain {
  double start = 1, offset = 0;
  bool decay = false;  ///< weight decay applies to the parameter
};
std::optional<Gain> gain_of_one(const NormValues& values);  ///< begins at 1, no offset
std::optional<Gain> no_gain(const NormValues& values);      ///< nor a bias

/// A parameter of the norm beside gain and bias: one number, or one for each of the C entries.
struct NormParameter {
  std::string name{};
  bool each_entry = false;
  std::string start_text{};  ///< as the catalogue shows it: "sqrt(C)"
  std::function<double(const NormValues& options, std::int64_t width)> start{};  ///< null: 0
  bool decay = false;                                                            ///< weight decay applies to it
};

/// Over what a norm takes its statistics: each row [C] on its own, channels over the places of a sample, the whole
/// batch, or not over activations at all: over the rows of a weight matrix.
enum class Over { rows, channels, batch, weights };

/// Where a norm of activations stands. x is [..., C] with C = width; `places` consecutive rows make one sample (pixels
/// of an image). Causal: rows are positions of a text, and each predicts the next. Hidden: x is not the embedding.
struct NormSite {
  std::int64_t width = 1, places = 1;
  bool causal = false, hidden = true;
};

/// The matrix a linear map multiplies by, made anew for each pass.
using Weight = std::function<Variable()>;

struct NormEntry;
/// What make() gets: everything that the configuration left open is decided.
struct NormRequest {
  const Scope& scope;
  const NormEntry& entry;
  const NormSpec& spec;
  NormValues values;  ///< options; the parameters are still to be made
  std::int64_t width, places;
  std::optional<Gain> gain;
  bool bias;
};
using NormMaker = std::function<std::unique_ptr<Norm>(const NormRequest& request)>;

/// The maker of a norm that is its formula: gain, bias, parameters, residual addition and gradients come with it.
NormMaker composed(NormFormula formula);

/// One row of the catalogue: what the norm is, and how one is made.
struct NormEntry {
  std::string name{}, label{};  ///< in configurations; in figures
  std::string formula{}, reference{};
  std::vector<NormOption> options{};  ///< beside eps, bias, affine
  /// Settings beside the default that gradcheck, tests and benchmarks go through: "layernorm:unbiased=true".
  std::vector<std::string> variants{};
  Over over = Over::rows;
  bool detached = false;  ///< its gradient is not the derivative: the formula calls detach()
  std::optional<Gain> (*gain)(const NormValues& options) = gain_of_one;
  bool bias = false;  ///< has a bias by definition
  /// Scale of inputs above which the norm is saturated, so that finite differences of it have no digits left.
  double saturates_at = std::numeric_limits<double>::infinity();
  std::vector<NormParameter> parameters{};
  std::vector<std::string> decayed{};  ///< parameters that a formula declares and weight decay applies to
  bool has_kernel = false;             ///< formula, with the default options, has a kernel
  NormMaker make{};
  /// Why the norm cannot stand there; "" when it can. Null: nothing is refused.
  std::string (*refuse)(const NormValues& options, const NormSite& site) = nullptr;
  /// Of a norm of weights: makes the parameters of a matrix [out, in] in `scope`. Null: a norm of activations.
  Weight (*weight)(const Scope& scope, const Shape& shape, const Init& init) = nullptr;
  /// What the norm asks of the model around it, as a placement may; null: nothing.
  void (*adjust)(ModelOptions& options) = nullptr;
};

/// The catalogue, in the order of norms.def.
const std::vector<NormEntry>& norm_table();
/// The entry of a name, or one made from a formula: "formula: gain * x / (mean(abs(x)) + eps)", or with a name of its
/// own, "formula: NAME = ...". x is a row [C]; eps, C and pi are numbers; gain is a vector that begins at 1, bias one
/// that begins at 0; scalar(NAME, START) and vector(NAME, START) declare further parameters; + - * / ^, mean, var, sum,
/// max of a row, sqrt, exp, log, tanh, erf, sigmoid, atan, sin, abs, detach, clip(v, low, high), max(v, number). Raises
/// UsageError for an unknown name (naming those that are) and for a wrong formula (with the column).
NormEntry norm_entry(const std::string& name);
/// Every norm that can stand at `site` with its default options, then its variants: "layernorm",
/// "layernorm:unbiased=true", ...
std::vector<std::string> norm_variants(const NormSite& site);
std::vector<std::string> norm_variants(const NormEntry& entry);

/// "(0, 1]", or "true or false"; and the default as it would be written, "0.0625".
std::string range_text(const NormOption& option);
std::string default_text(const NormOption& option);
/// What a norm has by default: "alpha [1] (0.5), gain [C], bias [C]".
std::string parameters_text(const NormEntry& entry);

/// The options that `spec` gives, and the defaults of the others. Raises UsageError for an unknown option and for a
/// value outside its range; the message lists what the norm takes.
NormValues norm_values(const NormEntry& entry, const NormSpec& spec);

/// Raises UsageError with the reason where the norm `spec` names cannot stand at `site`. A model whose sites are causal
/// asks this for each of its norms; make_norm() asks for width and places.
void require_fit(const NormSpec& spec, const NormSite& site);

/// Makes the norm `spec` names, for rows of `width`, `places` of which are one sample, with its parameters in `scope`
/// ("gain", "bias", ...). Raises UsageError as norm_entry(), norm_values() and require_fit() do.
std::unique_ptr<Norm> make_norm(const Scope& scope, const NormSpec& spec, std::int64_t width, std::int64_t places = 1);
/// The same for an entry that need not be in the catalogue; spec.name is not read.
std::unique_ptr<Norm> make_norm(const NormEntry& entry, const Scope& scope, const NormSpec& spec, std::int64_t width,
                                std::int64_t places = 1);

NORMSCOPE_END
