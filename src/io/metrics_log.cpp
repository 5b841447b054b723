#include "io/metrics_log.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <cmath>
#include <cstring>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <utility>

#include <normscope/core/error.h>

namespace normscope {
namespace {

[[noreturn]] void fail(const std::string& path) {
  throw Error(fmt::format("[metrics] cannot write '{}': {}; free disk space or choose another folder with --out_dir",
                          path, std::strerror(errno)));
}

void append_number(std::string& line, std::string_view key, double value) {
  if (std::isfinite(value)) {
    fmt::format_to(std::back_inserter(line), ",\"{}\":{}", key, value);
  } else {
    fmt::format_to(std::back_inserter(line), ",\"{}\":null", key);  // JSON has no NaN
  }
}

// The first byte that a resumed run must not keep: a line of a later step, or one that is no whole JSON object.
std::size_t bytes_to_keep(const std::string& text, std::int64_t next_step) {
  std::size_t begin = 0;
  for (std::size_t end = text.find('\n'); end != std::string::npos; end = text.find('\n', begin)) {
    const auto line = nlohmann::json::parse(text.begin() + static_cast<std::ptrdiff_t>(begin),
                                            text.begin() + static_cast<std::ptrdiff_t>(end), nullptr, false);
    if (!line.is_object() || !line.contains("step") || !line["step"].is_number_integer()) break;
    if (line["step"].get<std::int64_t>() >= next_step) break;
    begin = end + 1;
  }
  return begin;
}

}  // namespace

MetricsLog MetricsLog::create(const std::string& path) {
  const int descriptor = ::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0666);
  if (descriptor < 0) fail(path);
  return MetricsLog(path, descriptor);
}

MetricsLog MetricsLog::resume(const std::string& path, std::int64_t next_step) {
  std::string text;
  {
    std::ifstream in(path, std::ios::binary);
    text.assign(std::istreambuf_iterator<char>(in), {});
  }
  const int descriptor = ::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
  if (descriptor < 0) fail(path);
  MetricsLog log(path, descriptor);
  if (::ftruncate(descriptor, static_cast<off_t>(bytes_to_keep(text, next_step))) != 0) fail(path);
  return log;
}

MetricsLog::MetricsLog(MetricsLog&& other) noexcept
    : path_(std::move(other.path_)), line_(std::move(other.line_)), descriptor_(std::exchange(other.descriptor_, -1)) {}

MetricsLog& MetricsLog::operator=(MetricsLog&& other) noexcept {
  std::swap(path_, other.path_);
  std::swap(line_, other.line_);
  std::swap(descriptor_, other.descriptor_);
  return *this;
}

MetricsLog::~MetricsLog() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

void MetricsLog::step(std::int64_t step, double loss, double lr, double grad_norm, double elapsed_s,
                      const std::vector<std::pair<std::string_view, double>>& statistics) {
  line_.clear();
  fmt::format_to(std::back_inserter(line_), "{{\"step\":{}", step);
  append_number(line_, "loss", loss);
  append_number(line_, "lr", lr);
  append_number(line_, "grad_norm", grad_norm);
  append_number(line_, "elapsed_s", elapsed_s);
  for (const auto& [name, value] : statistics) append_number(line_, name, value);
  write_line();
}

void MetricsLog::eval(std::int64_t step, double val_loss, std::optional<double> train_loss) {
  line_.clear();
  fmt::format_to(std::back_inserter(line_), "{{\"step\":{}", step);
  append_number(line_, "val_loss", val_loss);
  if (train_loss) append_number(line_, "train_loss", *train_loss);
  write_line();
}

// One write(2) a line, so that `tail -f` sees whole lines.
void MetricsLog::write_line() {
  line_ += "}\n";
  std::size_t done = 0;
  while (done < line_.size()) {
    const ssize_t count = ::write(descriptor_, line_.data() + done, line_.size() - done);
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) fail(path_);
    done += static_cast<std::size_t>(count);
  }
}

}  // namespace normscope
