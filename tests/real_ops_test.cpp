// Operations against closed forms; broadcast shapes; errors that name op and shapes.
#include <algorithm>
#include <limits>

#include "kernels/kernels.h"
#include "real_helpers.h"

namespace normscope::real_test {
namespace {

const double kExact = tolerance(1e-6, 1e-14);

Indices indices(const Shape& shape, const std::vector<std::int32_t>& values) {
  return Indices::from(engine(), shape, values);
}

TEST(Softmax, HasItsClosedForm) {
  const Variable x = leaf({2, 3}, {0, std::log(2.0), std::log(5.0), 7, 7, 7});
  const Result r = run_with_gradients({x}, [&] { return softmax(x); }, tensor({2, 3}, {1, 0, 0, 3, 3, 3}));
  expect_close(numbers(r.value), {0.125, 0.25, 0.625, 1 / 3.0, 1 / 3.0, 1 / 3.0}, kExact);
  expect_close(numbers(r.gradients[0]), {0.125 * 0.875, -0.125 * 0.25, -0.125 * 0.625, 0, 0, 0}, kExact);
}

TEST(Softmax, IsStableAndUnmovedByAShift) {
  const double inf = HUGE_VAL;
  expect_close(numbers(softmax(Variable(tensor({2, 3}, {1e4, 1e4 - 1, -1e4, -3e4, -3e4, -inf})))),
               {0.7310585786300049, 0.2689414213699951, 0, 0.5, 0.5, 0}, kExact);
  for (std::int64_t width = 1; width <= 70; ++width) {
    const std::vector<double> y = numbers(softmax(Variable(random_tensor({3, width}, "softmax", 5))));
    for (std::size_t r = 0; r < 3; ++r) {
      double sum = 0;
      for (std::size_t i = 0; i < static_cast<std::size_t>(width); ++i)
        sum += y[r * static_cast<std::size_t>(width) + i];
      ASSERT_NEAR(sum, 1, tolerance(1e-6, 1e-14)) << width;
    }
  }
}

TEST(CrossEntropy, OfEqualLogitsIsLogV) {
  for (const std::int64_t V : {1, 2, 17, 65, 5003}) {
    const Variable logits = Variable::leaf(Tensor::full(engine(), {2, V}, 3), "logits");
    const Indices targets = indices({2}, {0, static_cast<std::int32_t>(V - 1)});
    const Result r = run_with_gradients({logits}, [&] { return cross_entropy(logits, targets); }, tensor({1}, {1}));
    const double p = 1 / static_cast<double>(V);
    EXPECT_NEAR(static_cast<double>(r.value.data()[0]), std::log(static_cast<double>(V)), tolerance(1e-6, 1e-14)) << V;
    const std::vector<double> g = numbers(r.gradients[0]);
    for (std::size_t i = 0; i < g.size(); ++i) {
      const bool hit = i == 0 || i == g.size() - 1;
      ASSERT_NEAR(g[i], (p - hit) / 2, tolerance(2e-7, 1e-15)) << V << " at " << i;
    }
  }
}

TEST(CrossEntropy, HasItsClosedFormAndAddsRowsUp) {
  // rows: p = (1/4, 3/4) with target 1; a sure hit; a sure miss by 100
  const Variable x = leaf({3, 2}, {0, std::log(3.0), 80, 0, 100, 0});
  const Result r = run_with_gradients({x}, [&] { return cross_entropy(x, indices({3}, {1, 0, 1})); }, tensor({1}, {6}));
  EXPECT_NEAR(static_cast<double>(r.value.data()[0]), (std::log(4 / 3.0) + 0 + 100) / 3, tolerance(3e-6, 1e-13));
  expect_close(numbers(r.gradients[0]), {0.5, -0.5, 0, 0, 2, -2}, tolerance(1e-5, 1e-13));
}

TEST(CrossEntropy, StaysANumberForLogitsOfAnySize) {
  const double huge = kDouble ? 1e300 : 1e37;
  const Variable x = leaf({2, 3}, {huge, huge, -huge, -huge, -huge, -huge});
  const Result r = run_with_gradients({x}, [&] { return cross_entropy(x, indices({2}, {0, 1})); }, tensor({1}, {1}));
  EXPECT_NEAR(static_cast<double>(r.value.data()[0]), (std::log(2.0) + std::log(3.0)) / 2, tolerance(1e-6, 1e-14));
  for (const double g : numbers(r.gradients[0])) EXPECT_TRUE(std::isfinite(g));
}

TEST(CrossEntropy, ManyRowsAreOneMean) {  // more than the kernel's batch of partial sums
  const std::int64_t rows = 40000;
  Tensor x = Tensor::full(engine(), {rows, 2}, 0);
  for (std::int64_t r = 0; r < rows; ++r) x.data()[2 * r] = as_real(static_cast<double>(r % 3));
  const Indices targets = Indices::full(engine(), {rows}, 1);
  for (std::int64_t r = 0; r < rows; r += 5) targets.data()[r] = 0;
  double expected = 0;
  for (std::int64_t r = 0; r < rows; ++r) {
    const auto score = static_cast<double>(r % 3);
    expected += (std::log1p(std::exp(score)) - (r % 5 == 0 ? score : 0)) / static_cast<double>(rows);
  }
  EXPECT_NEAR(static_cast<double>(cross_entropy(Variable(x), targets).item()), expected, tolerance(1e-6, 1e-12));
}

TEST(CrossEntropy, LeavesLogitsAloneThatSomebodyHolds) {
  const Variable x = random_leaf({4, 5}, "logits");
  const std::vector<double> before = numbers(x);
  run_with_gradients({x}, [&] { return cross_entropy(scale(x, 1), indices({4}, {0, 1, 2, 3})); }, tensor({1}, {1}));
  run_with_gradients({x}, [&] { return cross_entropy(x, indices({4}, {0, 1, 2, 3})); }, tensor({1}, {1}));
  EXPECT_EQ(numbers(x), before);
}

TEST(Swiglu, IsSiluTimesUp) {
  const auto silu_of = [](double g) { return g / (1 + std::exp(-g)); };
  for (std::int64_t h = 1; h <= 35; ++h) {
    const Variable x = random_leaf({2, 2 * h}, "gate_up", 2);
    const Tensor seed = random_tensor({2, h}, "seed");
    const Result r = run_with_gradients({x}, [&] { return swiglu(x); }, seed);
    const auto v = numbers(x), d = numbers(seed);
    const auto n = static_cast<std::size_t>(h);
    std::vector<double> y, dx(4 * n);
    for (std::size_t row = 0; row < 2; ++row)
      for (std::size_t i = 0; i < n; ++i) {
        const std::size_t gate = row * 2 * n + i, up = gate + n, out = row * n + i;
        const double s = 1 / (1 + std::exp(-v[gate]));
        y.push_back(silu_of(v[gate]) * v[up]);
        dx[gate] = d[out] * v[up] * s * (1 + v[gate] * (1 - s));
        dx[up] = d[out] * silu_of(v[gate]);
      }
    ASSERT_LE(error_of(numbers(r.value), y), kExact) << h;
    ASSERT_LE(error_of(numbers(r.gradients[0]), dx), kExact) << h;
  }
}

TEST(Embedding, PicksRowsAndAddsTheirGradientsUp) {
  const Variable table = leaf({4, 2}, {0, 1, 10, 11, 20, 21, 30, 31}, "table");
  const Variable positions = leaf({3, 2}, {100, 200, 300, 400, 500, 600}, "positions");
  const Indices tokens = indices({2, 2}, {3, 1, 3, 3});
  const Tensor seed = tensor({2, 2, 2}, {1, 2, 3, 4, 5, 6, 7, 8});
  const Result r = run_with_gradients({table, positions}, [&] { return embedding(table, tokens, positions); }, seed);
  EXPECT_EQ(numbers(r.value), (std::vector<double>{130, 231, 310, 411, 130, 231, 330, 431}));
  EXPECT_EQ(numbers(r.gradients[0]), (std::vector<double>{0, 0, 3, 4, 0, 0, 13, 16}));
  EXPECT_EQ(numbers(r.gradients[1]), (std::vector<double>{6, 8, 10, 12, 0, 0})) << "position 2 was not used";
  // A second pass adds to both, unused rows included.
  Tape tape;
  const Tape::Recording recording(tape);
  tape.backward(embedding(table, tokens, positions), seed);
  EXPECT_EQ(numbers(table.grad()), (std::vector<double>{0, 0, 6, 8, 0, 0, 26, 32}));
  EXPECT_EQ(numbers(positions.grad()), (std::vector<double>{12, 16, 20, 24, 0, 0}));
}

TEST(Dropout, KeepsItsShareScalesItAndMasksTheGradientAlike) {
  const std::int64_t n = 100003;
  for (const double p : {0.1, 0.5, 0.9}) {
    const Variable x = Variable::leaf(Tensor::full(engine(), {n}, 3), "x");
    const Random random(5, Purpose::dropout, 9);
    const Result r = run_with_gradients({x}, [&] { return dropout(x, p, random); }, Tensor::full(engine(), {n}, 7));
    std::int64_t kept = 0;
    for (std::int64_t i = 0; i < n; ++i) {
      const bool keep = r.value.data()[i] != 0;
      kept += keep;
      ASSERT_NEAR(static_cast<double>(r.value.data()[i]), keep ? 3 / (1 - p) : 0, 1e-5);
      ASSERT_NEAR(static_cast<double>(r.gradients[0].data()[i]), keep ? 7 / (1 - p) : 0, 1e-5);
    }
    const double sd = std::sqrt(p * (1 - p) / static_cast<double>(n));
    EXPECT_NEAR(static_cast<double>(kept) / static_cast<double>(n), 1 - p, 4 * sd);  // 1 in 16,000 by chance, and fixed
  }
}

// Here and not beside Random's other tests, because these run on each instruction set.
TEST(Dropout, DrawsManyBlocksAsOneByOne) {
  const Random random(0x299f31d0a4093822ULL, Purpose::dropout, 0x0370734413198a2eULL);
  alignas(8) std::uint32_t many[4 * 41], one[4];
  for (const std::uint64_t first : {0ULL, 5ULL, 0xffffffffULL - 7, 0x00ffffffffffff00ULL})
    for (std::size_t count = 0; count <= 40; ++count) {
      const std::uint64_t step = count % 3 == 0 ? 1 : count;
      std::fill(std::begin(many), std::end(many), 12345u);
      kernels::random_blocks(random, first, step, count, many);
      for (std::size_t b = 0; b < count; ++b) {
        random.block(first + b * step, one);
        ASSERT_TRUE(std::equal(one, one + 4, many + 4 * b)) << first << " + " << b << " of " << count;
      }
      ASSERT_EQ(many[4 * count], 12345u) << "wrote beyond block " << count;
    }
}

TEST(Dropout, KeepsWhereTheElementsBitsAreAtLeastP) {
  const std::int64_t n = 4096 + 4096 + 3;  // tiles, and what is left
  const Random random(5, Purpose::dropout, 9);
  const Variable y = dropout(Variable(Tensor::full(engine(), {n}, 1)), 0.25, random);
  for (std::int64_t i = 0; i < n; ++i)
    ASSERT_EQ(y.value().data()[i] != 0, random.bits(static_cast<std::uint64_t>(i)) >= 0x40000000u) << i;
}

TEST(Dropout, IsAFunctionOfItsStreamAlone) {
  const Variable x(Tensor::full(engine(), {500}, 1));
  const auto mask = [&](std::uint64_t seed, std::uint64_t stream) {
    return dropout(x, 0.5, Random(seed, Purpose::dropout, stream)).value();
  };
  EXPECT_TRUE(same_bits(mask(1, 2), mask(1, 2)));
  EXPECT_FALSE(same_bits(mask(1, 2), mask(1, 3)));
  EXPECT_FALSE(same_bits(mask(1, 2), mask(2, 2)));
  Engine three({3, GemmBackend::onednn});
  const Variable wide(Tensor::full(three, {20000}, 1)), narrow(Tensor::full(engine(), {20000}, 1));
  const Random random(1, Purpose::dropout, 2);
  EXPECT_TRUE(same_bits(dropout(wide, 0.3, random).value(), dropout(narrow, 0.3, random).value()));
  EXPECT_TRUE(same_bits(dropout(x, 0, random).value(), x.value()));
}

TEST(Rope, TurnsPairsOfTheTwoHalves) {
  const std::int64_t T = 7, H = 2, D = 6;
  const RopeTables tables = rope_tables(engine(), T + 3, D, 10000);  // longer tables than the input
  const Tensor x = random_tensor({2, T, H, D}, "x");
  const std::vector<double> v = numbers(x), y = numbers(rope(Variable(x), tables));
  for (std::int64_t row = 0; row < 2 * T * H; ++row) {
    const std::int64_t t = row / H % T;
    for (std::int64_t i = 0; i < D / 2; ++i) {
      const auto a = static_cast<std::size_t>(row * D + i), b = a + static_cast<std::size_t>(D / 2);
      const double angle =
          static_cast<double>(t) * std::pow(10000.0, -2.0 * static_cast<double>(i) / static_cast<double>(D));
      ASSERT_NEAR(y[a], v[a] * std::cos(angle) - v[b] * std::sin(angle), tolerance(1e-6, 1e-14));
      ASSERT_NEAR(y[b], v[b] * std::cos(angle) + v[a] * std::sin(angle), tolerance(1e-6, 1e-14));
      ASSERT_NEAR(std::hypot(y[a], y[b]), std::hypot(v[a], v[b]), tolerance(1e-6, 1e-14)) << "lengths are kept";
      ASSERT_TRUE(t > 0 || (y[a] == v[a] && y[b] == v[b])) << "position 0 stays";
    }
  }
}

TEST(Rope, ProductsDependOnTheDistanceOnly) {
  const std::int64_t T = 40, D = 8;
  const RopeTables tables = rope_tables(engine(), T, D, 10000);
  const Tensor q = random_tensor({D}, "q"), k = random_tensor({D}, "k");
  const auto everywhere = [&](const Tensor& row) {
    const Tensor all = Tensor::empty(engine(), {1, T, 1, D});
    for (std::int64_t t = 0; t < T; ++t) std::copy_n(row.data(), D, all.data() + t * D);
    return numbers(rope(Variable(all), tables));
  };
  const auto qs = everywhere(q), ks = everywhere(k);
  const auto product = [&](std::size_t t, std::size_t s) {
    double sum = 0;
    for (std::size_t i = 0; i < 8; ++i) sum += qs[t * 8 + i] * ks[s * 8 + i];
    return sum;
  };
  for (std::size_t t = 5; t < 40; ++t) EXPECT_NEAR(product(t, t - 5), product(5, 0), tolerance(1e-5, 1e-13)) << t;
  EXPECT_GT(std::abs(product(5, 0) - product(6, 0)), 1e-3);
}

TEST(Shapes, TransposeSliceAndConcatMoveTheRightElements) {
  const Variable x(tensor({2, 3}, {1, 2, 3, 4, 5, 6}));
  EXPECT_EQ(numbers(transpose(x, 0, 1)), (std::vector<double>{1, 4, 2, 5, 3, 6}));
  EXPECT_EQ(numbers(transpose(x, -1, -2)), (std::vector<double>{1, 4, 2, 5, 3, 6}));
  EXPECT_EQ(numbers(transpose(x, 1, 1)), numbers(x));
  EXPECT_EQ(numbers(slice(x, 1, 1, 3)), (std::vector<double>{2, 3, 5, 6}));
  EXPECT_EQ(numbers(slice(x, -2, 1, 2)), (std::vector<double>{4, 5, 6}));
  const Variable both = concat({slice(x, 1, 2, 3), x, slice(x, 1, 0, 1)}, 1);
  EXPECT_EQ(numbers(both), (std::vector<double>{3, 1, 2, 3, 1, 6, 4, 5, 6, 4}));
  const Variable cube = random_leaf({2, 3, 4}, "cube");
  EXPECT_EQ(numbers(transpose(transpose(cube, 0, 2), 2, 0)), numbers(cube));
  const auto v = numbers(cube), w = numbers(transpose(cube, 0, 2));  // w[k][j][i] = v[i][j][k]
  for (std::size_t i = 0; i < 2; ++i)
    for (std::size_t j = 0; j < 3; ++j)
      for (std::size_t k = 0; k < 4; ++k) ASSERT_EQ(w[(k * 3 + j) * 2 + i], v[(i * 3 + j) * 4 + k]);
}

TEST(Shapes, PartsOfUnequalWidthTakeTheirOwnGradients) {
  const Variable a = leaf({2, 1}, {1, 2}, "a"), b = leaf({2, 3}, {3, 4, 5, 6, 7, 8}, "b");
  const Tensor seed = tensor({2, 4}, {10, 20, 30, 40, 50, 60, 70, 80});
  const Result r = run_with_gradients({a, b}, [&] { return concat({a, b}, 1); }, seed);
  EXPECT_EQ(numbers(r.value), (std::vector<double>{1, 3, 4, 5, 2, 6, 7, 8}));
  EXPECT_EQ(numbers(r.gradients[0]), (std::vector<double>{10, 50}));
  EXPECT_EQ(numbers(r.gradients[1]), (std::vector<double>{20, 30, 40, 60, 70, 80}));
}

TEST(Broadcast, FollowsNumPyInBothDirections) {
  const Variable column = leaf({2, 1}, {10, 20}, "column"), row = leaf({3}, {1, 2, 3}, "row");
  const Tensor seed = tensor({2, 3}, {1, 2, 3, 4, 5, 6});
  const Result sum_ = run_with_gradients({column, row}, [&] { return add(column, row); }, seed);
  EXPECT_EQ(numbers(sum_.value), (std::vector<double>{11, 12, 13, 21, 22, 23}));
  EXPECT_EQ(numbers(sum_.gradients[0]), (std::vector<double>{6, 15}));
  EXPECT_EQ(numbers(sum_.gradients[1]), (std::vector<double>{5, 7, 9}));
  EXPECT_EQ(numbers(subtract(row, column)), (std::vector<double>{-9, -8, -7, -19, -18, -17}));
  EXPECT_EQ(numbers(multiply(column, row)), (std::vector<double>{10, 20, 30, 20, 40, 60}));
  EXPECT_EQ(numbers(divide(column, leaf({1}, {4}))), (std::vector<double>{2.5, 5}));
  EXPECT_EQ(add(random_leaf({4, 1, 3}, "a"), random_leaf({2, 1}, "b")).shape(), (Shape{4, 2, 3}));
  EXPECT_EQ(numbers(broadcast_to(column, {2, 2, 2})), (std::vector<double>{10, 10, 20, 20, 10, 10, 20, 20}));
}

TEST(Reductions, AreSums) {
  const Variable x = leaf({2, 3}, {1, 2, 3, 4, 5, 7});
  EXPECT_EQ(numbers(sum(x)), (std::vector<double>{22}));
  EXPECT_EQ(numbers(sum_last(x)), (std::vector<double>{6, 16}));
  EXPECT_EQ(sum_last(x).shape(), (Shape{2, 1}));
  expect_close(numbers(mean(x)), {22 / 6.0}, kExact * 4);
  expect_close(numbers(mean_last(x)), {2, 16 / 3.0}, kExact * 4);
  EXPECT_EQ(numbers(argmax(Variable(tensor({2, 3}, {1, 5, 5, 9, 2, 3})))), (std::vector<double>{1, 0}));
}

TEST(OpErrors, NameTheOpAndTheShapes) {
  const Variable a = random_leaf({2, 3}, "a"), b = random_leaf({4, 3}, "b"), cube = random_leaf({2, 3, 4}, "c");
  for (const auto& [name, f] : std::vector<std::pair<std::string, Variable (*)(const Variable&, const Variable&)>>{
           {"add", add}, {"subtract", subtract}, {"multiply", multiply}, {"divide", divide}})
    expect_says(message_of([&, op = f] { op(a, b); }), {"[" + name + "]", "[2, 3]", "[4, 3]"});
  expect_says(message_of([&] { broadcast_to(a, {3, 3}); }), {"[broadcast_to]", "[2, 3]", "[3, 3]"});
  expect_says(message_of([&] { broadcast_to(cube, {3, 4}); }), {"[broadcast_to]", "[2, 3, 4]", "[3, 4]"});
  expect_says(message_of([&] { reshape(a, {7}); }), {"[reshape]", "[2, 3]", "[7]"});
  expect_says(message_of([&] { transpose(a, 0, 2); }), {"[transpose]", "[2, 3]"});
  expect_says(message_of([&] { slice(a, 1, 2, 4); }), {"[slice]", "3"});
  expect_says(message_of([&] { concat({a, b}, 1); }), {"[concat]", "[2, 3]", "[4, 3]"});
  expect_says(message_of([&] { concat({}, 0); }), {"[concat]"});
  expect_says(message_of([&] { swiglu(a); }), {"[swiglu]", "[2, 3]"});
  expect_says(message_of([&] { dropout(a, 1, Random(1, Purpose::dropout, 1)); }), {"[dropout]", "1"});
  expect_says(message_of([&] { cross_entropy(a, indices({3}, {0, 0, 0})); }), {"[cross_entropy]", "[2, 3]", "3"});
  expect_says(message_of([&] { cross_entropy(a, indices({2}, {0, 3})); }), {"[cross_entropy]", "token 3", "[0, 3)"});
  expect_says(message_of([&] { embedding(a, indices({1, 2}, {0, -1})); }), {"[embedding]", "token -1", "[0, 2)"});
  expect_says(message_of([&] { embedding(a, indices({2}, {0, 1})); }), {"[embedding]", "[2]"});
  expect_says(message_of([&] { embedding(a, indices({1, 2}, {0, 1}), random_leaf({1, 3}, "p")); }),
              {"[embedding]", "[1, 3]"});
  expect_says(message_of([&] { rope_tables(engine(), 4, 5, 1e4); }), {"[rope]", "5"});
  expect_says(message_of([&] { rope(cube, rope_tables(engine(), 4, 4, 1e4)); }), {"[rope]", "[2, 3, 4]"});
  expect_says(message_of([&] { causal_attention(cube, {3, 2}); }), {"[attention]", "[2, 3, 4]"});
}

}  // namespace
}  // namespace normscope::real_test
