#pragma once
// Numbers as people read them.
#include <string>

namespace normscope {

/// `digits` decimals; scientific from a million on, where decimals only hide the size; "nan" never has a sign.
std::string decimal_text(double value, int digits);
/// `digits` significant digits; "nan" never has a sign.
std::string significant_text(double value, int digits);

}  // namespace normscope
