#pragma once
// A model's parameters by path: the path is the parameter's name in files, logs and figures, and the stream its initial
// value is drawn from. Parameters that one product uses lie side by side in one buffer (q, k, v), but each is its own.
#include <string>
#include <unordered_set>
#include <vector>

#include <normscope/autograd/variable.h>
#include <normscope/nn/init.h>

NORMSCOPE_BEGIN

/// A named part (often the whole) of a leaf.
struct Parameter {
  std::string path;
  std::int64_t block;  ///< -1 outside the blocks
  std::string role;    ///< embedding | head | norm | attention | mlp | scalar (one trained number)
  Shape shape;
  Variable leaf;
  std::int64_t offset;  ///< of its first element in the leaf
  std::int64_t numel() const { return shape.numel(); }
  real* value() const { return leaf.value().data() + offset; }
  /// Null before the first gradient of a step.
  real* grad() const { return leaf.leaf()->has_grad ? leaf.leaf()->grad.data() + offset : nullptr; }
  bool decays;  ///< weight decay applies to it: matrices, unless something else is said
  bool is_matrix() const { return shape.rank() >= 2; }
};

/// A tensor that is part of the model but not trained (running statistics): it has no gradient, no moments and no
/// column in the run file and is not counted; checkpoints keep it.
struct Buffer {
  std::string path;
  Tensor value;
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

  /// A buffer; returns its tensor, which shares its memory. Raises Error when the path is taken.
  Tensor add_buffer(const std::string& path, const Shape& shape, double value);

  /// Weight decay applies to a parameter that is no matrix. Raises Error when there is none at `path`.
  void decay(const std::string& path);

  const std::vector<Parameter>& all() const { return all_; }
  const std::vector<Buffer>& buffers() const { return buffers_; }
  const Parameter& at(const std::string& path) const;  ///< raises Error when there is none
  std::int64_t numel() const;                          ///< of all parameters
  void zero_grad() const;
  Engine& engine() const { return engine_; }
  /// A layer that takes statistics over the batch calls this: its training batches are then never cut into parts.
  void need_whole_batch() { whole_batch_ = true; }
  bool needs_whole_batch() const { return whole_batch_; }

  Parameters(const Parameters&) = delete;
  Parameters& operator=(const Parameters&) = delete;

 private:
  void claim(const std::string& path);
  void enter(const std::string& path, std::int64_t block, const std::string& role, const Shape& shape,
             const Variable& leaf, std::int64_t offset, const Init& init);
  Engine& engine_;
  std::uint64_t seed_;
  std::vector<Parameter> all_;
  std::vector<Buffer> buffers_;
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
  void decay(const std::string& name) const { parameters.decay(path(name)); }
  Tensor add_buffer(const std::string& name, const Shape& shape, double value) const {
    return parameters.add_buffer(path(name), shape, value);
  }
  Engine& engine() const { return parameters.engine(); }
};

NORMSCOPE_END
