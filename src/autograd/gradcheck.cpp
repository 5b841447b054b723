#include <normscope/autograd/gradcheck.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include <normscope/core/random.h>

NORMSCOPE_BEGIN

namespace {

/// sum_i w_i y_i in double.
double weighted(const Tensor& y, const Tensor& w) {
  double sum = 0;
  for (std::int64_t i = 0; i < y.numel(); ++i)
    sum += static_cast<double>(y.data()[i]) * static_cast<double>(w.data()[i]);
  return sum;
}

double difference(real& x, double h, const std::function<Variable()>& f, const Tensor& w) {
  const real at = x;
  const auto value = [&](double by) {
    x = static_cast<real>(static_cast<double>(at) + by);
    return weighted(f().value(), w);
  };
  const double near = value(h) - value(-h), far = value(2 * h) - value(-2 * h);
  x = at;
  return (8 * near - far) / (12 * h);
}

/// The elements to try: all, or a random draw without order.
std::vector<std::int64_t> chosen(std::int64_t count, std::int64_t limit, const Random& random) {
  std::vector<std::int64_t> list;
  if (count <= limit)
    for (std::int64_t i = 0; i < count; ++i) list.push_back(i);
  else
    for (std::int64_t i = 0; i < limit; ++i)
      list.push_back(
          static_cast<std::int64_t>(random.below(static_cast<std::uint64_t>(i), static_cast<std::uint64_t>(count))));
  return list;
}

double error_of(const Variable& leaf, const std::function<Variable()>& f, const Tensor& w, double upstream, double step,
                const GradcheckOptions& options) {
  double numeric2 = 0, analytic2 = 0, difference2 = 0;
  const Random random(options.seed, Purpose::gradcheck, stream_of(leaf.leaf()->name));
  for (const std::int64_t i : chosen(leaf.value().numel(), options.elements, random)) {
    const double n = difference(leaf.value().data()[i], step, f, w);
    const double a = leaf.leaf()->has_grad ? static_cast<double>(leaf.grad().data()[i]) : 0;
    numeric2 += n * n;
    analytic2 += a * a;
    difference2 += (n - a) * (n - a);
  }
  if (!std::isfinite(difference2)) return std::numeric_limits<double>::infinity();
  const double size = std::sqrt(std::max(numeric2, analytic2));
  return std::sqrt(difference2) / (size < 1e-8 * upstream ? upstream : size);
}

}  // namespace

std::vector<GradientError> check_gradients(const std::vector<Variable>& leaves, const std::function<Variable()>& f,
                                           const GradcheckOptions& options) {
  Tape tape;
  Tensor w;
  DetachedValues held;
  for (const Variable& leaf : leaves) leaf.zero_grad();
  {
    const Tape::Recording recording(tape);
    const Variable y = f();
    w = empty_like(y.value());
    const Random random(options.seed, Purpose::gradcheck, stream_of("output weights"));
    for (std::int64_t i = 0; i < w.numel(); ++i)
      w.data()[i] = static_cast<real>(random.normal(static_cast<std::uint64_t>(i)));
    tape.backward(y, w.clone());
  }
  tape.clear();
  const double upstream = std::sqrt(weighted(w, w));
  const NoGrad guard;
  const auto f_held = [&] {
    held.rewind();
    return f();
  };
  std::vector<GradientError> errors;
  for (const Variable& leaf : leaves) {
    double least = std::numeric_limits<double>::infinity();
    for (const double step : options.steps) least = std::min(least, error_of(leaf, f_held, w, upstream, step, options));
    errors.push_back({leaf.leaf()->name, least});
  }
  return errors;
}

NORMSCOPE_END
