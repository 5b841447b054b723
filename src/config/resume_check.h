#pragma once
// May a checkpoint be continued under this configuration?
#include <string>

#include "config/config.h"

namespace normscope {

/// Raises UsageError naming the first key that differs and matters, or the data when its hash differs.
void check_resumable(const Config& now, const Config& then, const std::string& data_then, const std::string& data_now);

}  // namespace normscope
