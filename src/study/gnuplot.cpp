// gnuplot as a child process: script in, SVG and PNG out.
#include <fmt/format.h>
#include <normscope/core/error.h>
#include "io/file_util.h"
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "study/figure.h"
#include "study/process.h"

namespace normscope {
namespace {

namespace fs = std::filesystem;

std::string read_file(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
}

/// gnuplot keeps one family of the list where the markup changes the font: without a stand-in that is a serif font.
std::string with_whole_font_list(std::string svg) {
  const std::string one = "font-family=\"Inter\"", all = "font-family=\"Inter,Helvetica,Arial,sans-serif\"";
  for (auto at = svg.find(one); at != std::string::npos; at = svg.find(one, at + all.size()))
    svg.replace(at, one.size(), all);
  return svg;
}

/// From <svg on, without the namespaces that HTML does not need, so the page names no address at all.
std::string inline_svg(std::string svg) {
  const auto begin = svg.find("<svg");
  if (begin != std::string::npos) svg.erase(0, begin);
  for (const char* gone :
       {" xmlns=\"http://www.w3.org/2000/svg\"", " xmlns:xlink=\"http://www.w3.org/1999/xlink\"",
        "\n xmlns=\"http://www.w3.org/2000/svg\"", "\n xmlns:xlink=\"http://www.w3.org/1999/xlink\""}) {
    for (auto at = svg.find(gone); at != std::string::npos; at = svg.find(gone))
      svg.erase(at, std::string(gone).size());
  }
  return svg;
}

std::string first_message(const fs::path& log) {
  std::istringstream lines(read_file(log));
  std::string line, kept;
  while (std::getline(lines, line)) {
    const auto text = line.find_first_not_of(" \t^");
    if (text != std::string::npos) kept = line.substr(text);
  }
  return kept.empty() ? "no message" : kept;
}

}  // namespace

Ink arm_ink(std::size_t arm) {
  static constexpr std::array<const char*, 12> kColors{"#0072B2", "#D55E00", "#009E73", "#CC79A7",
                                                       "#56B4E9", "#E69F00", "#1f2933", "#882255",
                                                       "#999933", "#6A3D9A", "#8C564B", "#7F7F7F"};
  static constexpr std::array<int, 4> kDashes{1, 2, 4, 5};
  return {kColors[arm % kColors.size()], kDashes[arm / kColors.size() % kDashes.size()]};
}

Drawn draw(const std::string& gnuplot, const std::string& script, int width, int height, const std::string& name,
           const std::string& folder) {
  const ScratchFolder work;
  const std::string svg = (work.path / "figure.svg").string(), png = (work.path / "figure.png").string();
  const char* font = "Inter,Helvetica,Arial,sans-serif,13";
  const char* png_font = "Helvetica,13";  // fontconfig knows a stand-in; for a list it takes another one
  std::string whole = "set encoding utf8\n";
  whole += fmt::format("set term svg name '{}' size {},{} dynamic enhanced font '{}' background '#ffffff'\n", name,
                       width, height, font);
  whole += fmt::format("set output '{}'\n{}unset output\nreset\n", svg, script);
  // Twice the size for sharp screens and paper.
  whole += fmt::format(
      "if (strstrt(GPVAL_TERMINALS, 'pngcairo')) {{\n"
      "set term pngcairo size {0},{1} enhanced font '{2}' fontscale 1.6 linewidth 2 pointscale 2 background '#ffffff'\n"
      "}} else {{\nset term png size {0},{1} enhanced font ',26' linewidth 2 truecolor\n}}\n",
      2 * width, 2 * height, png_font);
  whole += fmt::format("set output '{}'\n{}unset output\n", png, script);
  const std::string file = (work.path / "figure.gp").string(), log = (work.path / "log").string();
  write_text_atomically(file, whole);

  ExitStatus status;
  try {
    status = wait_process(start_process({gnuplot, "-d", file}, log, false));
  } catch (const Error& error) {
    throw Error(
        fmt::format("[report] gnuplot draws the figures but does not start ({}); install the Debian package "
                    "gnuplot-nox",
                    error.what()));
  }
  if (status.code != 0 || !fs::exists(svg) || !fs::exists(png)) {
    throw Error(fmt::format("[report] gnuplot failed on figure {}: {}", name, first_message(log)));
  }
  Drawn drawn;
  drawn.name = name;
  drawn.svg_file = name + ".svg";
  drawn.png_file = name + ".png";
  const std::string text = with_whole_font_list(read_file(svg));
  if (text.find("</svg>") == std::string::npos)
    throw Error(fmt::format("[report] gnuplot wrote half of figure {}", name));
  drawn.svg = inline_svg(text);
  create_output_dir(folder);
  write_text_atomically((fs::path(folder) / drawn.svg_file).string(), text);
  write_text_atomically((fs::path(folder) / drawn.png_file).string(), read_file(png));
  return drawn;
}

}  // namespace normscope
