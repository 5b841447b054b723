#include "foreign/mistakes.h"

namespace normscope::foreign {

const std::vector<Mistake>& mistake_table() {
  static const std::vector<Mistake> table{
#define MISTAKE(name, what, correct) {#name, what, correct, mistake_##name},
#include "foreign/mistakes.def"
#undef MISTAKE
  };
  return table;
}

}  // namespace normscope::foreign
