#pragma once
// May a command write into this folder? Never over files that normscope did not write.
#include <filesystem>
#include <string>

namespace normscope {

// What the first lines of our files say, so that they are told from files of the same name.
inline constexpr char kStudyFormat[] = "normscope-study", kVocabularyFormat[] = "normscope-vocabulary",
                      kDumpFormat[] = "normscope-dump", kReportMark[] = "Made by normscope";

enum class Result { run, study, report, tokens, dump };

/// Is this a file of that kind, written by normscope? True also for a damaged one as long as its mark is there.
bool is_result(const std::filesystem::path& file, Result kind);

/// Does the folder hold a result of that kind: our run.h5, study.json, report.html or meta.json?
bool holds(const std::filesystem::path& folder, Result kind);

/// To be called before anything is written for a result of that kind into a folder. Raises UsageError when the folder
/// holds files but neither our run.h5, nor our study.json, nor an earlier result of the same kind, whatever `overwrite`
/// says; and when it holds such a result and `overwrite` is false.
void check_output_folder(const std::string& folder, Result kind, bool overwrite);

/// The same for one file: raises UsageError when it exists and `overwrite` is false or it is no result of that kind.
void check_output_file(const std::filesystem::path& file, Result kind, bool overwrite);

/// `path` where nothing has that name, else the first of path-2, path-3, ... that is free.
std::string free_folder(const std::string& path);

}  // namespace normscope
