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
#include "core/text.h"

namespace normscope::cli {
namespace {

struct Command {
  const char *name, *help;
  int (*run)(const Arguments&);
};
constexpr Command kCommands[] = {
#define COMMAND(name, help) {#name, help, &run_##name},
#include "cli/commands.def"
#undef COMMAND
};

void print_help() {
  print(
      "normscope trains GPT and LLaMA models with exchangeable normalization layers and measures their gradients.\n\n"
      "Usage: normscope COMMAND [flags]\n\nCommands:\n");
  for (const Command& command : kCommands) print(fmt::format("  {:<10} {}\n", command.name, command.help));
  print(
      "\nnormscope COMMAND --help shows the flags of a command with an example; normscope --version what it is built "
      "of.\n"
      "Exit codes: 0 done, 1 run-time error, 2 usage or configuration, 3 training diverged, 4 a check failed,\n"
      "130 interrupted after saving.\n\n"
      "Example: train a small model and look at its gradients\n"
      "  normscope train --preset micro --data synthetic:grammar --out_dir runs/first\n"
      "  normscope report runs/first\n");
}

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
  if (arguments.empty()) throw UsageError("a command is missing; normscope --help lists them");
  const std::string& name = arguments.front();
  if (name == "--help" || name == "-h" || name == "help") return print_help(), 0;
  if (name == "--version") return print_version(), 0;
  for (const Command& known : kCommands)
    if (name == known.name) {
      command += " " + name;
      return known.run({arguments.begin() + 1, arguments.end()});
    }
  std::vector<std::string> names;
  for (const Command& known : kCommands) names.emplace_back(known.name);
  throw UsageError(
      fmt::format("there is no command '{}'{} (normscope help lists all)", name, nearest_text(name, names)));
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
    return fail(command, "memory is exhausted; take a smaller batch_size, block_size or model", ExitCode::runtime);
  } catch (const std::filesystem::filesystem_error& error) {
    return fail(
        command,
        fmt::format("'{}' cannot be used: {}; name another place", error.path1().string(), error.code().message()),
        ExitCode::runtime);
  } catch (const std::exception& error) {
    return fail(command, fmt::format("unexpected error, please report it: {}", error.what()), ExitCode::runtime);
  }
}

}  // namespace
}  // namespace normscope::cli

int main(int argc, char** argv) {
  std::signal(SIGPIPE, SIG_IGN);  // `normscope ... | head` ends quietly (flush_output)
  std::signal(SIGXFSZ, SIG_IGN);  // beyond `ulimit -f` a write fails with a reason, like a full disk
  return normscope::cli::run({argv + 1, argv + argc});
}
