#pragma once
// metrics.jsonl: one JSON object a line for people with `tail -f` and `jq`; the run file holds everything.
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace normscope {

/// Appends to metrics.jsonl; every line is in the file when its call returns. NaN and infinity become null.
class MetricsLog {
 public:
  /// Starts an empty file. Raises Error when it cannot be written.
  static MetricsLog create(const std::string& path);
  /// Continues: drops lines from the first with step >= next_step on, and a torn last line; a missing file starts
  /// empty.
  static MetricsLog resume(const std::string& path, std::int64_t next_step);

  MetricsLog(MetricsLog&& other) noexcept;
  MetricsLog& operator=(MetricsLog&& other) noexcept;
  ~MetricsLog();

  /// {"step":..,"loss":..,"lr":..,"grad_norm":..,"elapsed_s":..} and the statistics by name
  void step(std::int64_t step, double loss, double lr, double grad_norm, double elapsed_s,
            const std::vector<std::pair<std::string_view, double>>& statistics = {});
  /// {"step":..,"val_loss":..} and, where it is known, "train_loss"
  void eval(std::int64_t step, double val_loss, std::optional<double> train_loss = std::nullopt);

 private:
  MetricsLog(std::string path, int descriptor) : path_(std::move(path)), descriptor_(descriptor) {}
  void write_line();

  std::string path_;
  std::string line_;
  int descriptor_ = -1;
};

}  // namespace normscope
