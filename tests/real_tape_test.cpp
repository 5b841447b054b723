// The tape: accumulation, hooks, what is constant, what is freed, and the errors of wrong use.
#include <normscope/norms/norm.h>

#include <memory>

#include "real_helpers.h"

namespace normscope::real_test {
namespace {

TEST(Tape, RunsNodesInReverseOrderAndNamesThem) {
  std::vector<std::string> ran;
  const auto op = [&](const char* name, const Variable& x) {
    return record(name, {&x}, x.value().clone(), [&ran, name](Grads& g) {
      ran.push_back(name);
      g.give(0, g.out());
    });
  };
  const Variable x = leaf({2}, {1, 2});
  Tape tape;
  const std::string path = "blocks.3.mlp";
  const Tape::Recording recording(tape);
  const Variable a = op("a", x);
  const Variable b = [&] {
    const Tape::Scope scope(path);
    return op("b", a);
  }();
  const Variable c = op("c", b);
  (void)op("unused", a);
  EXPECT_EQ(tape.size(), 4u);
  expect_says(tape.describe(), {"[a] [2]\n", "[b in blocks.3.mlp] [2]\n", "[c] [2]\n"});
  tape.backward(sum(c));
  EXPECT_EQ(ran, (std::vector<std::string>{"c", "b", "a"})) << "what no gradient reaches does not run";
}

TEST(Tape, AddsUpSeveralUsesOfOneValue) {
  const Variable x = leaf({2}, {3, -2});
  Tape tape;
  const Tape::Recording recording(tape);
  const Variable y = scale(x, 2);                                  // used three times
  const Variable z = add(multiply(y, y), add(y, multiply(x, y)));  // 4x^2 + 2x + 2x^2
  tape.backward(sum(z));
  expect_close(numbers(x.grad()), {12 * 3 + 2, -12 * 2 + 2}, tolerance(1e-5, 1e-12));
}

TEST(Tape, OneGradientHandedToTwoInputsIsNotMixedUp) {
  // add() hands one tensor to both sides; what is added to one side later must not show in the other.
  const Variable x = leaf({3}, {1, 2, 3}, "x"), y = leaf({3}, {4, 5, 6}, "y");
  Tape tape;
  const Tape::Recording recording(tape);
  const Variable a = scale(x, 1), b = scale(y, 1);
  const Variable early = scale(a, 10), late = add(a, b);
  tape.backward(sum(add(early, late)));
  EXPECT_EQ(numbers(x.grad()), (std::vector<double>{11, 11, 11}));
  EXPECT_EQ(numbers(y.grad()), (std::vector<double>{1, 1, 1}));
}

TEST(Tape, TheSeedAndAKeptGradientStayUntouched) {
  const Variable x = leaf({2}, {1, 2});
  Tape tape;
  const Tape::Recording recording(tape);
  const Variable a = scale(x, 1);
  const Variable y = add(a, scale(a, 3));
  Tensor kept;
  y.on_grad([&](const Tensor& g) { kept = g; });
  const Tensor seed = tensor({2}, {1, 5});
  tape.backward(y, seed);
  EXPECT_EQ(numbers(seed), (std::vector<double>{1, 5}));
  EXPECT_EQ(numbers(kept), (std::vector<double>{1, 5}));
  EXPECT_EQ(numbers(x.grad()), (std::vector<double>{4, 20}));
}

TEST(Tape, LeavesAddUpOverBackwardPassesUntilZeroGrad) {
  const Variable x = leaf({2}, {3, 4}), w = leaf({1, 2}, {1, 1}, "w");
  Tape tape;
  const auto pass = [&](double factor) {
    const Tape::Recording recording(tape);
    tape.backward(sum(linear(reshape(multiply(x, x), {1, 2}), w)), as_real(factor));
    tape.clear();
  };
  pass(1);
  EXPECT_EQ(numbers(x.grad()), (std::vector<double>{6, 8}));
  pass(0.5);
  EXPECT_EQ(numbers(x.grad()), (std::vector<double>{9, 12}));
  EXPECT_EQ(numbers(w.grad()), (std::vector<double>{13.5, 24}));
  x.zero_grad();
  expect_says(message_of([&] { x.grad(); }), {"[grad]", "x", "backward()"});
  pass(2);
  EXPECT_EQ(numbers(x.grad()), (std::vector<double>{12, 16}));
  EXPECT_EQ(numbers(w.grad()), (std::vector<double>{31.5, 56})) << "only x was reset";
}

TEST(Tape, ABackwardOfALeafItselfIsItsSeed) {
  const Variable x = leaf({1}, {3});
  Tape tape;
  const Tape::Recording recording(tape);
  tape.backward(x, as_real(2));
  EXPECT_EQ(x.grad().data()[0], 2);
}

TEST(Hooks, SeeTheFinishedGradientOfAnyTensor) {
  const Variable x = leaf({2}, {1, -1});
  Tape tape;
  const Tape::Recording recording(tape);
  const Variable y = scale(x, 2);
  int calls = 0;
  y.on_grad([&](const Tensor& g) {
    ++calls;
    EXPECT_EQ(numbers(g), (std::vector<double>{8, 8}));
  });
  tape.backward(sum(add(scale(y, 3), scale(y, 5))));
  EXPECT_EQ(calls, 1);
}

TEST(Hooks, OfALeafRunOnceABackwardWithAllOfIt) {
  const Variable x = leaf({2}, {1, 2});
  std::vector<std::vector<double>> seen;
  x.on_grad([&](const Tensor& g) { seen.push_back(numbers(g)); });
  Tape tape;
  for (int pass = 0; pass < 2; ++pass) {
    const Tape::Recording recording(tape);
    tape.backward(sum(add(scale(x, 2), add(x, scale(x, 4)))));
  }
  ASSERT_EQ(seen.size(), 2u);
  EXPECT_EQ(seen[0], (std::vector<double>{7, 7}));
  EXPECT_EQ(seen[1], (std::vector<double>{14, 14})) << "gradients add up";
}

/// h = x + f and N(h) with h used again behind: the residual stream of a pre-norm block.
class FusedSum : public ::testing::TestWithParam<std::string> {};

TEST_P(FusedSum, HookOnTheSumSeesItsCompleteGradient) {
  Parameters parameters(engine(), 1);
  NormSpec spec;
  spec.name = GetParam();
  const auto norm = make_norm({parameters, "", -1, "norm"}, spec, 5);
  const Variable x = random_leaf({3, 5}, "x"), f = random_leaf({3, 5}, "f");
  const Tensor wh = random_tensor({3, 5}, "wh"), wy = random_tensor({3, 5}, "wy");
  for (const int uses : {1, 2, 3}) {  // bit 0: N(h) is used, bit 1: h is used
    Tensor hooked, hooked_norm;
    const Result result = run_with_gradients(
        {x, f},
        [&] {
          const auto [h, y] = norm->add_forward(x, f);
          h.on_grad([&](const Tensor& g) { hooked = g.clone(); });
          if (uses & 1) y.on_grad([&](const Tensor& g) { hooked_norm = g.clone(); });
          const Variable used_y = multiply(y, Variable(wy)), used_h = multiply(h, Variable(wh));
          return uses == 3 ? add(used_y, used_h) : uses == 2 ? used_h : used_y;
        },
        Tensor::full(engine(), {3, 5}, 1));
    ASSERT_TRUE(hooked.defined());
    EXPECT_TRUE(same_bits(hooked, result.gradients[0])) << "dL/dx = dL/dh, all of it; uses " << uses;
    EXPECT_TRUE(same_bits(hooked, result.gradients[1]));
    if (GetParam() == "none") continue;  // h and N(h) are one tensor
    EXPECT_TRUE(!(uses & 1) || same_bits(hooked_norm, wy));
    EXPECT_TRUE(uses != 2 || same_bits(hooked, wh));
  }
}
INSTANTIATE_TEST_SUITE_P(Norms, FusedSum, ::testing::Values("layernorm", "rmsnorm", "none"));

TEST(Tape, ConstantsGetNoGradient) {
  const Variable x = leaf({2}, {3, 4}), constant(tensor({2}, {5, 6}));
  Tape tape;
  const Tape::Recording recording(tape);
  EXPECT_FALSE(constant.tracked());
  EXPECT_FALSE(multiply(constant, constant).tracked());
  tape.backward(sum(multiply(multiply(x, constant), x.detach())));  // detach: treated as 3, 4
  EXPECT_EQ(numbers(x.grad()), (std::vector<double>{15, 24}));
}

TEST(Tape, NormsAndProductsOfConstantsReachTheirParameters) {
  // A norm right behind the input data: gain is tracked, x is not.
  for (const char* name : {"layernorm", "rmsnorm"}) {
    Parameters parameters(engine(), 1);
    NormSpec spec;
    spec.name = name;
    const auto norm = make_norm({parameters, "", -1, "norm"}, spec, 4);
    const Variable constant(random_tensor({3, 4}, "data"));
    const Variable tracked = Variable::leaf(constant.value().clone(), "data");
    const Tensor seed = random_tensor({3, 4}, "seed");
    const Variable gain = parameters.at("gain").leaf;
    const Result with = run_with_gradients({gain}, [&] { return norm->forward(tracked); }, seed);
    const Result without = run_with_gradients({gain}, [&] { return norm->forward(constant); }, seed);
    EXPECT_TRUE(same_bits(with.gradients[0], without.gradients[0])) << name;
    const Result summed =
        run_with_gradients({gain}, [&] { return norm->add_forward(constant, constant).second; }, seed);
    EXPECT_NEAR(error_of(numbers(summed.gradients[0]), numbers(with.gradients[0])), 0, 1e-4) << name << " of 2x";
  }
  const Variable data(random_tensor({3, 4}, "data")), w = random_leaf({2, 4}, "w"), b = random_leaf({2}, "b");
  const Result product =
      run_with_gradients({w, b}, [&] { return linear(data, w, b); }, Tensor::full(engine(), {3, 2}, 1));
  expect_close(numbers(product.gradients[1]), {3, 3}, 0);
}

TEST(Tape, NoGradRecordsNothingAndNests) {
  const Variable x = leaf({2}, {1, 2});
  Tape tape;
  const Tape::Recording recording(tape);
  {
    const NoGrad outer;
    {
      const NoGrad inner;
      EXPECT_FALSE(x.tracked());
    }
    EXPECT_FALSE(scale(x, 2).tracked());
    EXPECT_EQ(Tape::current(), nullptr);
  }
  EXPECT_EQ(tape.size(), 0u);
  EXPECT_TRUE(scale(x, 2).tracked());
}

TEST(Tape, WithoutARecordingNothingIsTracked) {
  const Variable x = leaf({2}, {1, 2});
  EXPECT_FALSE(x.tracked());
  EXPECT_FALSE(multiply(x, x).tracked());
}

TEST(Tape, AVariableOfAnEarlierRecordingIsAConstant) {
  const Variable x = leaf({2}, {3, 4});
  Tape tape, other;
  Variable stale;
  {
    const Tape::Recording recording(tape);
    stale = scale(x, 2);
    EXPECT_TRUE(stale.tracked());
    const Tape::Recording inner(other);
    EXPECT_FALSE(stale.tracked()) << "it is another tape's";
  }
  const Tape::Recording recording(tape);
  EXPECT_FALSE(stale.tracked());
  (void)scale(x, 1);  // takes the slot that `stale` had
  tape.backward(sum(multiply(x, stale)));
  EXPECT_EQ(numbers(x.grad()), (std::vector<double>{6, 8})) << "d(x s)/dx, s = (6, 8) fixed";
}

TEST(Tape, RecordingsNest) {
  const Variable x = leaf({1}, {3});
  Tape outer, inner;
  const Tape::Recording recording(outer);
  const Variable y = multiply(x, x);
  {
    const Tape::Recording second(inner);
    EXPECT_EQ(Tape::current(), &inner);
    inner.backward(scale(x, 5));
    EXPECT_EQ(x.grad().data()[0], 5);
  }
  EXPECT_EQ(Tape::current(), &outer);
  x.zero_grad();
  outer.backward(y);
  EXPECT_EQ(x.grad().data()[0], 6);
}

TEST(TapeErrors, SayWhereAndWhatToDo) {
  const Variable x = leaf({2}, {1, 2});
  Tape tape;
  const Tape::Recording recording(tape);
  const Variable y = scale(x, 2), total = sum(y);
  expect_says(message_of([&] { tape.backward(y); }), {"[backward]", "[2]", "seed"});
  expect_says(message_of([&] { tape.backward(y, Tensor::full(engine(), {3}, 1)); }), {"[backward]", "[3]", "[2]"});
  expect_says(message_of([&] { tape.backward(total.detach()); }), {"[backward]", "depend"});
  expect_says(message_of([&] { argmax(y); }), {"[argmax]", "no gradient", "NoGrad"});
  expect_says(message_of([&] { total.detach().on_grad([](const Tensor&) {}); }), {"[on_grad]"});
  expect_says(message_of([&] { (void)y.item(); }), {"[item]", "[2]"});
  expect_says(message_of([&] { (void)y.grad(); }), {"[grad]", "on_grad()"});
  expect_says(message_of([&] { x.grad(); }), {"[grad]", "x"});
  EXPECT_EQ(numbers(argmax(y.detach())), (std::vector<double>{1}));
  tape.backward(total);  // all those errors left the recording whole
  EXPECT_EQ(numbers(x.grad()), (std::vector<double>{2, 2}));
  expect_says(message_of([&] { tape.backward(total); }), {"[backward]", "backward() has already run", "record"});
  expect_says(message_of([&] { scale(x, 2); }), {"[scale]", "Tape::Recording"});
}

TEST(TapeErrors, AskingForAConstantsGradientIsAnErrorNotAWildWrite) {
  const Variable x = leaf({2}, {1, 2}), constant(tensor({2}, {1, 2}));
  Tape tape;
  const Tape::Recording recording(tape);
  const Variable y = record("greedy", {&constant, &x}, x.value().clone(), [](Grads& g) { (void)g.target(0); });
  expect_says(message_of([&] { tape.backward(y, x.value()); }), {"[greedy]", "wants()"});
}

TEST(TapeErrors, AGradientOfTheWrongShapeNamesOpAndPath) {
  const Variable x = leaf({2}, {1, 2});
  Tape tape;
  const Tape::Recording recording(tape);
  const std::string path = "blocks.0";
  const Tape::Scope scope(path);
  const Variable y = record("crooked", {&x}, Tensor::full(engine(), {1}, 0), [](Grads& g) { g.give(0, g.out()); });
  expect_says(message_of([&] { tape.backward(y); }), {"[crooked in blocks.0]", "[1]", "[2]"});
}

TEST(TapeMemory, IsGivenBackByBackwardAndClear) {
  const Variable x = random_leaf({8, 16}, "x"), w = random_leaf({16, 16}, "w");
  Tape tape;
  const auto forward = [&] { return sum(softmax(linear(tanh(linear(x, w)), w))); };
  const auto step = [&](bool backward) {
    const Tape::Recording recording(tape);
    const Variable y = forward();
    if (backward) tape.backward(y);
  };
  step(true);  // makes the leaves' gradient buffers
  tape.clear();
  const std::size_t before = engine().pool().live_blocks();
  step(true);
  EXPECT_EQ(engine().pool().live_blocks(), before) << "backward frees what it used";
  step(false);
  EXPECT_GT(engine().pool().live_blocks(), before);
  tape.clear();
  EXPECT_EQ(engine().pool().live_blocks(), before) << "a forward without backward";
  {
    const Tape::Recording recording(tape);
    const Variable y = forward();
    EXPECT_THROW(tape.backward(y, Tensor::full(engine(), {2}, 1)), Error);
  }
  tape.clear();
  EXPECT_EQ(engine().pool().live_blocks(), before) << "after an error";
  const std::size_t touched = engine().pool().touched();
  for (int i = 0; i < 20; ++i) step(true);
  EXPECT_EQ(engine().pool().touched(), touched);
}

TEST(TapeMemory, ClosuresAreDestroyedOnceEvenWhenTheyThrow) {
  const auto token = std::make_shared<int>(0);
  const Variable x = leaf({1}, {1});
  Tape tape;
  const auto go = [&](bool fails) {
    const Tape::Recording recording(tape);
    Variable y = record("first", {&x}, x.value().clone(), [token](Grads& g) { g.give(0, g.out()); });
    y = record("second", {&y}, y.value().clone(), [token, fails](Grads& g) {
      if (fails) throw Error("stop");
      g.give(0, g.out());
    });
    EXPECT_EQ(token.use_count(), 3);
    tape.backward(y);
  };
  go(false);
  EXPECT_EQ(token.use_count(), 1);
  EXPECT_THROW(go(true), Error);
  tape.clear();
  EXPECT_EQ(token.use_count(), 1);
}

TEST(TapeMemory, ManyNodesOutgrowOneChunk) {
  const Variable x = leaf({1}, {0});
  Tape tape;
  for (int pass = 0; pass < 2; ++pass) {
    const Tape::Recording recording(tape);
    Variable y = x;
    for (int i = 0; i < 5000; ++i) y = add_scalar(exp(scale(y, 0)), -1);
    for (int i = 0; i < 5000; ++i) y = scale(tanh(y), 1);
    tape.backward(add(y, scale(x, 3)));
  }
  EXPECT_EQ(x.grad().data()[0], 6);
}

}  // namespace
}  // namespace normscope::real_test
