#include "io/output_folder.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <fstream>
#include <string_view>

#include <normscope/core/error.h>
#include "io/run_layout.h"

namespace normscope {
namespace {

namespace fs = std::filesystem;

struct Kind {
  const char *file, *mark, *name, *advice;
};

/// In the order of Result.
constexpr Kind kKinds[] = {
    {"run.h5", run_layout::kFormat, "a run", "add --overwrite to replace it, --init_from resume to continue it"},
    {"study.json", kStudyFormat, "a study", "add --overwrite to replace it"},
    {"report.html", kReportMark, "a report", "add --overwrite to replace it"},
    {"meta.json", kVocabularyFormat, "token files", "add --overwrite to replace them"},
    {"", kDumpFormat, "a dump", "add --overwrite to replace it"}};

const Kind& of(Result kind) { return kKinds[static_cast<std::size_t>(kind)]; }

/// What a killed process of ours may have left before the file that tells its result: never anybody's data.
bool is_leftover(const fs::directory_entry& entry) {
  static constexpr std::array kUnfinished{".lock",         "run.h5.tmp",    "study.json.tmp", "report.html.tmp",
                                          "meta.json.tmp", "train.bin.tmp", "val.bin.tmp"};
  std::error_code error;
  if (entry.is_directory(error)) return fs::is_empty(entry.path(), error) && !error;
  return std::find(kUnfinished.begin(), kUnfinished.end(), entry.path().filename()) != kUnfinished.end();
}

}  // namespace

bool is_result(const fs::path& file, Result kind) {
  if (!fs::is_regular_file(file)) return false;
  std::ifstream in(file, std::ios::binary);
  const std::string_view mark = of(kind).mark;
  constexpr std::streamsize kPiece = 64 * 1024, kMost = 8 << 20;  // a report has its mark at the end, within 3 MB
  std::string window;
  for (std::streamsize done = 0; in && done < kMost; done += kPiece) {
    const std::size_t kept = std::min(window.size(), mark.size());  // the mark may lie across two pieces
    window.erase(0, window.size() - kept);
    window.resize(kept + kPiece);
    in.read(window.data() + kept, kPiece);
    window.resize(kept + static_cast<std::size_t>(in.gcount()));
    if (window.find(mark) != std::string::npos) return true;
  }
  return false;
}

bool holds(const fs::path& folder, Result kind) { return is_result(folder / of(kind).file, kind); }

void check_output_folder(const std::string& folder, Result kind, bool overwrite) {
  if (!fs::is_directory(folder)) return;
  const bool ours = holds(folder, Result::run) || holds(folder, Result::study) || holds(folder, kind);
  const fs::directory_iterator entries(folder);
  const auto strange = std::find_if_not(begin(entries), end(entries), is_leftover);
  if (!ours && strange != end(entries))
    throw UsageError(
        fmt::format("{} contains files not written by normscope ({}); choose an empty or new folder with "
                    "--out_dir",
                    folder, strange->path().filename().string()));
  const fs::path file = fs::path(folder) / of(kind).file;
  if (fs::exists(file) && !is_result(file, kind))
    throw UsageError(
        fmt::format("{} was not written by normscope; choose an empty or new folder with --out_dir", file.string()));
  if (fs::exists(file) && !overwrite)
    throw UsageError(fmt::format("{} already contains {}; {}, or choose another folder with --out_dir", folder,
                                 of(kind).name, of(kind).advice));
}

void check_output_file(const fs::path& file, Result kind, bool overwrite) {
  if (!fs::exists(file)) return;
  if (fs::is_regular_file(file) && !is_result(file, kind))
    throw UsageError(fmt::format("{} exists and is not {} written by normscope; choose another file with --out",
                                 file.string(), of(kind).name));
  if (!overwrite)
    throw UsageError(fmt::format("{} exists; {}, or choose another file with --out", file.string(), of(kind).advice));
}

std::string free_folder(const std::string& path) {
  std::string free = path;
  for (int i = 2; fs::exists(free); ++i) free = path + "-" + std::to_string(i);
  return free;
}

}  // namespace normscope
