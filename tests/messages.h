#pragma once
// What an error says.
#include <gtest/gtest.h>
#include <normscope/core/error.h>

#include <functional>
#include <string>
#include <typeinfo>
#include <vector>

namespace normscope::messages {

/// The one-line message of the exception that `work` throws; its type must be exactly `Expected`.
template <class Expected = Error>
std::string message_of(const std::function<void()>& work) {
  try {
    work();
  } catch (const Expected& error) {
    EXPECT_EQ(typeid(error), typeid(Expected)) << error.what();
    EXPECT_EQ(std::string(error.what()).find('\n'), std::string::npos) << error.what();
    return error.what();
  } catch (const std::exception& error) {
    ADD_FAILURE() << "another exception: " << error.what();
    return error.what();
  }
  ADD_FAILURE() << "nothing was thrown";
  return "";
}

inline void expect_says(const std::string& message, const std::vector<std::string>& parts) {
  for (const std::string& part : parts) EXPECT_NE(message.find(part), std::string::npos) << part << " in: " << message;
}

}  // namespace normscope::messages
