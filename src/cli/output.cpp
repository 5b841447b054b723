// Standard output, tables and the checks several subcommands share.
#include <fmt/format.h>
#include "commands/commands.h"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <nlohmann/json.hpp>

#include "cli/cli.h"
#include "core/text.h"

namespace normscope::cli {
namespace {

int output_error = 0;  // errno of the first write that failed

std::string quoted(const std::string& argument) {
  const bool plain =
      !argument.empty() &&
      argument.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_./=:,+%@") ==
          std::string::npos;
  if (plain) return argument;
  std::string out = "'";
  for (const char c : argument) out += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return out + "'";
}

}  // namespace

void print(std::string_view text) {
  if (output_error == 0 && std::fwrite(text.data(), 1, text.size(), stdout) != text.size()) output_error = errno;
}

void print_json(const nlohmann::ordered_json& document) {
  print(document.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n");
}

void flush_output() {
  if (output_error == 0 && std::fflush(stdout) != 0) output_error = errno;
  if (output_error != 0 && output_error != EPIPE)
    throw Error(fmt::format("cannot write to standard output ({})", std::strerror(output_error)));
}

std::string grouped(std::int64_t value) {
  std::string digits = std::to_string(value);
  for (std::ptrdiff_t i = std::ssize(digits) - 3; i > (value < 0 ? 1 : 0); i -= 3)
    digits.insert(static_cast<std::size_t>(i), ",");
  return digits;
}

std::string command_line(const std::string& command, const Arguments& arguments) {
  std::string out = "normscope " + command;
  for (const std::string& argument : arguments) out += " " + quoted(argument);
  return out;
}

void require_data(const Config& config) {
  if (config.data.empty())
    throw UsageError("data is not set; give --data FILE.txt, a prepared folder or --data synthetic:grammar");
}

}  // namespace normscope::cli
