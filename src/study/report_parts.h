#pragma once
// The report's text parts, as HTML.
#include "study/report.h"

#include <string>

namespace normscope {

/// The finding, in a sentence with its numbers.
std::string headline_html(const ReportInput& input);
/// What kind of runs these are, in one muted line.
std::string subtitle_html(const ReportInput& input);
/// Final losses of the arms and what the pairs say.
std::string tables_html(const ReportInput& input);
/// The last values of what `stats` added, a table for each; means over an arm's seeds.
std::string statistics_html(const ReportInput& input);
/// Config, environment and how to run it again.
std::string details_html(const ReportInput& input);

}  // namespace normscope
