// Shapes and tensors: extents, views on one memory, errors.
#include "real_helpers.h"

namespace normscope::real_test {
namespace {

TEST(Shape, CountsAndNamesItsExtents) {
  const Shape s{2, 3, 4};
  EXPECT_EQ(s.rank(), 3);
  EXPECT_EQ(s.numel(), 24);
  EXPECT_EQ(s.last(), 4);
  EXPECT_EQ(s.rows(), 6);
  EXPECT_EQ(s[-2], 3);
  EXPECT_EQ(s.str(), "[2, 3, 4]");
  EXPECT_EQ(s.with(-1, 7), (Shape{2, 3, 7}));
  EXPECT_EQ(s.vector(), (std::vector<std::int64_t>{2, 3, 4}));
  EXPECT_EQ(Shape(s.vector()), s);
  EXPECT_FALSE(s == (Shape{2, 3}));
  EXPECT_FALSE((Shape{2, 3, 5}) == s);
}

TEST(Shape, ScalarsAndEmptyOnes) {
  const Shape scalar;
  EXPECT_EQ(scalar.rank(), 0);
  EXPECT_EQ(scalar.numel(), 1);
  EXPECT_EQ(scalar.rows(), 1);
  EXPECT_EQ(scalar.str(), "[]");
  EXPECT_EQ((Shape{3, 0}).numel(), 0);
  EXPECT_EQ((Shape{0, 4}).rows(), 0);
}

TEST(Shape, RefusesWhatCannotBe) {
  expect_says(message_of([] { Shape{1, 2, 3, 4, 5, 6}; }), {"[shape]", "5"});
  expect_says(message_of([] { Shape{2, -1}; }), {"[shape]", "-1"});
}

TEST(Tensor, IsAHandleToSharedMemory) {
  const std::size_t before = engine().pool().live_blocks();
  {
    Tensor a = Tensor::full(engine(), {2, 3}, 5);
    EXPECT_TRUE(a.unique());
    const Tensor b = a, view = a.reshape({6});
    EXPECT_FALSE(a.unique());
    a.data()[4] = 7;
    EXPECT_EQ(b.data()[4], 7);
    EXPECT_EQ(view.data()[4], 7);
    const Tensor copy = a.clone();
    a.data()[4] = 9;
    EXPECT_EQ(copy.data()[4], 7);
    EXPECT_EQ(engine().pool().live_blocks(), before + 2);
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(a.data()) % 64, 0u);
  }
  EXPECT_EQ(engine().pool().live_blocks(), before);
  EXPECT_FALSE(Tensor().defined());
}

TEST(Tensor, OutlivesTheHandleAViewWasMadeFrom) {
  const std::size_t before = engine().pool().live_blocks();
  Tensor view;
  {
    const Tensor whole = tensor({3, 2}, {1, 2, 3, 4, 5, 6});
    view = whole.narrow(1, 2);
  }
  EXPECT_EQ(view.shape(), (Shape{2, 2}));
  EXPECT_EQ(numbers(view), (std::vector<double>{3, 4, 5, 6}));
  view = Tensor();
  EXPECT_EQ(engine().pool().live_blocks(), before);
}

TEST(Tensor, NarrowAndReshapeSayWhatDoesNotFit) {
  const Tensor t = Tensor::full(engine(), {3, 4}, 0);
  EXPECT_EQ(t.narrow(3, 0).numel(), 0);
  expect_says(message_of([&] { t.reshape({5, 2}); }), {"[reshape]", "[3, 4]", "[5, 2]"});
  expect_says(message_of([&] { t.narrow(2, 2); }), {"[narrow]", "[3, 4]"});
  expect_says(message_of([&] { t.narrow(-1, 1); }), {"[narrow]", "[3, 4]"});
  expect_says(message_of([&] { (void)Tensor::from(engine(), {2, 2}, {1, 2, 3}); }), {"[tensor]", "3", "[2, 2]"});
}

TEST(Tensor, AssignmentToItselfKeepsIt) {
  Tensor t = tensor({2}, {1, 2});
  const Tensor& same = t;
  t = same;
  EXPECT_TRUE(t.unique());
  EXPECT_EQ(numbers(t), (std::vector<double>{1, 2}));
}

}  // namespace
}  // namespace normscope::real_test
