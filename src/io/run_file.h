#pragma once
// The run file (run.h5): every step's numbers in HDF5, readable with h5py while it is written (SWMR).
// Its layout is fixed by the interface; see docs/run_file.md.
#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "io/column.h"

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
  ColumnSet statistics;
};

/// One optimizer step.
struct StepRow {
  std::int64_t step = 0, epoch = 1, tokens = 0;
  double elapsed_s = 0, loss = 0, lr = 0, grad_norm = 0, clip_coef = 1;
  /// Rows of columns by name, NaN where not measured; a column that is not among them is NaN. The numbers and names
  /// need only live during the call.
  std::vector<std::pair<std::string_view, std::span<const float>>> columns;
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
  /// old one. Columns of `statistics` that the file lacks are added, NaN for the steps it has.
  static RunFile resume(const std::string& path, std::int64_t next_step, const std::string& config_json = "",
                        const ColumnSet& statistics = {});
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
  /// Writes the status (done | diverged | interrupted), flushes and closes.
  void finish(const std::string& status);

 private:
  struct Impl;
  explicit RunFile(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

/// A run file in memory.
struct RunData {
  std::string path, status, config_json, data_sha256, epoch_label, command, started_at;
  std::map<std::string, std::string> attributes;  ///< every root attribute as text
  std::vector<ParamInfo> params;
  std::vector<std::string> residual, blocks, heads, norms;  ///< names of the axes; the last three where they are used
  std::vector<std::int64_t> step, epoch, tokens;
  std::vector<double> elapsed_s, loss, lr, grad_norm, clip_coef;
  std::vector<Matrix> columns;  ///< in the order of the file: those that are always there, then /stats
  std::vector<EvalRow> evals;
  std::vector<EpochRow> epochs;

  /// The column of a statistic, "grad/norm". Raises UsageError for a name that is not there, with those that are.
  const Matrix& column(const std::string& name) const;
  /// The names of an axis: one for each number of a row. Axis::one: one empty name.
  std::vector<std::string> names_of(Axis axis) const;
};

/// Reads a finished, running or crashed run. Raises UsageError when the file is missing or is not a run.
RunData read_run(const std::string& path);

}  // namespace normscope
