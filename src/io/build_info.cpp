#include "io/build_info.h"

#include "io/hdf5_handle.h"
#include "machine/machine.h"

namespace normscope {

BuildInfo build_info() {
  return {NORMSCOPE_VERSION,        NORMSCOPE_COMMIT, __VERSION__,        machine::onednn_version(),
          machine::openblas_core(), hdf5::version(),  machine::isa_name()};
}

}  // namespace normscope
