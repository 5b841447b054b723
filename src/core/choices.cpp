#include "core/choices.h"

#include "core/text.h"

namespace normscope {

std::string unknown_text(std::string_view name, const std::vector<std::string>& allowed) {
  return "is unknown; allowed: " + join(allowed, ", ") + "; the nearest is " + nearest_word(name, allowed);
}

}  // namespace normscope
