#pragma once
// What the tests of files share: a run of made-up numbers, child processes.
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmath>
#include <cstdint>
#include <functional>
#include <limits>
#include <map>
#include <string>
#include <vector>

#include "files.h"
#include "io/run_file.h"

namespace normscope::io_test {

using test_files::read_text;
using test_files::TemporaryFolder;
using test_files::write_text;

/// Runs `work` in a child process; returns its id. The child ends with _exit(0), or 1 after an exception.
inline pid_t in_child(const std::function<void()>& work) {
  const pid_t child = fork();
  if (child != 0) return child;
  try {
    work();
  } catch (const std::exception& error) {
    std::fprintf(stderr, "child: %s\n", error.what());
    _exit(1);
  }
  _exit(0);
}

inline int wait_for(pid_t child) {
  int status = 0;
  waitpid(child, &status, 0);
  return status;
}

/// The one-line message of the exception that `work` throws; its type must be exactly `Expected`.
template <class Expected>
std::string message_of(const std::function<void()>& work) {
  try {
    work();
  } catch (const Expected& error) {
    EXPECT_EQ(typeid(error), typeid(Expected)) << error.what();
    return error.what();
  } catch (const std::exception& error) {
    ADD_FAILURE() << "another exception: " << error.what();
    return error.what();
  }
  ADD_FAILURE() << "nothing was thrown";
  return "";
}

/// The columns that every run file has, and one that `stats` added.
inline ColumnSet sample_statistics() {
  constexpr const char* before = "before clipping";
  return {.columns = {{"grad/norm", "/grad/norm", Axis::params, "nat/token", "norm of the gradient", before, 2},
                      {"grad/max_abs", "/grad/max_abs", Axis::params, "nat/token", "largest element", before, INFINITY},
                      {"weight/norm", "/weight/norm", Axis::params, "1", "norm of the weight", "", 2},
                      {"update/ratio", "/update/ratio", Axis::params, "1", "update", "", 2},
                      {"residual/grad_norm", "/residual/grad_norm", Axis::points, "nat", "gradient", before, 2},
                      {"residual/grad_times_x", "/residual/grad_times_x", Axis::points, "nat", "product", before, 2},
                      {"residual/rms", "/residual/rms", Axis::points, "1", "size of the stream", "forward", 2},
                      {"residual/mean_share", "/residual/mean_share", Axis::points, "1", "mean", "forward"},
                      {"grad/kurtosis", "/stats/grad/kurtosis", Axis::params, "1", "kurtosis", before},
                      {"nonfinite/count", "/stats/nonfinite/count", Axis::one, "1", "count"},
                      {"attn/entropy", "/stats/attn/entropy", Axis::heads, "nat", "entropy", "forward"}},
          .blocks = {},
          .heads = {"0.attn.0", "0.attn.1"},
          .norms = {}};
}

inline RunHeader sample_header() {
  RunHeader header;
  header.config_json = R"({"norm":"rmsnorm","name":"Grüße"})";
  header.command = "normscope train";
  header.git_commit = "0123abc";
  header.version = "0.1.0";
  header.host = "Some CPU";
  header.isa = "avx2";
  header.gemm_backend = "onednn";
  header.data_sha256 = "feed";
  header.epoch_label = "epoch";
  header.seed = std::numeric_limits<std::uint64_t>::max() - 1;
  header.threads = 2;
  header.params = {{"embed.tokens", -1, "embedding", {65, 8}},
                   {"blocks.0.attn_norm.gain", 0, "norm", {8}},
                   {"blocks.0.attn.q.weight", 0, "attention", {8, 8}}};
  header.residual = {"residual.0", "blocks.0.attn"};
  header.extra = {{"tokenizer", "char"}};
  header.statistics = sample_statistics();
  return header;
}

/// A row whose every number is a function of its step; NaN, infinity and denormals among them.
struct SampleRow {
  explicit SampleRow(std::int64_t step) {
    row.step = step;
    row.epoch = step / 10 + 1;
    row.tokens = (step + 1) * 1024;
    row.elapsed_s = 0.1 * static_cast<double>(step);
    row.loss = step % 7 == 3 ? std::numeric_limits<double>::quiet_NaN() : 4.0 / (1.0 + static_cast<double>(step));
    row.lr = 1e-3 / 3;
    row.grad_norm = step % 11 == 5 ? std::numeric_limits<double>::infinity() : 5e-324;
    row.clip_coef = 0.7;
    float value = static_cast<float>(step) * 0.37f;
    for (const ColumnInfo& info : sample_statistics().columns) {
      std::vector<float>& column = columns[info.name];
      column.resize(info.axis == Axis::params ? 3 : info.axis == Axis::one ? 1 : 2);
      for (float& element : column) element = value += 0.11f;
    }
    columns["grad/norm"][1] = std::numeric_limits<float>::quiet_NaN();
    columns["weight/norm"][0] = 1e-45f;
    for (const auto& [name, numbers] : columns) row.columns.emplace_back(name, numbers);
  }
  SampleRow(const SampleRow&) = delete;
  StepRow row;
  std::map<std::string, std::vector<float>> columns;
};

inline void append_steps(RunFile& file, std::int64_t first, std::int64_t last) {
  for (std::int64_t step = first; step < last; ++step) file.append(SampleRow(step).row);
}

inline EpochRow sample_epoch(std::int64_t epoch, bool complete = true) {
  const auto value = static_cast<float>(epoch);
  const std::vector<float> norms{value, 2 * value, 3 * value};
  return {epoch, complete, 3.5 / static_cast<double>(epoch), 0.25, norms, {4 * value, 5 * value}};
}

}  // namespace normscope::io_test
