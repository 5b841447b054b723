#pragma once
// What the tests of training share: tiny configurations, runs to stop and kill, numbers of array files.
#include <fcntl.h>
#include "io/array_file.h"
#include "io/run_file.h"
#include <signal.h>

#include <cmath>
#include <cstring>
#include <map>
#include <thread>

#include "cli_helpers.h"

namespace normscope::train_test {

using cli_test::Outcome;
using cli_test::TemporaryFolder;

/// 24 windows of 8 tokens, 4 a step: an epoch is 6 steps.
inline const std::string kTiny =
    " --data synthetic:markov:tokens=5000 --train_tokens 200 --n_layer 2 --n_head 2 --n_embd 16 --block_size 8 "
    "--batch_size 4"
    " --max_iters 20 --warmup_iters 3 --eval_interval 5 --eval_iters 2 --threads 1";

/// The arguments with the last of the texts that each flag is given: tests change kTiny by what they write behind it,
/// and to the program a flag given twice is a list.
inline std::string last_of_each(const std::string& arguments) {
  std::vector<std::string> parts;
  std::map<std::string, std::size_t> last;
  for (std::size_t begin = 0, end = 0; begin < arguments.size(); begin = end) {
    end = std::min(arguments.find(" --", begin + 1), arguments.size());
    parts.push_back(arguments.substr(begin, end - begin));
    last[parts.back().substr(0, parts.back().find_first_of(" =", 1))] = parts.size() - 1;
  }
  std::string out;
  for (std::size_t i = 0; i < parts.size(); ++i)
    if (last.at(parts[i].substr(0, parts[i].find_first_of(" =", 1))) == i) out += parts[i];
  return out;
}

inline Outcome run(const TemporaryFolder& folder, const std::string& arguments) {
  return cli_test::run(folder, last_of_each(arguments));
}

inline void expect_done(const TemporaryFolder& folder, const std::string& arguments, int code = 0) {
  const Outcome outcome = run(folder, arguments);
  ASSERT_EQ(outcome.code, code) << arguments << "\n" << outcome.err;
}

/// `train` in the background.
class Background {
 public:
  Background(const TemporaryFolder& folder, const std::string& arguments) : id_(fork()) {
    if (id_ != 0) return;
    const std::string command = "exec '" + std::string(NORMSCOPE_BINARY) + "' " + last_of_each(arguments);
    if (chdir(folder.path().c_str()) != 0) _exit(1);
    const int null = open("/dev/null", O_WRONLY);
    dup2(null, STDOUT_FILENO);
    dup2(null, STDERR_FILENO);
    execl("/bin/sh", "sh", "-c", command.c_str(), nullptr);
    _exit(1);
  }
  Background(const Background&) = delete;
  /// Waits for `path` to be there (false: the run ended first), then sends `signal`; returns the wait status.
  int signal_after(const std::string& path, int signal) const {
    int status = 0;
    while (!std::filesystem::exists(path)) {
      if (waitpid(id_, &status, WNOHANG) != 0) return status;
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    kill(id_, signal);
    waitpid(id_, &status, 0);
    return status;
  }

 private:
  pid_t id_;
};

inline std::vector<double> numbers(const Array& array) {
  std::vector<double> x(static_cast<std::size_t>(array.numel()));
  for (std::size_t i = 0; i < x.size(); ++i) {
    const auto at = [&](auto element) {
      std::memcpy(&element, array.bytes.data() + i * sizeof element, sizeof element);
      return static_cast<double>(element);
    };
    switch (array.type) {
      case Array::Type::f32:
        x[i] = at(float{});
        break;
      case Array::Type::f64:
        x[i] = at(double{});
        break;
      case Array::Type::i32:
        x[i] = at(std::int32_t{});
        break;
      default:
        ADD_FAILURE() << "f32, f64 and i32 are expected";
    }
  }
  return x;
}
inline double norm(const std::vector<double>& x) {
  double sum = 0;
  for (const double v : x) sum += v * v;
  return std::sqrt(sum);
}

template <class T>
bool same_bits(const std::vector<T>& a, const std::vector<T>& b) {  // NaN included
  return a.size() == b.size() && (a.empty() || std::memcmp(a.data(), b.data(), a.size() * sizeof(T)) == 0);
}

/// The only checkpoint of a run.
inline std::string checkpoint_of(const std::string& run_dir) {
  std::vector<std::string> found;
  for (const auto& entry : std::filesystem::directory_iterator(run_dir + "/checkpoints")) found.push_back(entry.path());
  EXPECT_EQ(found.size(), 1u) << run_dir;
  return found.empty() ? "" : found[0];
}

/// Everything but wall time is the same, bit for bit. `evals`: also the rows of /eval.
inline void expect_same_run(const std::string& a_dir, const std::string& b_dir, bool evals = true) {
  const RunData a = read_run(a_dir + "/run.h5"), b = read_run(b_dir + "/run.h5");
  EXPECT_EQ(a.status, b.status);
  EXPECT_EQ(a.step, b.step);
  EXPECT_EQ(a.epoch, b.epoch);
  EXPECT_EQ(a.tokens, b.tokens);
  for (const auto column : {&RunData::loss, &RunData::lr, &RunData::grad_norm, &RunData::clip_coef})
    EXPECT_TRUE(same_bits(a.*column, b.*column));
  ASSERT_EQ(a.columns.size(), b.columns.size());
  ASSERT_GE(a.columns.size(), 8u);
  for (const Matrix& matrix : a.columns)
    EXPECT_TRUE(same_bits(matrix.values, b.column(matrix.info.name).values)) << matrix.info.name;
  ASSERT_EQ(a.epochs.size(), b.epochs.size());
  for (std::size_t i = 0; i < a.epochs.size(); ++i) {
    EXPECT_EQ(a.epochs[i].epoch, b.epochs[i].epoch);
    EXPECT_EQ(a.epochs[i].complete, b.epochs[i].complete) << i;
    EXPECT_EQ(a.epochs[i].loss, b.epochs[i].loss) << i;
    EXPECT_EQ(a.epochs[i].mean_grad_norm, b.epochs[i].mean_grad_norm) << i;
    EXPECT_TRUE(same_bits(a.epochs[i].param_grad_norm, b.epochs[i].param_grad_norm)) << i;
    EXPECT_TRUE(same_bits(a.epochs[i].residual_grad_norm, b.epochs[i].residual_grad_norm)) << i;
  }
  const ArrayFileReader x(checkpoint_of(a_dir)), y(checkpoint_of(b_dir));
  ASSERT_EQ(x.names(), y.names());
  for (const std::string& name : x.names())
    EXPECT_TRUE(name == "state/elapsed_s" || x.read(name).bytes == y.read(name).bytes) << name;
  if (!evals) return;
  ASSERT_EQ(a.evals.size(), b.evals.size());
  for (std::size_t i = 0; i < a.evals.size(); ++i) {
    EXPECT_EQ(a.evals[i].step, b.evals[i].step);
    EXPECT_EQ(a.evals[i].train_loss, b.evals[i].train_loss) << i;
    EXPECT_EQ(a.evals[i].val_loss, b.evals[i].val_loss) << i;
    EXPECT_EQ(a.evals[i].exact, b.evals[i].exact) << i;
  }
}

}  // namespace normscope::train_test
