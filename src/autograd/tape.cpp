#include <normscope/autograd/gradcheck.h>
#include <normscope/autograd/variable.h>

#include <algorithm>
#include <atomic>

#include "kernels/kernels.h"

NORMSCOPE_BEGIN

namespace {
thread_local Tape* current_tape = nullptr;
thread_local bool no_grad = false;
thread_local DetachedValues* detached_values = nullptr;
constexpr std::size_t kChunk = 1 << 16;

std::uint64_t next_recording() {  // unique over all tapes, so that a stale variable is always noticed
  static std::atomic<std::uint64_t> counter{0};
  return ++counter;
}
}  // namespace

NoGrad::NoGrad() : before_(std::exchange(no_grad, true)) {}
NoGrad::~NoGrad() { no_grad = before_; }

Tape::Recording::Recording(Tape& tape) : before_(std::exchange(current_tape, &tape)) { tape.clear(); }
Tape::Recording::~Recording() { current_tape = before_; }

Tape::Scope::Scope(const std::string& path) {
  if (current_tape) before_ = std::exchange(current_tape->path_, &path);
}
Tape::Scope::~Scope() {
  if (current_tape) current_tape->path_ = before_;
}

Tape::Tape() = default;
Tape::~Tape() { clear(); }
Tape* Tape::current() { return no_grad ? nullptr : current_tape; }
std::size_t Tape::size() const { return nodes_.size(); }

Variable Variable::leaf(Tensor value, std::string name) {
  Variable variable(std::move(value));
  variable.leaf_ = std::make_shared<Leaf>();
  variable.leaf_->name = std::move(name);
  return variable;
}

Variable Variable::detach() const { return Variable(detached_values ? detached_values->next(value_) : value_); }

DetachedValues::DetachedValues() : before_(std::exchange(detached_values, this)) {}
DetachedValues::~DetachedValues() { detached_values = before_; }

void DetachedValues::rewind() {
  replays_ = true;
  at_ = 0;
}

Tensor DetachedValues::next(const Tensor& x) {
  if (!replays_) kept_.push_back(x.clone());  // x may be changed in place
  if (at_ == kept_.size()) throw Error("[gradcheck] the function detaches more values than at its first call");
  return kept_[at_++];
}

bool Variable::tracked() const {
  const Tape* tape = Tape::current();
  return tape && (leaf_ || (slot_ >= 0 && recording_ == tape->recording_));
}

const Tensor& Variable::grad() const {
  if (!leaf_) throw Error("[grad] only parameters keep their gradient; use on_grad() for other tensors");
  if (!leaf_->has_grad) throw Error("[grad] " + leaf_->name + " has no gradient yet; call backward() first");
  return leaf_->grad;
}

void Variable::on_grad(GradHook hook) const {
  if (leaf_) {
    leaf_->hooks.push_back(std::move(hook));
    return;
  }
  if (!tracked()) throw Error("[on_grad] this tensor gets no gradient: it is not recorded on the current tape");
  Tape::current()->hook(slot_, std::move(hook));
}

real Variable::item() const {
  if (value_.numel() != 1) throw Error("[item] a tensor of shape " + shape().str() + " is not one number");
  return value_.data()[0];
}

bool Tape::tracks(std::initializer_list<const Variable*> inputs) {
  return Tape::current() && std::any_of(inputs.begin(), inputs.end(), [](auto* input) { return input->tracked(); });
}

Tape::Node& Tape::add(const char* op, std::initializer_list<const Variable*> inputs, Variable* outputs,
                      std::size_t count) {
  if (spent_)
    throw Error(std::string("[") + op + "] backward() has already run on this tape; start a new Tape::Recording");
  const Node node{.op = op,
                  .path = path_,
                  .first_input = static_cast<std::uint32_t>(inputs_.size()),
                  .inputs = static_cast<std::uint32_t>(inputs.size()),
                  .outputs = static_cast<std::uint32_t>(count),
                  .first_output = static_cast<std::int32_t>(slots_.size()),
                  .completed = 0,
                  .saved = nullptr,
                  .run = nullptr,
                  .destroy = nullptr};
  for (const Variable* input : inputs)
    inputs_.push_back(
        {.slot = input->leaf_ || !input->tracked() ? -1 : input->slot_, .leaf = input->leaf_, .shape = input->shape()});
  for (std::size_t k = 0; k < count; ++k) {
    outputs[k].recording_ = recording_;
    outputs[k].slot_ = static_cast<std::int32_t>(slots_.size());
    slots_.emplace_back();
    first_hook_.push_back(-1);
  }
  nodes_.push_back(node);
  return nodes_.back();
}

void* Tape::reserve(std::size_t bytes) {
  bytes = (bytes + 15) / 16 * 16;
  if (chunks_.empty() || used_ + bytes > kChunk) {
    if (!chunks_.empty()) ++chunk_;
    if (chunk_ == chunks_.size()) chunks_.push_back(std::make_unique<std::byte[]>(std::max(bytes, kChunk)));
    used_ = 0;
  }
  void* place = chunks_[chunk_].get() + used_;
  used_ += bytes;
  return place;
}

void Tape::drop(Node& node) {
  if (node.saved) node.destroy(std::exchange(node.saved, nullptr));
}

void Tape::clear() {
  for (auto node = nodes_.rbegin(); node != nodes_.rend(); ++node) drop(*node);
  nodes_.clear();
  inputs_.clear();
  slots_.clear();
  first_hook_.clear();
  hooks_.clear();
  chunk_ = used_ = 0;
  spent_ = false;
  path_ = nullptr;
  recording_ = next_recording();
}

std::string Tape::where(const Node& node) const {
  return std::string("[") + node.op + (node.path ? " in " + *node.path : "") + "]";
}

void add_into(const Tensor& dst, const Tensor& src) {
  kernels::add(dst.engine(), dst.data(), src.data(), dst.data(), dst.numel());
}

namespace {
void call_hooks(const Leaf& leaf) {
  for (const GradHook& hook : leaf.hooks) hook(leaf.grad);
}

void accumulate(Leaf& leaf, const Tensor& gradient) {
  if (!leaf.grad.defined()) leaf.grad = empty_like(gradient);
  if (std::exchange(leaf.has_grad, true))
    add_into(leaf.grad, gradient);
  else
    kernels::copy(gradient.engine(), gradient.data(), leaf.grad.data(), gradient.numel());
}
}  // namespace

void Tape::backward(const Variable& output, real seed) {
  if (output.value().numel() != 1)
    throw Error("[backward] the output has shape " + output.shape().str() +
                ", not one number; pass a seed of the same shape");
  backward(output, Tensor::full(output.engine(), output.shape(), seed));
}

void Tape::backward(const Variable& output, const Tensor& seed) {
  if (spent_) throw Error("[backward] backward() has already run and freed the saved tensors; record the step again");
  if (output.leaf_) {  // d x / d x
    accumulate(*output.leaf_, seed);
    return call_hooks(*output.leaf_);
  }
  if (output.slot_ < 0 || output.recording_ != recording_)
    throw Error("[backward] the output does not depend on any parameter recorded on this tape");
  if (!(seed.shape() == output.shape()))
    throw Error("[backward] seed " + seed.shape().str() + " for an output of shape " + output.shape().str());
  spent_ = true;
  slots_[static_cast<std::size_t>(output.slot_)] = seed;
  for (Input& input : inputs_)
    input.completes_leaf = input.leaf && std::exchange(input.leaf->seen, recording_) != recording_;
  for (auto node = nodes_.rbegin(); node != nodes_.rend(); ++node) {
    run(*node);
    drop(*node);
    complete_leaves(*node);
  }
}

void Tape::run(Node& node) {
  Grads grads(*this, node);
  for (std::uint32_t k = 0; k < node.outputs; ++k) {
    const auto slot = node.first_output + static_cast<std::int32_t>(k);
    const Tensor& gradient = slots_[static_cast<std::size_t>(slot)];
    if (!gradient.defined()) continue;
    grads.engine_ = &gradient.engine();
    if (k >= node.completed) run_hooks(slot, gradient);
  }
  if (!grads.engine_) return;
  node.run(node.saved, grads);
  for (std::uint32_t k = 0; k < node.outputs; ++k) grads.out(static_cast<int>(k)) = Tensor();
}

void Tape::complete_leaves(const Node& node) {
  for (std::uint32_t i = 0; i < node.inputs; ++i) {
    const Input& input = inputs_[node.first_input + i];
    if (input.completes_leaf && input.leaf->has_grad) call_hooks(*input.leaf);
  }
}

void Tape::hook(std::int32_t slot, GradHook hook) {
  if (spent_) throw Error("[on_grad] backward() has begun on this recording; add hooks before it");
  std::int32_t* place = &first_hook_[static_cast<std::size_t>(slot)];
  while (*place >= 0) place = &hooks_[static_cast<std::size_t>(*place)].next;
  *place = static_cast<std::int32_t>(hooks_.size());
  hooks_.push_back({.run = std::move(hook), .next = -1});
}

void Tape::run_hooks(std::int32_t slot, const Tensor& gradient) const {
  for (std::int32_t k = first_hook_[static_cast<std::size_t>(slot)]; k >= 0;) {
    const Hook& hook = hooks_[static_cast<std::size_t>(k)];
    hook.run(gradient);
    k = hook.next;
  }
}

void Grads::complete(int k, const Tensor& gradient) { tape_.run_hooks(node_.first_output + k, gradient); }

bool Grads::wants(int i) const {
  const auto& in = input(i);
  return in.leaf || in.slot >= 0;
}

Grads::Target Grads::target(int i) {
  const auto& in = input(i);
  if (!wants(i))
    throw Error(tape_.where(node_).append(" asks for the gradient of a constant; it must ask wants() first"));
  if (in.leaf) {
    if (!in.leaf->grad.defined()) in.leaf->grad = Tensor::empty(*engine_, in.shape);
    return {in.leaf->grad, std::exchange(in.leaf->has_grad, true)};
  }
  Tensor& slot = tape_.slots_[static_cast<std::size_t>(in.slot)];
  if (!slot.defined()) {
    slot = Tensor::empty(*engine_, in.shape);
    return {slot, false};
  }
  if (!slot.unique()) slot = slot.clone();
  return {slot, true};
}

void Grads::give(int i, Tensor gradient) {
  if (!wants(i)) return;
  const auto& in = input(i);
  if (!(gradient.shape() == in.shape))
    throw Error(tape_.where(node_) + " gradient of shape " + gradient.shape().str() + " for input " +
                std::to_string(i) + " of shape " + in.shape.str() + "; the shapes must match");
  if (!in.leaf) {
    Tensor& slot = tape_.slots_[static_cast<std::size_t>(in.slot)];
    if (!slot.defined()) {
      slot = std::move(gradient);
      return;
    }
  }
  Target to = target(i);
  if (to.add)
    add_into(to.tensor, gradient);
  else
    kernels::copy(*engine_, gradient.data(), to.tensor.data(), gradient.numel());
}

Variable record_without_gradient(const char* op, std::initializer_list<const Variable*> inputs, Tensor out) {
  if (Tape::tracks(inputs))
    throw Error(std::string("[") + op + "] has no gradient; call it under NoGrad or on detach()ed input");
  return Variable(std::move(out));
}

std::string Tape::describe() const {
  std::string text;
  for (const Node& node : nodes_) {
    text += where(node);
    for (std::uint32_t i = 0; i < node.inputs; ++i) text.append(" ").append(inputs_[node.first_input + i].shape.str());
    text += "\n";
  }
  return text;
}

NORMSCOPE_END
