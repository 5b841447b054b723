#pragma once
// Raises Error("[op] ...") when a condition does not hold; the parts of the message are joined then and not before, so
// that they cost nothing: pass a shape, not its text.
#include <sstream>

#include <normscope/core/error.h>

namespace normscope {

template <class... Parts>
void check(bool holds, const char* op, const Parts&... parts) {
  if (holds) return;
  std::ostringstream text;
  text << '[' << op << "] ";
  (text << ... << parts);
  throw Error(text.str());
}

}  // namespace normscope
