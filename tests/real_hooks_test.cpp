// The tape's seams: ops with many results, hooks as soon as a gradient is complete, scopes, observers.
#include <normscope/autograd/pass.h>

#include "real_helpers.h"

namespace normscope::real_test {
namespace {

/// y_k = (k + 1) x, K = 3 results of one op.
std::array<Variable, 3> multiples(const Variable& x) {
  std::array<Tensor, 3> outs;
  for (int k = 0; k < 3; ++k) {
    outs[static_cast<std::size_t>(k)] = empty_like(x.value());
    for (std::int64_t i = 0; i < x.value().numel(); ++i)
      outs[static_cast<std::size_t>(k)].data()[i] = static_cast<real>(k + 1) * x.value().data()[i];
  }
  const auto backward = [](Grads& g) {
    for (int k = 0; k < 3; ++k)
      if (g.out(k).defined()) {
        const auto [dx, add] = g.target(0);
        for (std::int64_t i = 0; i < dx.numel(); ++i)
          dx.data()[i] = (add ? dx.data()[i] : 0) + static_cast<real>(k + 1) * g.out(k).data()[i];
      }
  };
  return record<3>("multiples", {&x}, outs, backward, 0);
}

TEST(Tape, AnOpMayHaveManyResults) {
  const Variable x = Variable::leaf(Tensor::from(engine(), {2}, {1, 2}), "x");
  Tape tape;
  const Tape::Recording recording(tape);
  const auto y = multiples(x);
  tape.backward(sum(add(y[0], multiply(y[2], y[2]))));  // the second result is not used
  EXPECT_EQ(x.grad().to_vector(), (std::vector<real>{1 + 2 * 9 * 1, 1 + 2 * 9 * 2}));
}

TEST(Tape, ALeafsHooksRunAsSoonAsItsGradientIsComplete) {
  const Variable a = Variable::leaf(Tensor::full(engine(), {1}, 2), "a");
  const Variable b = Variable::leaf(Tensor::full(engine(), {1}, 3), "b");
  std::vector<std::string> order;
  a.on_grad([&](const Tensor& g) { order.push_back("a " + std::to_string(static_cast<int>(g.data()[0]))); });
  b.on_grad([&](const Tensor& g) { order.push_back("b " + std::to_string(static_cast<int>(g.data()[0]))); });
  Tape tape;
  const Tape::Recording recording(tape);
  const Variable first = multiply(a, a);  // d = 2 a b, complete only here, where a was used first
  first.on_grad([&](const Tensor&) { order.push_back("first"); });
  const Variable second = multiply(first, b);  // b's only use
  second.on_grad([&](const Tensor&) { order.push_back("second"); });
  tape.backward(multiply(second, a));  // a's last use
  // y = a^3 b: dy/da = 3 a^2 b = 36, dy/db = a^3 = 8
  EXPECT_EQ(order, (std::vector<std::string>{"second", "b 8", "first", "a 36"}));
}

TEST(Tape, HooksOfOneTensorRunInTheirOrder) {
  const Variable a = Variable::leaf(Tensor::full(engine(), {1}, 2), "a");
  Tape tape;
  const Tape::Recording recording(tape);
  const Variable x = square(a), y = square(x);
  std::string order;
  for (const char c : {'1', '2', '3'}) {
    y.on_grad([&order, c](const Tensor&) { order += c; });
    x.on_grad([&order, c](const Tensor&) { order += static_cast<char>(c - '1' + 'a'); });
  }
  tape.backward(square(y));
  EXPECT_EQ(order, "123abc");
}

TEST(Tape, HooksOfALeafThatIsTheOutputRun) {
  const Variable a = Variable::leaf(Tensor::full(engine(), {1}, 2), "a");
  std::vector<double> seen;
  a.on_grad([&](const Tensor& g) { seen = numbers(g); });
  Tape tape;
  const Tape::Recording recording(tape);
  tape.backward(a, 3);
  EXPECT_EQ(seen, std::vector<double>{3});
}

TEST(Tape, AHookThatComesTooLateIsAnError) {  // it would never run, or move the hook that is running
  const Variable a = Variable::leaf(Tensor::full(engine(), {1}, 2), "a");
  Tape tape;
  const Tape::Recording recording(tape);
  const Variable x = square(a), y = square(x);
  std::string within;
  y.on_grad([&](const Tensor&) { within = message_of([&] { x.on_grad([](const Tensor&) {}); }); });
  tape.backward(y);
  expect_says(within, {"[on_grad]", "before"});
  expect_says(message_of([&] { y.on_grad([](const Tensor&) {}); }), {"[on_grad]", "before"});
}

// A scope keeps a pointer to its path, so that a temporary would dangle.
static_assert(std::is_constructible_v<Tape::Scope, const std::string&>);
static_assert(!std::is_constructible_v<Tape::Scope, std::string>);

TEST(Observers, AreToldWithoutATape) {
  struct Keeper final : Observer {
    void value(const std::string& name, const Variable& x) override {
      names.push_back(name);
      EXPECT_FALSE(x.tracked());
    }
    std::vector<std::string> names;
  } keeper;
  const NoGrad guard;
  Pass pass;
  pass.observer = &keeper;
  pass.observe("x", Variable(Tensor::full(engine(), {1}, 1)));
  EXPECT_EQ(keeper.names, std::vector<std::string>{"x"});
}

}  // namespace
}  // namespace normscope::real_test
