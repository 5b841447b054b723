#pragma once
// What the tests of files share: a run of made-up numbers, child processes.
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmath>
#include <cstdint>
#include <functional>
#include <limits>
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
  header.stats = {{"grad_kurtosis", 3}};
  return header;
}

/// A row whose every number is a function of its step; NaN, infinity and denormals among them.
struct SampleRow {
  explicit SampleRow(std::int64_t step)
      : norm(3), max_abs(3), weight(3), ratio(3), grad(2), times(2), rms(2), share(2) {
    row.step = step;
    row.epoch = step / 10 + 1;
    row.tokens = (step + 1) * 1024;
    row.elapsed_s = 0.1 * static_cast<double>(step);
    row.loss = step % 7 == 3 ? std::numeric_limits<double>::quiet_NaN() : 4.0 / (1.0 + static_cast<double>(step));
    row.lr = 1e-3 / 3;
    row.grad_norm = step % 11 == 5 ? std::numeric_limits<double>::infinity() : 5e-324;
    row.clip_coef = 0.7;
    float value = static_cast<float>(step) * 0.37f;
    for (auto* column : {&norm, &max_abs, &weight, &ratio, &grad, &times, &rms, &share}) {
      for (float& element : *column) element = value += 0.11f;
    }
    norm[1] = std::numeric_limits<float>::quiet_NaN();
    weight[0] = 1e-45f;
    row.param_grad_norm = norm;
    row.param_grad_max_abs = max_abs;
    row.param_weight_norm = weight;
    row.param_update_ratio = ratio;
    row.residual_grad_norm = grad;
    row.residual_grad_times_x = times;
    row.residual_rms = rms;
    row.residual_mean_share = share;
    row.stats["grad_kurtosis"] = ratio;
  }
  SampleRow(const SampleRow&) = delete;
  StepRow row;
  std::vector<float> norm, max_abs, weight, ratio, grad, times, rms, share;
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
