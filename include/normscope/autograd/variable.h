#pragma once
// Autograd: variables, and the tape that records what was done to them. Tape order is topological order, so backward is
// one reverse loop. Gradients of leaves (parameters) add up until zero_grad().
#include <array>
#include <functional>
#include <initializer_list>
#include <memory>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include <normscope/core/tensor.h>

NORMSCOPE_BEGIN

class Tape;
class Grads;

/// Called with the finished gradient of a tensor, before it is used further down.
using GradHook = std::function<void(const Tensor& gradient)>;

/// What a parameter owns beside its value.
struct Leaf {
  std::string name;
  Tensor grad;             ///< buffer, made at the first gradient, kept for good
  std::uint64_t seen = 0;  ///< the recording whose backward met the leaf last
  bool has_grad = false;   ///< false: the next gradient overwrites the buffer, so nothing needs to be zeroed
  std::vector<GradHook> hooks;
};

class Variable {
 public:
  Variable() = default;
  /// A constant.
  explicit Variable(Tensor value) : value_(std::move(value)) {}
  /// A parameter: tracked on every tape, with a gradient of its own.
  static Variable leaf(Tensor value, std::string name);

  const Tensor& value() const { return value_; }
  const Shape& shape() const { return value_.shape(); }
  Engine& engine() const { return value_.engine(); }
  bool defined() const { return value_.defined(); }

  /// Would a gradient reach this variable on the current tape?
  bool tracked() const;
  /// Gradient of a leaf after backward. Raises Error when there is none.
  const Tensor& grad() const;
  const std::shared_ptr<Leaf>& leaf() const { return leaf_; }
  void zero_grad() const {
    if (leaf_) leaf_->has_grad = false;
  }
  /// Runs `hook` with this variable's gradient during backward. On an untracked variable: Error.
  void on_grad(GradHook hook) const;
  /// The same value without history. Under a DetachedValues (gradcheck.h) that replays: the value kept there.
  Variable detach() const;
  /// The only element of a one-element variable.
  real item() const;

 private:
  friend class Tape;
  friend class Grads;
  Tensor value_;
  std::shared_ptr<Leaf> leaf_;
  std::uint64_t recording_ = 0;  // which recording of which tape the slot belongs to; 0: none
  std::int32_t slot_ = -1;
};

/// While it lives, nothing is recorded on this thread.
class NoGrad {
 public:
  NoGrad();
  ~NoGrad();
  NoGrad(const NoGrad&) = delete;
  NoGrad& operator=(const NoGrad&) = delete;

 private:
  bool before_;
};

/// Told of named values while they are made ("residual.3"): what statistics and `dump` hang on. A value is tracked()
/// where a gradient will reach it.
class Observer {
 public:
  virtual ~Observer() = default;
  virtual void value(const std::string& name, const Variable& x) = 0;
  /// Should the value `name`, which costs work of its own, be computed and told? ("blocks.3.attn.entropy")
  virtual bool wants(const std::string& /*name*/) const { return false; }
};

class Tape {
 public:
  Tape();
  ~Tape();
  Tape(const Tape&) = delete;
  Tape& operator=(const Tape&) = delete;

  /// While it lives, this thread records on `tape`, from empty.
  class Recording {
   public:
    explicit Recording(Tape& tape);
    ~Recording();
    Recording(const Recording&) = delete;
    Recording& operator=(const Recording&) = delete;

   private:
    Tape* before_;
  };
  /// Ops made while it lives carry this module path in errors and profiles.
  class Scope {
   public:
    explicit Scope(const std::string& path);  ///< `path` must outlive it
    explicit Scope(std::string&&) = delete;
    ~Scope();
    Scope(const Scope&) = delete;
    Scope& operator=(const Scope&) = delete;

   private:
    const std::string* before_ = nullptr;
  };

  /// Adds d(output)/d(leaf), times `seed`, to every leaf's gradient. `output` has one element, or `seed` its shape.
  /// Raises Error on a second call for one recording (what was saved is gone) and for an untracked output.
  void backward(const Variable& output, real seed = 1);
  void backward(const Variable& output, const Tensor& seed);

  void clear();                  ///< drops everything that was recorded and saved
  std::size_t size() const;      ///< recorded nodes
  std::string describe() const;  ///< one line a node: op, path, shapes

  static Tape* current();  ///< the tape this thread records on, or null

 private:
  friend class Variable;
  friend class Grads;
  template <std::size_t N, class Backward>
  friend std::array<Variable, N> record(const char*, std::initializer_list<const Variable*>, std::array<Tensor, N>,
                                        Backward&&, std::uint32_t);
  friend Variable record_without_gradient(const char*, std::initializer_list<const Variable*>, Tensor);

  struct Input {
    std::int32_t slot = -1;  // of this recording; -1: constant or leaf
    std::shared_ptr<Leaf> leaf;
    Shape shape;
    bool completes_leaf = false;  // the leaf's first use: once its node has run, the leaf's gradient is complete
  };
  struct Node {
    const char* op;
    const std::string* path;
    std::uint32_t first_input, inputs, outputs;
    std::int32_t first_output;
    std::uint32_t completed;  // so many first outputs' gradients are completed by backward itself: see record
    void* saved;              // the backward closure, in the tape's own memory
    void (*run)(void*, Grads&);
    void (*destroy)(void*);
  };
  struct Hook {
    GradHook run;
    std::int32_t next;  // of the same slot, in order; -1: none
  };

  static bool tracks(std::initializer_list<const Variable*> inputs);
  Node& add(const char* op, std::initializer_list<const Variable*> inputs, Variable* outputs, std::size_t count);
  void hook(std::int32_t slot, GradHook hook);
  void complete_leaves(const Node& node);
  void* reserve(std::size_t bytes);
  void drop(Node& node);
  std::string where(const Node& node) const;
  void run(Node& node);
  void run_hooks(std::int32_t slot, const Tensor& gradient) const;

  std::vector<Node> nodes_;
  std::vector<Input> inputs_;
  std::vector<Tensor> slots_;             // gradient of each tracked value
  std::vector<std::int32_t> first_hook_;  // of each slot; -1: none
  std::vector<Hook> hooks_;
  std::vector<std::unique_ptr<std::byte[]>> chunks_;
  std::size_t chunk_ = 0, used_ = 0;
  std::uint64_t recording_ = 0;
  bool spent_ = false;
  const std::string* path_ = nullptr;
};

/// What a backward function sees: the gradients of the outputs, and places for those of the inputs.
class Grads {
 public:
  /// Gradient of output k; undefined when none reached it.
  Tensor& out(int k = 0) { return tape_.slots_[static_cast<std::size_t>(node_.first_output + k)]; }
  /// Tells the hooks of output k its complete gradient, where record() was told that backward does so.
  void complete(int k, const Tensor& gradient);
  int inputs() const { return static_cast<int>(node_.inputs); }
  /// Does input i want a gradient?
  bool wants(int i) const;
  /// Hands over a finished gradient of input i.
  void give(int i, Tensor gradient);
  /// Where the gradient of input i is to be written, and whether to add to what is there.
  struct Target {
    Tensor tensor;
    bool add;
  };
  Target target(int i);

 private:
  friend class Tape;
  Grads(Tape& tape, const Tape::Node& node) : tape_(tape), node_(node) {}
  const Tape::Input& input(int i) const { return tape_.inputs_[node_.first_input + static_cast<std::uint32_t>(i)]; }
  Tape& tape_;
  const Tape::Node& node_;
  Engine* engine_ = nullptr;
};

/// dst += src, element by element.
void add_into(const Tensor& dst, const Tensor& src);

/// Makes an op's results variables: when an input is tracked, `backward(Grads&)` is kept on the tape, in its own
/// memory. The first `completed` results are ones that later results were computed from (h = x + f and N(h)): their
/// gradients are complete only inside `backward`, which must hand each to Grads::complete().
template <std::size_t N, class Backward>
std::array<Variable, N> record(const char* op, std::initializer_list<const Variable*> inputs,
                               std::array<Tensor, N> outs, Backward&& backward, std::uint32_t completed) {
  std::array<Variable, N> results;
  for (std::size_t k = 0; k < N; ++k) results[k] = Variable(std::move(outs[k]));
  if (!Tape::tracks(inputs)) return results;
  using Closure = std::decay_t<Backward>;
  Tape& tape = *Tape::current();
  Tape::Node& node = tape.add(op, inputs, results.data(), N);
  node.completed = completed;
  node.saved = new (tape.reserve(sizeof(Closure))) Closure(std::forward<Backward>(backward));
  node.run = [](void* saved, Grads& grads) { (*static_cast<Closure*>(saved))(grads); };
  node.destroy = [](void* saved) { static_cast<Closure*>(saved)->~Closure(); };
  return results;
}

/// The same for one result.
template <class Backward>
Variable record(const char* op, std::initializer_list<const Variable*> inputs, Tensor out, Backward&& backward) {
  return record<1>(op, inputs, std::array<Tensor, 1>{std::move(out)}, std::forward<Backward>(backward), 0)[0];
}

/// For an op that has no gradient: Error when an input is tracked, which says to use NoGrad or detach().
Variable record_without_gradient(const char* op, std::initializer_list<const Variable*> inputs, Tensor out);

NORMSCOPE_END
