#pragma once
// May a checkpoint be continued under this configuration?
#include <string>

#include "config/config.h"

namespace normscope {

/// Raises UsageError naming the first key that differs and matters, or the data when its hash differs.
void check_resumable(const Config& now, const Config& then, const std::string& data_then, const std::string& data_now);

/// A longer run under the configuration of a shorter one (`now` is `saved` with what is given now on top, not
/// resolved): a flag --max_iters ends a run counted in epochs, and a decay that ended with the saved run ends with the
/// new one, unless a flag says otherwise.
void follow_length(Config& now, const Config& saved);

}  // namespace normscope
