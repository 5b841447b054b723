#pragma once
// Autograd: variables, and the tape that records what was done to them. Tape order is topological order, so backward is
// one reverse loop. Gradients of leaves (parameters) add up until zero_grad().
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
  Tensor grad;               ///< buffer, made at the first gradient, kept for good
  std::uint64_t hooked = 0;  ///< the recording whose backward ran the hooks last
  bool has_grad = false;     ///< false: the next gradient overwrites the buffer, so nothing needs to be zeroed
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

/// Told of named values while they are made ("residual.3"): what probes and `dump` hang on.
class Observer {
 public:
  virtual ~Observer() = default;
  virtual void value(const std::string& name, const Variable& x) = 0;
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
    explicit Scope(const std::string& path);
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

  void set_observer(Observer* observer) { observer_ = observer; }
  static Tape* current();  ///< the tape this thread records on, or null

 private:
  friend class Variable;
  friend class Grads;
  template <class Backward>
  friend Variable record(const char*, std::initializer_list<const Variable*>, Tensor, Backward&&);
  template <class Backward>
  friend std::pair<Variable, Variable> record2(const char*, std::initializer_list<const Variable*>, Tensor, Tensor,
                                               Backward&&);
  friend Variable record_without_gradient(const char*, std::initializer_list<const Variable*>, Tensor);
  friend void observe(const std::string&, const Variable&);

  struct Input {
    std::int32_t slot = -1;  // of this recording; -1: constant or leaf
    std::shared_ptr<Leaf> leaf;
    Shape shape;
  };
  struct Node {
    const char* op;
    const std::string* path;
    std::uint32_t first_input, inputs, outputs;
    std::int32_t first_output;
    bool completes_first;  // backward itself completes the gradient of output 0: see record2
    void* saved;           // the backward closure, in the tape's own memory
    void (*run)(void*, Grads&);
    void (*destroy)(void*);
  };
  struct Hook {
    std::int32_t slot;
    GradHook run;
  };

  static bool tracks(std::initializer_list<const Variable*> inputs);
  Node& add(const char* op, std::initializer_list<const Variable*> inputs, std::initializer_list<Variable*> outputs);
  void* reserve(std::size_t bytes);
  void drop(Node& node);
  std::string where(const Node& node) const;
  void run(Node& node);
  void run_hooks(std::int32_t slot, const Tensor& gradient) const;

  std::vector<Node> nodes_;
  std::vector<Input> inputs_;
  std::vector<Tensor> slots_;  // gradient of each tracked value
  std::vector<Hook> hooks_;
  std::vector<std::unique_ptr<std::byte[]>> chunks_;
  std::size_t chunk_ = 0, used_ = 0;
  std::uint64_t recording_ = 0;
  bool spent_ = false;
  const std::string* path_ = nullptr;
  Observer* observer_ = nullptr;
};

/// What a backward function sees: the gradients of the outputs, and places for those of the inputs.
class Grads {
 public:
  /// Gradient of output k; undefined when none reached it.
  Tensor& out(int k = 0) { return out_[k]; }
  /// For record2: tells the hooks of output 0 its complete gradient.
  void complete(const Tensor& gradient);
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
  Tensor out_[2];
};

/// Tells the current tape's observer of a named value.
void observe(const std::string& name, const Variable& x);

/// dst += src, element by element.
void add_into(const Tensor& dst, const Tensor& src);

/// Makes an op's result a variable: when an input is tracked, `backward(Grads&)` is kept on the tape, in its own
/// memory.
template <class Backward>
Variable record(const char* op, std::initializer_list<const Variable*> inputs, Tensor out, Backward&& backward) {
  Variable result(std::move(out));
  if (!Tape::tracks(inputs)) return result;
  using Closure = std::decay_t<Backward>;
  Tape& tape = *Tape::current();
  Tape::Node& node = tape.add(op, inputs, {&result});
  node.saved = new (tape.reserve(sizeof(Closure))) Closure(std::forward<Backward>(backward));
  node.run = [](void* saved, Grads& grads) { (*static_cast<Closure*>(saved))(grads); };
  node.destroy = [](void* saved) { static_cast<Closure*>(saved)->~Closure(); };
  return result;
}

/// The same for an op with two results of which the second is computed from the first (h = x + f and N(h)): the
/// gradient of the first is complete only inside `backward`, which must hand it to Grads::complete().
template <class Backward>
std::pair<Variable, Variable> record2(const char* op, std::initializer_list<const Variable*> inputs, Tensor first,
                                      Tensor second, Backward&& backward) {
  std::pair<Variable, Variable> results{Variable(std::move(first)), Variable(std::move(second))};
  if (!Tape::tracks(inputs)) return results;
  using Closure = std::decay_t<Backward>;
  Tape& tape = *Tape::current();
  Tape::Node& node = tape.add(op, inputs, {&results.first, &results.second});
  node.completes_first = true;
  node.saved = new (tape.reserve(sizeof(Closure))) Closure(std::forward<Backward>(backward));
  node.run = [](void* saved, Grads& grads) { (*static_cast<Closure*>(saved))(grads); };
  node.destroy = [](void* saved) { static_cast<Closure*>(saved)->~Closure(); };
  return results;
}

/// For an op that has no gradient: Error when an input is tracked, which says to use NoGrad or detach().
Variable record_without_gradient(const char* op, std::initializer_list<const Variable*> inputs, Tensor out);

NORMSCOPE_END
