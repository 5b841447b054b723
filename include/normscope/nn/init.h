#pragma once
// Initial values of matrices. The catalogue is inits.def.
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include <normscope/core/model_options.h>
#include <normscope/core/precision.h>
#include <normscope/core/random.h>
#include <normscope/core/tensor.h>

NORMSCOPE_BEGIN

/// An initial value: constant, normal with a mean and a standard deviation, or a matrix whose rows (or columns, of
/// which there are fewer) are orthogonal and have length `std`.
struct Init {
  enum class Kind { constant, normal, orthogonal } kind = Kind::constant;
  double value = 0;  ///< the constant, or what is added to every entry
  double std = 0;
  static Init constant(double value) { return {Kind::constant, value, 0}; }
  static Init normal(double std, double mean = 0) { return {Kind::normal, mean, std}; }
  static Init orthogonal(double length = 1) { return {Kind::orthogonal, 0, length}; }
};

/// Writes a tensor of `shape` to `to`. Entry i of a normal is draw i of `random`, whatever the shape.
void fill(Engine& engine, real* to, const Shape& shape, const Init& init, const Random& random);

/// A matrix W [out, in] that asks for its initial value.
struct MatrixInfo {
  std::string name;  ///< embed.tokens, embed.positions, attn.q, attn.k, attn.v, attn.proj, mlp.fc, ..., head
  std::int64_t in, out;
  std::int64_t layers;  ///< L
  bool is_embedding() const { return name.rfind("embed.", 0) == 0; }
  /// Its output is added to the residual stream.
  bool is_residual() const { return name == "attn.proj" || name == "mlp.proj"; }
};

/// The initial value of the matrix `name` of shape [out, in]; what the constructors of layers ask.
using InitRule = std::function<Init(const std::string& name, std::int64_t in, std::int64_t out)>;

using InitFormula = Init (*)(const MatrixInfo& matrix);

/// One row of the catalogue.
struct InitEntry {
  std::string name, formula;
  InitFormula make;
};

const std::vector<InitEntry>& init_table();
/// Raises UsageError for an unknown name and names those that are.
const InitEntry& init_entry(const std::string& name);
/// The rule of a model: the entry options.init, or `own` where that is auto, times init_gain plus init_shift.
InitRule init_rule(const ModelOptions& options, InitFormula own);

NORMSCOPE_END
