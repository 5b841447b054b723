#include <normscope/norms/norm.h>

NORMSCOPE_BEGIN

namespace {
class None final : public Norm {
 public:
  Variable forward(const Variable& x, const Pass&) const override { return x; }
  Variable reference(const Variable& x) const override { return x; }
};
}  // namespace

NormEntry norm_none() {
  return {"none", "x", "-", "baseline: no normalization", false, {}, [](const Scope&, const NormSpec&, std::int64_t) {
            return std::make_unique<None>();
          }};
}

NORMSCOPE_END
