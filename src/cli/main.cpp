// Dispatches over commands.def and turns errors into exit codes; nothing else.
#include <fmt/format.h>
#include "commands/commands.h"
#include "io/build_info.h"

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <filesystem>
#include <new>

#include "cli/cli.h"
#include "cli/help_page.h"
#include "core/choices.h"
#include "core/text.h"

namespace normscope::cli {
namespace {

void print_version() {
  const BuildInfo info = build_info();
  print(facts({{"normscope", info.version},
               {"commit", info.git_commit},
               {"compiler", info.compiler},
               {"oneDNN", info.onednn},
               {"OpenBLAS core", info.openblas_core},
               {"HDF5", info.hdf5},
               {"instruction set", info.isa}}));
}

int dispatch(const Arguments& arguments, std::string& command) {
  if (arguments.empty()) throw UsageError("missing command; see normscope help");
  const std::string& name = arguments.front();
  if (name == "--help" || name == "-h") return print(overview_text()), 0;
  if (name == "--version") return print_version(), 0;
  const Command& known = command_named(name);
  command += " " + name;
  try {
    return known.run({arguments.begin() + 1, arguments.end()});
  } catch (const HelpPage& page) {
    return print(help_text(page)), 0;
  }
}

int fail(const std::string& command, std::string message, ExitCode code) {
  std::replace(message.begin(), message.end(), '\n', ' ');
  std::fflush(stdout);
  std::fputs((command + ": " + message + "\n").c_str(), stderr);
  return static_cast<int>(code);
}

int run(const Arguments& arguments) {
  std::string command = "normscope";
  try {
    const int code = dispatch(arguments, command);
    flush_output();
    return code;
  } catch (const Error& error) {
    return fail(command, error.what(), error.code());
  } catch (const std::bad_alloc&) {
    return fail(command, "out of memory; use a smaller batch_size, block_size or model", ExitCode::runtime);
  } catch (const std::filesystem::filesystem_error& error) {
    return fail(
        command,
        fmt::format("'{}' cannot be used: {}; choose another path", error.path1().string(), error.code().message()),
        ExitCode::runtime);
  } catch (const std::exception& error) {
    return fail(command, fmt::format("unexpected error, please report it: {}", error.what()), ExitCode::runtime);
  }
}

}  // namespace

const std::vector<Command>& commands() {
  static const std::vector<Command> table{
#define COMMAND(name, help) {#name, help, &run_##name},
#include "cli/commands.def"
#undef COMMAND
  };
  return table;
}

const Command& command_named(const std::string& name) {
  if (const Command* known = find_entry(commands(), name)) return *known;
  throw UsageError(fmt::format("there is no command '{}'{} (normscope help lists all)", name,
                               nearest_text(name, entry_names(commands()))));
}

}  // namespace normscope::cli

int main(int argc, char** argv) {
  std::signal(SIGPIPE, SIG_IGN);  // `normscope ... | head` ends quietly (flush_output)
  std::signal(SIGXFSZ, SIG_IGN);  // beyond `ulimit -f` a write fails with a reason, like a full disk
  return normscope::cli::run({argv + 1, argv + argc});
}
