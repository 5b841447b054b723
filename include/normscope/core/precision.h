#pragma once
// Everything that computes is compiled twice, once with real = float (namespace normscope::f32) and once with
// real = double (normscope::f64); this header says which one a translation unit sees. float is the default.
// Models, norms and ops write `real` and never mention the choice.
//
// NORMSCOPE_BEGIN and NORMSCOPE_END open and close the namespace of the chosen precision.
#if defined(NORMSCOPE_FLOAT64)
#define NORMSCOPE_BEGIN namespace normscope::f64 {
#else
#define NORMSCOPE_BEGIN namespace normscope::f32 {
#endif
#define NORMSCOPE_END }

NORMSCOPE_BEGIN
#if defined(NORMSCOPE_FLOAT64)
using real = double;
inline constexpr const char* kDtypeName = "float64";
#else
using real = float;
inline constexpr const char* kDtypeName = "float32";
#endif
NORMSCOPE_END

namespace normscope {
#if defined(NORMSCOPE_FLOAT64)
using namespace f64;
#else
using namespace f32;
#endif
}  // namespace normscope
