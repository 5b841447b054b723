// A run file in study.json's terms.
#include <cmath>

#include "study/arms.h"

namespace normscope {
namespace {

/// How many targets the exact evaluation scored. Files without `val_targets` were written by a version that scored
/// whole windows only: (val_tokens - 1) / block_size of them.
std::int64_t targets_of(const RunData& data, const std::map<std::string, std::string>& config) {
  const auto number = [](const std::map<std::string, std::string>& from, const char* key) -> std::int64_t {
    const auto found = from.find(key);
    return found == from.end() ? 0 : std::stoll(found->second);
  };
  if (const std::int64_t known = number(data.attributes, "val_targets"); known > 0) return known;
  const std::int64_t tokens = number(data.attributes, "val_tokens"), window = number(config, "block_size");
  return tokens > 0 && window > 0 ? (tokens - 1) / window * window : 0;
}

}  // namespace

StudyRun summarize(const RunData& data, const std::vector<std::string>& axes) {
  StudyRun run;
  run.file = data.path;
  run.status = data.status;
  run.config_json = data.config_json;
  run.config = config_texts(data.config_json);
  const auto seed = run.config.find("seed");
  if (seed != run.config.end()) run.seed = std::stoull(seed->second);
  for (const std::string& key : axes) {
    const auto value = run.config.find(key);
    if (value != run.config.end()) run.arm[key] = value->second;
  }
  for (const EvalRow& row : data.evals) {
    if (!std::isfinite(row.val_loss)) continue;
    run.val_loss = row.val_loss;  // the last row is the exact one
    run.train_loss = row.train_loss;
  }
  if (data.status == "done") run.val_targets = targets_of(data, run.config);
  if (data.status == "diverged") run.val_loss = run.train_loss = kNaN;

  for (const EpochRow& row : data.epochs) {
    const auto e = static_cast<std::size_t>(row.epoch);
    if (e == 0) continue;
    if (run.epoch_mean_grad_norm.size() < e) {
      run.epoch_mean_grad_norm.resize(e, kNaN);
      run.epoch_complete.resize(e, false);
    }
    run.epoch_mean_grad_norm[e - 1] = row.mean_grad_norm;
    run.epoch_complete[e - 1] = row.complete;
  }
  return run;
}

}  // namespace normscope
