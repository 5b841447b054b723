#pragma once
// The run file (run.h5): every step's numbers in HDF5, readable with h5py while it is written (SWMR).
// Its layout is fixed by the interface; see docs/run_file.md.
#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace normscope {

struct ParamInfo {
  std::string name;         ///< path, e.g. blocks.3.attn.q.weight
  std::int64_t block = -1;  ///< -1 outside the blocks
  std::string role;         ///< embedding | head | norm | attention | mlp
  std::vector<std::int64_t> shape;
  std::int64_t numel() const;
  /// Does it count towards g_e: a weight matrix of a block (2-D, block >= 0).
  bool is_block_matrix() const { return block >= 0 && shape.size() == 2; }
};

/// Root attributes that are known when a run starts (text attributes by name; numbers as text are stored as text
/// except seed and threads).
struct RunHeader {
  std::string config_json, command, git_commit, version, host, isa, gemm_backend, data_sha256, epoch_label;
  std::uint64_t seed = 0;
  int threads = 1;
  std::vector<ParamInfo> params;             ///< P rows
  std::vector<std::string> residual;         ///< R names
  std::map<std::string, std::string> extra;  ///< further text attributes (tokenizer, entropy_rate, windows, ...)
  /// Optional per-step statistics of /stats: name -> number of columns.
  std::map<std::string, std::int64_t> stats;
};

/// One optimizer step. The arrays are [P] or [R], NaN where not probed; they need only live during the call.
struct StepRow {
  std::int64_t step = 0, epoch = 1, tokens = 0;
  double elapsed_s = 0, loss = 0, lr = 0, grad_norm = 0, clip_coef = 1;
  std::span<const float> param_grad_norm, param_grad_max_abs, param_weight_norm, param_update_ratio;    // [P]
  std::span<const float> residual_grad_norm, residual_grad_times_x, residual_rms, residual_mean_share;  // [R]
  std::map<std::string, std::span<const float>> stats;
};

struct EvalRow {
  std::int64_t step = 0;
  double train_loss = 0, val_loss = 0;
  bool exact = false;
};

struct EpochRow {
  std::int64_t epoch = 1;
  bool complete = true;
  double loss = 0, mean_grad_norm = 0;                     ///< mean_grad_norm: g_e of the interface
  std::vector<float> param_grad_norm, residual_grad_norm;  ///< [P], [R]
};

/// Writes run.h5. Rows are gathered in memory and written when half a second has passed, on flush() and on finish(),
/// so a reader sees them within a second at little cost.
class RunFile {
 public:
  /// Creates the file with every object, then starts SWMR. Raises Error when it cannot be written.
  static RunFile create(const std::string& path, const RunHeader& header);
  /// Opens an existing run to continue it: clears a crashed writer's flags, drops all rows of steps >= next_step (eval
  /// rows of steps >= next_step, epoch rows that are not complete before it). Raises UsageError when the file is not a
  /// run, or ends before next_step, Error when the disk has no room for a second copy of it: the file is changed on a
  /// copy, so that any failure leaves it as it was. `config_json`: the configuration from here on, when it is not the
  /// old one.
  static RunFile resume(const std::string& path, std::int64_t next_step, const std::string& config_json = "");
  /// Makes a crashed run readable by a plain open again: clears the killed writer's flags, drops rows that are not
  /// whole and turns the status `running` into `interrupted`. Only when no process writes it (FolderLock, file_util.h).
  /// Raises UsageError when it cannot be repaired, Error when the disk has no room for a second copy; the file is then
  /// left as it was.
  static void repair(const std::string& path);

  RunFile(RunFile&&) noexcept;
  RunFile& operator=(RunFile&&) noexcept;
  ~RunFile();  ///< closes; the status stays what it was

  void append(const StepRow& row);
  void append(const EvalRow& row);
  void append(const EpochRow& row);  ///< eval and epoch rows are written at once
  /// Writes what is gathered and fsyncs. Call it before a checkpoint and before long work between two steps.
  void flush();
  /// Writes the status (done | diverged | interrupted) and further root attributes, flushes and closes.
  void finish(const std::string& status, const std::map<std::string, std::string>& attributes = {});

 private:
  struct Impl;
  explicit RunFile(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

/// A run file in memory. Matrices are row-major, row = step.
struct RunData {
  std::string path, status, config_json, data_sha256, epoch_label, command, started_at;
  std::map<std::string, std::string> attributes;  ///< every root attribute as text
  std::vector<ParamInfo> params;
  std::vector<std::string> residual;
  std::vector<std::int64_t> step, epoch, tokens;
  std::vector<double> elapsed_s, loss, lr, grad_norm, clip_coef;
  std::vector<float> param_grad_norm, param_grad_max_abs, param_weight_norm, param_update_ratio;    // [N, P]
  std::vector<float> residual_grad_norm, residual_grad_times_x, residual_rms, residual_mean_share;  // [N, R]
  std::vector<EvalRow> evals;
  std::vector<EpochRow> epochs;
};

/// Reads a finished, running or crashed run. Raises UsageError when the file is missing or is not a run.
RunData read_run(const std::string& path);

}  // namespace normscope
