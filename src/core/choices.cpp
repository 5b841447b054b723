#include "core/choices.h"

#include "core/text.h"

namespace normscope {

std::string unknown_text(std::string_view name, const std::vector<std::string>& allowed) {
  return "is unknown; allowed: " + join(allowed, ", ") + nearest_text(name, allowed);
}

}  // namespace normscope
