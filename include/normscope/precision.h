#pragma once
// Everything that computes is compiled twice, once with real = float (namespace normscope::f32) and once with
// real = double (normscope::f64); this header says which one a translation unit sees. float is the default.
// Models, norms and ops write `real` and never mention the choice.
#if defined(NORMSCOPE_FLOAT64)
#define NORMSCOPE_REAL_NAMESPACE f64
#else
#define NORMSCOPE_REAL_NAMESPACE f32
#endif

/// Opens and closes the namespace of the chosen precision.
#define NORMSCOPE_BEGIN namespace normscope::NORMSCOPE_REAL_NAMESPACE {
#define NORMSCOPE_END }

namespace normscope {
namespace NORMSCOPE_REAL_NAMESPACE {
#if defined(NORMSCOPE_FLOAT64)
using real = double;
inline constexpr const char* kDtypeName = "float64";
#else
using real = float;
inline constexpr const char* kDtypeName = "float32";
#endif
}  // namespace NORMSCOPE_REAL_NAMESPACE
using namespace NORMSCOPE_REAL_NAMESPACE;
}  // namespace normscope
