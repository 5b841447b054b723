#pragma once
// A model's parameters by path: the path is the parameter's name in files, logs and figures, and the stream its initial
// value is drawn from. Parameters that one product uses lie side by side in one buffer (q, k, v), but each is its own.
#include <functional>
#include <string>
#include <unordered_set>
#include <vector>

#include <normscope/autograd/variable.h>

NORMSCOPE_BEGIN

/// Initial value: constant, or normal with a standard deviation and mean.
struct Init {
  enum class Kind { constant, normal } kind = Kind::constant;
  double value = 0;  ///< the constant, or the mean
  double std = 0;
  static Init constant(double value) { return {Kind::constant, value, 0}; }
  static Init normal(double std, double mean = 0) { return {Kind::normal, mean, std}; }
};

/// The initial value of the matrix `name` ("embed.tokens", "attn.q", "mlp.proj", "head") of shape [out, in].
using InitRule = std::function<Init(const std::string& name, std::int64_t in, std::int64_t out)>;

/// A named part (often the whole) of a leaf.
struct Parameter {
  std::string path;
  std::int64_t block;  ///< -1 outside the blocks
  std::string role;    ///< embedding | head | norm | attention | mlp
  Shape shape;
  Variable leaf;
  std::int64_t offset;  ///< of its first element in the leaf
  std::int64_t numel() const { return shape.numel(); }
  real* value() const { return leaf.value().data() + offset; }
  /// Null before the first gradient of a step.
  real* grad() const { return leaf.leaf()->has_grad ? leaf.leaf()->grad.data() + offset : nullptr; }
  bool is_matrix() const { return shape.rank() >= 2; }
};

class Parameters {
 public:
  Parameters(Engine& engine, std::uint64_t seed) : engine_(engine), seed_(seed) {}

  /// One parameter; returns its leaf. Raises Error when the path is taken.
  Variable add(const std::string& path, std::int64_t block, const std::string& role, const Shape& shape,
               const Init& init);
  /// Several [out_i, in] matrices (or [n_i] vectors) side by side; returns the leaf that holds all of them.
  struct Part {
    std::string path;
    std::int64_t rows;
    Init init;
  };
  Variable add_side_by_side(const std::vector<Part>& parts, std::int64_t block, const std::string& role,
                            std::int64_t columns);

  const std::vector<Parameter>& all() const { return all_; }
  const Parameter& at(const std::string& path) const;  ///< raises Error when there is none
  std::int64_t numel() const;
  void zero_grad() const;
  Engine& engine() const { return engine_; }
  /// A layer that takes statistics over the batch calls this: its training batches are then never cut into parts.
  void need_whole_batch() { whole_batch_ = true; }
  bool needs_whole_batch() const { return whole_batch_; }

  Parameters(const Parameters&) = delete;
  Parameters& operator=(const Parameters&) = delete;

 private:
  void enter(const std::string& path, std::int64_t block, const std::string& role, const Shape& shape,
             const Variable& leaf, std::int64_t offset, const Init& init);
  Engine& engine_;
  std::uint64_t seed_;
  std::vector<Parameter> all_;
  std::unordered_set<std::string> taken_;
  bool whole_batch_ = false;
};

/// Where a layer registers its parameters: a path prefix, a block and a role.
struct Scope {
  Parameters& parameters;
  std::string prefix;
  std::int64_t block = -1;
  std::string role;

  Scope in(const std::string& name) const { return {parameters, path(name), block, role}; }
  Scope as(const std::string& new_role) const { return {parameters, prefix, block, new_role}; }
  std::string path(const std::string& name) const { return prefix.empty() ? name : prefix + "." + name; }
  Variable add(const std::string& name, const Shape& shape, const Init& init) const {
    return parameters.add(path(name), block, role, shape, init);
  }
  Engine& engine() const { return parameters.engine(); }
};

NORMSCOPE_END
