// label: train
// The bar: what fits into how many columns, and what a terminal of 60 columns (a pseudo terminal) gets to see.
#include <pty.h>

#include <algorithm>
#include <cerrno>
#include <sstream>

#include "cli_helpers.h"
#include "run/progress.h"

namespace normscope::cli_test {
namespace {

TEST(Bar, FitsAnyWidth) {
  EXPECT_EQ(bar_text(5, 10, "loss 2.31", 80, 60), "[============            ] 5/10  loss 2.31  1 min 20 s left");
  EXPECT_EQ(bar_text(0, 10, "loss 2.31", -1, 40), "[                     ] 0/10  loss 2.31");
  EXPECT_EQ(bar_text(10, 10, "", 0, 40).substr(0, 5), "[====");
  EXPECT_EQ(bar_text(5, 10, "loss 2.31", 80, 34), "5/10  loss 2.31  1 min 20 s left") << "no room for a bar";
  for (std::size_t columns = 0; columns < 200; ++columns)
    EXPECT_LE(bar_text(123, 5000, "a text", 12345, columns).size(), columns ? columns - 1 : 0) << columns;
}

TEST(Bar, WritesDurations) {
  EXPECT_EQ(duration_text(12.4), "12 s");
  EXPECT_EQ(duration_text(59.6), "1 min 00 s");
  EXPECT_EQ(duration_text(185), "3 min 05 s");
  EXPECT_EQ(duration_text(9600), "2 h 40 min");
}

/// What the program writes to a terminal of `columns`; everything it prints goes there.
std::string on_terminal(const TemporaryFolder& folder, int columns, const std::string& arguments) {
  winsize size{};
  size.ws_row = 24;
  size.ws_col = static_cast<unsigned short>(columns);
  int terminal = -1;
  const pid_t child = forkpty(&terminal, nullptr, nullptr, &size);
  if (child < 0) throw std::runtime_error("no pseudo terminal");
  if (child == 0) {
    const std::string command = "cd '" + folder.path().string() + "' && exec '" + NORMSCOPE_BINARY + "' " + arguments;
    execl("/bin/sh", "sh", "-c", command.c_str(), static_cast<char*>(nullptr));
    _exit(127);
  }
  std::string seen;
  char buffer[4096];
  for (ssize_t n; (n = read(terminal, buffer, sizeof buffer)) > 0 || (n < 0 && errno == EINTR);)
    if (n > 0) seen.append(buffer, static_cast<std::size_t>(n));
  int status = 0;
  waitpid(child, &status, 0);
  close(terminal);
  EXPECT_EQ(status, 0) << seen;
  return seen;
}

/// The bars among what a terminal got: each begins at the left and clears its line.
std::vector<std::string> bars_of(const std::string& seen) {
  static const std::string kClear = "\r\033[K";
  std::vector<std::string> bars;
  for (std::size_t at = seen.find(kClear); at != std::string::npos; at = seen.find(kClear, at)) {
    at += kClear.size();
    const std::string bar = seen.substr(at, seen.find_first_of("\r\n", at) - at);
    if (bar.find('/') != std::string::npos && bar.find(" left") != std::string::npos) bars.push_back(bar);
  }
  return bars;
}

std::ptrdiff_t lines_with(const std::string& text, const std::string& part) {
  std::istringstream in(text);
  std::ptrdiff_t count = 0;
  for (std::string line; std::getline(in, line);) count += line.find(part) != std::string::npos;
  return count;
}

const std::string kTrain =
    "train --preset micro --threads 1 --data synthetic:grammar --max_iters 100 --epochs 0 --eval_interval 0 "
    "--log_interval 5 ";

TEST(Progress, TrainOnATerminalHasABarAndTenLines) {
  const TemporaryFolder folder;
  for (const int columns : {60, 80}) {
    const std::string name = "run" + std::to_string(columns);
    const std::string seen = on_terminal(folder, columns, kTrain + "--out_dir " + name);
    const auto bars = bars_of(seen);
    ASSERT_FALSE(bars.empty()) << seen;
    for (const std::string& bar : bars) {
      EXPECT_LT(bar.size(), static_cast<std::size_t>(columns)) << bar;
      EXPECT_EQ(bar.rfind("[=", 0), 0u) << bar;
    }
    EXPECT_EQ(lines_with(seen, "gradient norm"), 10) << seen;
    EXPECT_EQ(lines_with(read_text(folder / (name + "/metrics.jsonl")), "\"lr\""), 20) << "log_interval says so";
  }
}

TEST(Progress, NoTerminalNoBar) {
  const TemporaryFolder folder;
  const Outcome outcome = run(folder, kTrain + "--out_dir run");
  EXPECT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_EQ(outcome.err.find('\r'), std::string::npos) << outcome.err;
  EXPECT_EQ(lines_with(outcome.err, "gradient norm"), 20);
}

TEST(Progress, AStudyHasTheSameBar) {
  const TemporaryFolder folder;
  const std::string seen = on_terminal(
      folder, 60,
      "ablate --preset micro --threads 1 --data synthetic:grammar --max_iters 20 --epochs 0 --eval_interval 0 "
      "--norm layernorm,rmsnorm --seeds 2 --jobs 1 --out_dir study");
  const auto bars = bars_of(seen);
  ASSERT_FALSE(bars.empty()) << seen;
  for (const std::string& bar : bars) EXPECT_LT(bar.size(), 60u) << bar;
  EXPECT_NE(bars.back().find("/4  runs, "), std::string::npos) << bars.back();
}

/// Bars are seen from the first call on, their time left only after half a second.
bool has_bar(const std::string& seen, const std::string& unit) {
  const std::size_t at = seen.find("\r\033[K[");
  return at != std::string::npos && seen.find(unit, at) != std::string::npos;
}

TEST(Progress, LongCommandsHaveTheSameBar) {
  const TemporaryFolder folder;
  EXPECT_EQ(run(folder, kTrain + "--n_layer 1 --out_dir run").code, 0);
  for (const auto& [command, unit] : {std::pair("eval run", " targets"),
                                      {"gradcheck --filter 'op/*'", " checks"},
                                      {"bench step --preset micro --warmup 1 --steps 5 --threads 1", " steps"}}) {
    EXPECT_TRUE(has_bar(on_terminal(folder, 60, command), unit)) << command;
    EXPECT_FALSE(has_bar(on_terminal(folder, 60, std::string(command) + " --quiet"), unit)) << command;
    EXPECT_EQ(run(folder, command).err.find('\r'), std::string::npos) << command;
  }
}

}  // namespace
}  // namespace normscope::cli_test
