#pragma once
// Questions about the keys of config_keys.def.
#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

#include "config/config.h"
#include "core/text.h"

namespace normscope {

/// One sentence for a key that does not exist; `flag` writes the hint as --key.
std::string unknown_key(const std::string& key, const std::string& value, const std::string& where,
                        const std::vector<std::string>& known, bool flag);

/// Names of all keys that a user may be pointed to (hidden ones are left out).
const std::vector<std::string>& config_key_names();
/// Row of one key, or null.
const KeyInfo* find_key(std::string_view name);
/// Does the key of this name have one of the roles? False for a name that is no key.
bool role_is(std::string_view name, std::initializer_list<KeyRole> roles);
/// The values that a key may have; empty when resolve() checks the value in another way.
std::vector<std::string> key_choices(const KeyInfo& key);

}  // namespace normscope
