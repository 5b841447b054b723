#pragma once
// What the tests of the numeric rooms share, in either precision.
#include <gtest/gtest.h>
#include <normscope/ops/ops.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <functional>
#include <string>
#include <vector>

#include "messages.h"

namespace normscope::real_test {

using messages::expect_says;
using messages::message_of;

#if defined(NORMSCOPE_FLOAT64)
inline constexpr bool kDouble = true;
#else
inline constexpr bool kDouble = false;
#endif

/// One of two tolerances, by precision.
inline constexpr double tolerance(double float32, double float64) { return kDouble ? float64 : float32; }

inline Engine& engine() {
  static Engine one({1});
  return one;
}

inline real as_real(double value) { return static_cast<real>(value); }

/// scale z + offset, z standard normal, a pure function of the name.
inline Tensor random_tensor(const Shape& shape, const std::string& name, double scale = 1, double offset = 0,
                            Engine& where = engine()) {
  const Tensor t = Tensor::empty(where, shape);
  const Random random(11, Purpose::perturb, stream_of(name));
  for (std::int64_t i = 0; i < t.numel(); ++i)
    t.data()[i] = as_real(offset + scale * random.normal(static_cast<std::uint64_t>(i)));
  return t;
}
inline Tensor tensor(const Shape& shape, const std::vector<double>& values) {
  const Tensor t = Tensor::empty(engine(), shape);
  EXPECT_EQ(shape.numel(), static_cast<std::int64_t>(values.size()));
  std::transform(values.begin(), values.end(), t.data(), as_real);
  return t;
}
inline Variable random_leaf(const Shape& shape, const std::string& name, double scale = 1, double offset = 0) {
  return Variable::leaf(random_tensor(shape, name, scale, offset), name);
}
inline Variable leaf(const Shape& shape, const std::vector<double>& values, const std::string& name = "x") {
  return Variable::leaf(tensor(shape, values), name);
}

inline std::vector<double> numbers(const Tensor& t) { return {t.data(), t.data() + t.numel()}; }
inline std::vector<double> numbers(const Variable& v) { return numbers(v.value()); }

inline double largest(const std::vector<double>& values) {
  double top = 0;
  for (const double v : values) top = std::isnan(v) ? v : std::max(top, std::abs(v));
  return top;
}
/// Largest difference over (largest expected magnitude + floor); NaN where either is.
inline double error_of(const std::vector<double>& got, const std::vector<double>& expected, double floor = 0) {
  if (got.size() != expected.size()) return HUGE_VAL;
  std::vector<double> difference;
  for (std::size_t i = 0; i < got.size(); ++i) difference.push_back(got[i] - expected[i]);
  const double top = largest(difference), size = largest(expected) + floor;
  return size > 0 ? top / size : top;
}
inline void expect_close(const std::vector<double>& got, const std::vector<double>& expected, double limit) {
  ASSERT_EQ(got.size(), expected.size());
  for (std::size_t i = 0; i < got.size(); ++i) EXPECT_NEAR(got[i], expected[i], limit) << "at " << i;
}
inline bool same_bits(const Tensor& a, const Tensor& b) {
  return a.numel() == b.numel() &&
         std::memcmp(a.data(), b.data(), static_cast<std::size_t>(a.numel()) * sizeof(real)) == 0;
}

/// Output of `f`, and the gradients of `leaves` under the output gradient `seed`.
struct Result {
  Tensor value;
  std::vector<Tensor> gradients;
};
inline Result run_with_gradients(const std::vector<Variable>& leaves, const std::function<Variable()>& f,
                                 const Tensor& seed) {
  Tape tape;
  const Tape::Recording recording(tape);
  for (const Variable& leaf : leaves) leaf.zero_grad();
  const Variable y = f();
  Result result{y.value().clone(), {}};
  tape.backward(y, seed.clone());
  for (const Variable& leaf : leaves)
    result.gradients.push_back(leaf.leaf()->has_grad ? leaf.grad().clone()
                                                     : Tensor::full(leaf.engine(), leaf.shape(), 0));
  return result;
}

}  // namespace normscope::real_test
