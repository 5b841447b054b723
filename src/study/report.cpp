#include <fmt/format.h>
#include "io/file_util.h"
#include "io/output_folder.h"
#include "study/report.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <future>
#include <iterator>
#include <set>

#include "study/arms.h"
#include "study/figures.h"
#include "study/html.h"
#include "study/hover.h"
#include "study/report_parts.h"

namespace normscope {
namespace {

namespace fs = std::filesystem;

/// What the caption of a map adds: how far the colours reach, what has no number.
std::string color_note(const MapFigure& figure) {
  const ColorScale scale = color_scale(figure);
  std::string out;
  if (scale.cut)
    out += fmt::format(" The colours {} 99th percentile of the cells{}; cells beyond it have the end colours.",
                       figure.diverging ? "reach, on both sides of white, as far as the farther of the 1st and"
                                        : "span the 1st to the",
                       figure.off_scale.empty() ? "" : " of arms that did not all diverge");
  if (scale.gaps) out += " Hatched: no finite value, or the layer or step does not exist in these runs.";
  return out;
}

std::string figure_html(const Drawn& drawn, const FigureItem& item) {
  const auto* map = std::get_if<MapFigure>(&item.figure);
  return fmt::format(
      "<figure role=\"group\">\n<div class=\"narrow\">Scroll the figure sideways; tap it for values.</div>\n"
      "<div class=\"scroll\">{}</div>\n<script type=\"application/json\">{}</script>\n"
      "<figcaption>{} <a href=\"figures/{}\">SVG</a>&nbsp;<a href=\"figures/{}\">PNG</a></figcaption>\n</figure>\n",
      drawn.svg, hover_json(item, drawn), html_text(item.caption + (map ? color_note(*map) : "")), drawn.svg_file,
      drawn.png_file);
}

Drawn draw_item(const ReportInput& input, const FigureItem& item, const std::string& folder) {
  int width = 0, height = 0;
  const auto* curves = std::get_if<CurveFigure>(&item.figure);
  const std::string script =
      curves ? curve_script(*curves, &width, &height) : map_script(std::get<MapFigure>(item.figure), &width, &height);
  const std::string name = curves ? curves->name : std::get<MapFigure>(item.figure).name;
  return draw(input.gnuplot, script, width, height, name, folder);
}

std::string figures_html(const ReportInput& input, const std::string& folder) {
  std::vector<FigureItem> items;
  if (!input.study.axes.empty()) {
    items = study_figures(input);
  } else if (!input.runs.empty()) {
    items = run_figures(input.runs.front());
  }
  std::vector<std::future<Drawn>> drawn;  // each waits for a gnuplot of its own
  for (const FigureItem& item : items) {
    drawn.push_back(std::async(std::launch::async, [&] { return draw_item(input, item, folder); }));
  }
  std::string out, heading;
  for (std::size_t i = 0; i < items.size(); ++i) {
    if (items[i].heading != heading) out += "<h2>" + html_text(items[i].heading) + "</h2>\n";
    heading = items[i].heading;
    out += figure_html(drawn[i].get(), items[i]);
  }
  return out.empty() ? "<p class=\"muted\">No run has completed a step yet.</p>\n" : out;
}

/// Removes what a report that failed has added to its folder.
class Leftovers {
 public:
  explicit Leftovers(const fs::path& dir) : figures_(dir / "figures") {
    std::error_code error;
    for (const auto& entry : fs::directory_iterator(figures_, error)) before_.insert(entry.path());
    for (fs::path p = figures_; !p.empty() && !fs::exists(p, error); p = p.parent_path()) made_.push_back(p);
  }
  ~Leftovers() {
    if (kept_) return;
    std::error_code error;
    std::vector<fs::path> added;
    for (const auto& entry : fs::directory_iterator(figures_, error))
      if (!before_.count(entry.path())) added.push_back(entry.path());
    for (const fs::path& path : added) fs::remove(path, error);
    for (const fs::path& path : made_) fs::remove(path, error);  // innermost first, only where empty
  }
  Leftovers(const Leftovers&) = delete;
  Leftovers& operator=(const Leftovers&) = delete;
  void keep() { kept_ = true; }

 private:
  fs::path figures_;
  std::set<fs::path> before_;
  std::vector<fs::path> made_;
  bool kept_ = false;
};

/// The report of a single run: a study without axes.
ReportInput run_input(const RunData& run) {
  ReportInput input;
  input.runs = {run};
  input.study.runs = {summarize(run, {})};
  input.study.seeds = {input.study.runs.front().seed};
  input.command = run.command;
  const auto& config = input.study.runs.front().config;
  const auto name = config.find("name");
  input.title =
      "Run " + (name != config.end() && !name->second.empty() ? name->second
                                                              : fs::path(run.path).parent_path().filename().string());
  return input;
}

ReportInput study_input(const std::string& dir) {
  ReportInput input;
  input.study = read_study(dir);
  input.command = input.study.command;
  for (const auto& [key, values] : input.study.axes) {
    if (values.size() < 2) continue;
    input.title += (input.title.empty() ? "" : " × ") + (key == "norm" ? "" : key + " ");
    for (std::size_t v = 0; v < values.size() && v < 4; ++v) {
      input.title += v == 0 ? "" : v + 1 == values.size() ? " and " : ", ";
      input.title += key == "norm" ? norm_label(values[v]) : values[v];
    }
    if (values.size() > 4) input.title += " and others";
  }
  if (input.title.empty()) input.title = "Study " + fs::path(dir).filename().string();
  for (const StudyRun& run : input.study.runs) {
    const fs::path file = fs::path(dir) / run.file;
    try {
      input.runs.push_back(fs::exists(file) ? read_run(file.string()) : RunData{});
    } catch (const Error&) {
      input.runs.emplace_back();  // a crashed run's file: the tables say that it is not finished
    }
  }
  return input;
}

}  // namespace

std::vector<fs::path> report_files(const fs::path& dir) {
  std::vector<fs::path> files;
  if (!holds(dir, Result::report)) return files;
  std::ifstream in(dir / "report.html", std::ios::binary);
  const std::string page{std::istreambuf_iterator<char>(in), {}};
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(dir / "figures", error))
    if (page.find("\"figures/" + entry.path().filename().string() + "\"") != std::string::npos)
      files.push_back(entry.path());
  files.push_back(dir / "report.html");
  return files;
}

std::string write_report(const ReportInput& input, const std::string& out_dir, bool overwrite) {
  const fs::path dir = out_dir, file = dir / "report.html";
  check_output_folder(out_dir, Result::report, overwrite);
  if (!overwrite && fs::exists(dir / "figures") && !fs::is_empty(dir / "figures"))
    throw UsageError(
        fmt::format("{} exists; add --overwrite to write figures into it, or choose another folder with "
                    "--out_dir",
                    (dir / "figures").string()));
  Leftovers leftovers(dir);
  create_output_dir(out_dir);
  // The parts first: when gnuplot fails, no page is left behind.
  std::string body = "<h1>" + html_text(input.title) + "</h1>\n" + subtitle_html(input) + headline_html(input);
  if (!input.note.empty()) body += "<p>" + html_text(input.note) + "</p>\n";
  body += figures_html(input, (dir / "figures").string());
  body += tables_html(input) + statistics_html(input) + details_html(input);
  body += fmt::format(
      "<p class=\"muted small\">{}. This page is one file and works offline; its figures are also "
      "in the folder figures/.</p>\n",
      kReportMark);
  write_text_atomically(file.string(), html_page(input.title, body));
  leftovers.keep();
  return file.string();
}

std::string write_report(const std::string& path, const std::string& out_dir, bool overwrite) {
  const fs::path place = path;
  if (!fs::exists(place)) {
    throw UsageError(fmt::format("[report] {} does not exist; give a run folder, a run.h5 or a study folder", path));
  }
  const bool folder = fs::is_directory(place);
  const fs::path dir = folder ? place : place.has_parent_path() ? place.parent_path() : fs::path(".");
  const std::string target = out_dir.empty() ? dir.string() : out_dir;
  if ((folder && fs::exists(dir / "study.json")) || place.extension() == ".json") {
    return write_report(study_input(dir.string()), target, overwrite);
  }
  const fs::path file = folder ? dir / "run.h5" : place;
  if (!fs::exists(file)) {
    throw UsageError(
        fmt::format("[report] {} contains neither study.json nor run.h5; give the folder of a run or a study", path));
  }
  return write_report(run_input(read_run(file.string())), target, overwrite);
}

}  // namespace normscope
