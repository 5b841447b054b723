#include "core/numbers.h"

#include <algorithm>
#include <cmath>
#include <vector>

namespace normscope {

double median(std::span<const double> values) {
  std::vector<double> finite;
  for (double value : values) {
    if (std::isfinite(value)) finite.push_back(value);
  }
  if (finite.empty()) return kNaN;
  const auto middle = finite.begin() + static_cast<std::ptrdiff_t>(finite.size() / 2);
  std::nth_element(finite.begin(), middle, finite.end());
  if (finite.size() % 2 == 1) return *middle;
  return (*middle + *std::max_element(finite.begin(), middle)) / 2;
}

}  // namespace normscope
