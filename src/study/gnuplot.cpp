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
  // A browser would show gnuplot's names of its groups wherever the pointer rests.
  for (auto at = svg.find("<title>"); at != std::string::npos; at = svg.find("<title>", at))
    svg.erase(at, svg.find("</title>", at) + 8 - at);
  for (const char* gone :
       {" xmlns=\"http://www.w3.org/2000/svg\"", " xmlns:xlink=\"http://www.w3.org/1999/xlink\"",
        "\n xmlns=\"http://www.w3.org/2000/svg\"", "\n xmlns:xlink=\"http://www.w3.org/1999/xlink\""}) {
    for (auto at = svg.find(gone); at != std::string::npos; at = svg.find(gone))
      svg.erase(at, std::string(gone).size());
  }
  return svg;
}

struct Shade {
  const char *light, *dark;
};
constexpr std::array<Shade, 12> kColors{{{"#0072B2", "#3D8FE0"},
                                         {"#D55E00", "#FF7F2A"},
                                         {kGreen, "#1FC797"},
                                         {"#CC79A7", "#E79AC4"},
                                         {"#56B4E9", "#9BD8FF"},
                                         {"#E69F00", "#FFC233"},
                                         {kInk, "#e4e7eb"},
                                         {"#882255", "#D9588F"},
                                         {"#999933", "#C9C95A"},
                                         {"#6A3D9A", "#A67BE0"},
                                         {"#8C564B", "#C08A7C"},
                                         {"#7F7F7F", "#A8A8A8"}}};

/// What tell_frame() printed, in pixels of the SVG.
std::vector<PanelFrame> frames_of(const fs::path& path, int height) {
  std::istringstream lines(read_file(path));
  std::vector<PanelFrame> out;
  std::string line;
  while (std::getline(lines, line)) {
    std::istringstream words(line);
    std::array<double, 10> v{};
    for (double& value : v) words >> value;
    out.push_back({v[0], v[1], height - v[3], height - v[2], v[4], v[5], v[6], v[7], v[8] > 0, v[9] > 0});
  }
  return out;
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

std::string tell_frame(bool log_x, bool log_y) {
  // GPVAL_TERM_XMIN is in pixels; GPVAL_X_LOG is 10 on every axis.
  return fmt::format(
      "print GPVAL_TERM_XMIN, GPVAL_TERM_XMAX, GPVAL_TERM_YMIN, GPVAL_TERM_YMAX, GPVAL_X_MIN, GPVAL_X_MAX, "
      "GPVAL_Y_MIN, GPVAL_Y_MAX, {:d}, {:d}\n",
      log_x, log_y);
}

std::string dark_inks() {
  std::string out;
  const auto add = [&](const Shade& shade) {
    const auto part = [&](int at) { return std::stoi(std::string(shade.light).substr(at, 2), nullptr, 16); };
    const int r = part(1), g = part(3), b = part(5);
    for (const std::string& written : {fmt::format("rgb({:3}, {:3}, {:3})", r, g, b), std::string(shade.light),
                                       fmt::format("rgb({},{},{})", r, g, b)})
      for (const char* attribute : {"stroke", "fill", "color"})
        out += fmt::format("figure svg [{0}=\"{1}\" i]{{{0}:{2}}}", attribute, written, shade.dark);
    out += fmt::format("[style=\"background:{}\"]{{background:{}!important}}\n", shade.light, shade.dark);
  };
  for (const Shade& shade : kColors) add(shade);
  for (const Shade& shade : {Shade{kMuted, "#9aa5b1"}, Shade{kFaint, "#3e4c59"}, Shade{"#ffffff", "#15191e"}})
    add(shade);
  return out;
}

Ink arm_ink(std::size_t arm) {
  static constexpr std::array<int, 4> kDashes{1, 2, 4, 5};
  return {kColors[arm % kColors.size()].light, kDashes[(arm + arm / kColors.size()) % kDashes.size()]};
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
  const fs::path frames = work.path / "frames";
  whole += fmt::format("set print '{}'\nset output '{}'\n{}unset output\nreset\nset print '/dev/null'\n",
                       frames.string(), svg, script);
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
        fmt::format("[report] cannot start gnuplot, which draws the figures ({}); install the Debian package "
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
    throw Error(fmt::format("[report] gnuplot wrote an incomplete figure {}", name));
  drawn.svg = inline_svg(join_cells(text));
  drawn.frames = frames_of(frames, height);
  create_output_dir(folder);
  write_text_atomically((fs::path(folder) / drawn.svg_file).string(), text);
  write_text_atomically((fs::path(folder) / drawn.png_file).string(), read_file(png));
  return drawn;
}

}  // namespace normscope
