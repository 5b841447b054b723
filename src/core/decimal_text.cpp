#include "core/decimal_text.h"

#include <fmt/format.h>

#include <cmath>

namespace normscope {

std::string decimal_text(double value, int digits) {
  if (std::isnan(value)) return "nan";  // x86 makes NaN with the sign bit set, which fmt shows
  return std::abs(value) < 1e6 ? fmt::format("{:.{}f}", value, digits) : fmt::format("{:.{}e}", value, digits);
}

std::string significant_text(double value, int digits) {
  return std::isnan(value) ? "nan" : fmt::format("{:.{}g}", value, digits);
}

}  // namespace normscope
