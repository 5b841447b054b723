#pragma once
// A number that is missing, and the median.
#include <limits>
#include <span>

namespace normscope {

/// A missing number. A float, since that converts to double without a cast; HDF5 and memcpy want a copy of their own
/// type.
inline constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();

/// The median of the finite values (mean of the middle two when even), NaN when there are none.
double median(std::span<const double> values);

}  // namespace normscope
