#pragma once
// Finite differences against backward().
#include <functional>
#include <string>
#include <vector>

#include <normscope/autograd/variable.h>

NORMSCOPE_BEGIN

struct GradcheckOptions {
  std::uint64_t seed = 1;
  /// h; powers of two, so that x + h is exact. A tensor's error is the least over them: a large step suffers from
  /// curvature, a small one from rounding, and a wrong gradient from neither.
  std::vector<double> steps{0x1p-10, 0x1p-14, 0x1p-20};
  std::int64_t elements = 64;  ///< of each tensor that are tried, drawn at random
};

/// While it lives, detach() on this thread keeps what it returns, until rewind(); from then on it returns what was
/// kept, in the same order. So a function that detaches can be evaluated at other points with its detached values held,
/// and the differences are those that backward() computes. Raises Error when there are more calls than values.
class DetachedValues {
 public:
  DetachedValues();
  ~DetachedValues();
  DetachedValues(const DetachedValues&) = delete;
  DetachedValues& operator=(const DetachedValues&) = delete;

  void rewind();  ///< the next detach() returns the first value
  /// What x.detach() is to return.
  Tensor next(const Tensor& x);

 private:
  DetachedValues* before_;
  std::vector<Tensor> kept_;
  std::size_t at_ = 0;
  bool replays_ = false;
};

struct GradientError {
  std::string tensor;
  /// ||numeric - analytic|| / max(||numeric||, ||analytic||) over the tried elements; where both are below 1e-8 of the
  /// upstream gradient (zero by identity) the difference over the upstream gradient's norm.
  double error;
};

/// Compares d(sum_i w_i f_i)/d(leaf), w random, with central differences of fourth order
/// (8 (f(h) - f(-h)) - (f(2h) - f(-2h))) / 12h. `f` reads the leaves each time it is called; what it detaches stays as
/// it is at the point where the gradient is taken.
std::vector<GradientError> check_gradients(const std::vector<Variable>& leaves, const std::function<Variable()>& f,
                                           const GradcheckOptions& options);

NORMSCOPE_END
