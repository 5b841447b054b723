#include "config/resume_check.h"

#include <string_view>

#include <normscope/core/error.h>

#include "config/config_text.h"

namespace normscope {

void check_resumable(const Config& now, const Config& then, const std::string& data_then, const std::string& data_now) {
  // A run may be made longer, watched differently or moved to another machine; all else would make it another run.
  for (const KeyInfo& key : config_keys()) {
    if (role_is(key.name, {KeyRole::length, KeyRole::watch, KeyRole::start, KeyRole::machine})) continue;
    if (key.name == std::string_view("data")) continue;  // its hash is checked below
    if (now.get(key.name) != then.get(key.name))
      throw UsageError(std::string("cannot resume: ") + key.name + " was " + then.get(key.name) + ", now it is " +
                       now.get(key.name) + " (" + now.where(key.name) +
                       "); use the value of the run or another --out_dir");
  }
  if (now.block != then.block)
    throw UsageError(
        "cannot resume: the [block.N] overrides differ from those of the run; use those or another --out_dir");
  if (data_then != data_now)
    throw UsageError("cannot resume: the data differs from that of the run (sha256 " + data_now.substr(0, 12) +
                     " now, " + data_then.substr(0, 12) + " then); use the data of the run");
}

void follow_length(Config& now, const Config& saved) {
  const auto is_flag = [&](const char* key) { return now.where(key).rfind("--", 0) == 0; };
  if (is_flag("max_iters") && !is_flag("epochs")) now.epochs = 0;
  if (saved.lr_decay_iters == saved.max_iters && !is_flag("lr_decay_iters")) now.lr_decay_iters = 0;
}

}  // namespace normscope
