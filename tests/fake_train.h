#pragma once
// The stand-in for `normscope train` in tests of studies. FAKE_TRAIN says how it behaves: slow, loading, or "fail NORM"
// and "diverge NORM" for the runs of one norm.
#include "io/run_file.h"

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <thread>

#include "tests/synthetic_study.h"
#include "config/options.h"

namespace normscope::testing {

/// Stands in for `normscope train --config FILE`: writes a run file of the right config.
inline int fake_train(int argc, char** argv) {
  Config config;
  for (int i = 2; i < argc; ++i) {
    if (std::string(argv[i]) == "--config") config.load_file(argv[i + 1]);
  }
  std::string line = config.name;
  for (int i = 3; i < argc; ++i) line += std::string(" ") + argv[i];
  const std::filesystem::path out = config.out_dir;
  std::ofstream(out.parent_path().parent_path().parent_path() / "starts", std::ios::app) << line + "\n";
  const char* mode = std::getenv("FAKE_TRAIN");
  const std::string wish = mode ? mode : "";
  const bool mine = wish.size() > config.norm.size() && wish.substr(wish.size() - config.norm.size()) == config.norm;
  if (wish.rfind("fail", 0) == 0 && mine) {
    std::fputs("starting\nerror: out of luck\n", stderr);
    return 1;
  }
  if (wish == "loading")
    std::this_thread::sleep_for(std::chrono::seconds(5));  // a signal ends it, as before train's first step
  static volatile std::sig_atomic_t stop = 0;
  std::signal(SIGTERM, [](int) { stop = 1; });
  std::filesystem::create_directories(out / "checkpoints");
  std::ofstream(out / "checkpoints" / "step_000001.h5") << "x";
  const FakeStudy fake{{}, 1, 1, 2, 3, false};
  RunData data =
      fake_run(fake, {{"norm", config.norm}}, config.norm == "rmsnorm", static_cast<std::uint64_t>(config.seed));
  RunHeader header;
  header.config_json = config.to_json();
  header.data_sha256 = load_corpus(corpus_options(config)).sha256;
  header.params = data.params;
  header.residual = data.residual;
  for (const Matrix& matrix : data.columns) header.statistics.columns.push_back(matrix.info);
  std::filesystem::remove(out / "run.h5");
  RunFile file = RunFile::create((out / "run.h5").string(), header);
  const std::size_t p = data.params.size(), r = data.residual.size();
  for (std::size_t i = 0; i < data.step.size(); ++i) {
    StepRow row;
    row.step = data.step[i];
    row.epoch = data.epoch[i];
    row.loss = data.loss[i];
    row.elapsed_s = data.elapsed_s[i];
    row.grad_norm = data.grad_norm[i];
    for (const Matrix& matrix : data.columns) row.columns.emplace_back(matrix.info.name, matrix.row(i));
    file.append(row);
  }
  for (EpochRow row : data.epochs) {
    row.param_grad_norm.assign(p, 1);
    row.residual_grad_norm.assign(r, 1);
    file.append(row);
  }
  for (int i = 0; wish == "slow" && i < 500 && !stop; ++i) std::this_thread::sleep_for(std::chrono::milliseconds(10));
  if (stop) {
    file.finish("interrupted");
    return 130;
  }
  if (wish.rfind("diverge", 0) == 0 && mine) {
    file.finish("diverged");
    return 3;
  }
  file.append(
      EvalRow{5, 1.5, 1.0 + 0.1 * static_cast<double>(config.seed % 10) + (config.norm == "rmsnorm" ? 0.5 : 0), true});
  file.finish("done");
  return 0;
}

}  // namespace normscope::testing
