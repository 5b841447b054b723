// Numbers as people read them.
#include "core/decimal_text.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

namespace normscope {
namespace {

TEST(DecimalText, IsShortAndHasNoSignedNaN) {
  EXPECT_EQ(decimal_text(4.17438, 4), "4.1744");
  EXPECT_EQ(decimal_text(-0.5, 2), "-0.50");
  EXPECT_EQ(decimal_text(239.25, 4), "239.2500");
  EXPECT_EQ(decimal_text(1.2345e17, 4), "1.2345e+17");
  EXPECT_EQ(decimal_text(-1e6, 1), "-1.0e+06");
  const double nan = std::numeric_limits<double>::quiet_NaN();
  EXPECT_EQ(decimal_text(std::copysign(nan, -1.0), 4), "nan");
  EXPECT_EQ(significant_text(std::copysign(nan, -1.0), 9), "nan");
  EXPECT_EQ(significant_text(1.0 / 3, 3), "0.333");
  EXPECT_EQ(decimal_text(HUGE_VAL, 4), "inf");
}

}  // namespace
}  // namespace normscope
