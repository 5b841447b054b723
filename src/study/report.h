#pragma once
// One self-contained HTML file with figures (inline SVG, PNGs beside) from runs in memory; gnuplot draws.
#include "io/run_file.h"
#include "study/study.h"

#include <filesystem>
#include <string>
#include <vector>

namespace normscope {

/// Reads a run (folder or run.h5) or a study (folder or study.json) and writes out_dir/report.html and
/// out_dir/figures/. An empty out_dir is the run's or study's own folder. Returns the path of the HTML file. Raises
/// UsageError when it exists already and overwrite is false and for a folder of other files (check_output_folder),
/// Error when gnuplot is missing or fails.
std::string write_report(const std::string& path, const std::string& out_dir, bool overwrite);

struct ReportInput {
  std::string title, command, note;  ///< note: a sentence under the verdict, or empty
  Study study;                       ///< axes empty: a single run
  std::vector<RunData> runs;         ///< runs[i] belongs to study.runs[i]; one without steps is left out of the figures
  std::string gnuplot = "gnuplot";
};

/// The same from data in memory.
std::string write_report(const ReportInput& input, const std::string& out_dir, bool overwrite);

/// The files of the report in this folder: report.html and the figures it names; none when report.html is not ours.
std::vector<std::filesystem::path> report_files(const std::filesystem::path& dir);

}  // namespace normscope
