// Smaller SVG for the page: gnuplot writes an element for each cell and each dot of a map.
#include <fmt/format.h>

#include <array>
#include <cmath>
#include <cstdio>
#include <sstream>
#include <vector>

#include "study/figure.h"

namespace normscope {
namespace {

/// A horizontal stroke: a cell as thick as it is high, or a dot (round, without length).
struct Stroke {
  std::string look;  ///< attributes
  double x, end, y;
};

std::string quoted(const std::string& line, const std::string& before) {
  const auto at = line.find(before);
  if (at == std::string::npos) return "";
  const auto begin = at + before.size();
  return line.substr(begin, line.find('\'', begin) - begin);
}

/// An opaque upright rectangle of one colour.
bool read_cell(const std::string& line, Stroke* cell) {
  const std::string fill = quoted(line, "fill = '"), points = quoted(line, "points = '");
  if (line.find("<polygon") == std::string::npos || line.find("fill-opacity") != std::string::npos || fill.empty())
    return false;
  std::array<double, 10> p{};
  const int numbers = std::sscanf(points.c_str(), "%lf,%lf %lf,%lf %lf,%lf %lf,%lf %lf,%lf", &p[0], &p[1], &p[2], &p[3],
                                  &p[4], &p[5], &p[6], &p[7], &p[8], &p[9]);
  if (numbers != 8 || p[1] != p[3] || p[2] != p[4] || p[5] != p[7] || p[0] != p[6] || !(p[2] > p[0])) return false;
  cell->look = fmt::format("stroke=\"{}\" stroke-width=\"{:.4g}\"", fill, std::abs(p[5] - p[1]));
  // Outwards, so that no gap opens between neighbours.
  cell->x = std::floor(p[0] * 10) / 10;
  cell->end = std::ceil(p[2] * 10) / 10;
  cell->y = (p[1] + p[5]) / 2;
  return true;
}

/// gnuplot's point type 7.
bool read_dot(const std::string& line, Stroke* dot) {
  double scale = 0;
  const std::string place = quoted(line, "<use xlink:href='#gpPt6' transform='"), color = quoted(line, " color='");
  if (std::sscanf(place.c_str(), "translate(%lf,%lf) scale(%lf)", &dot->x, &dot->y, &scale) != 3 || scale <= 0)
    return false;
  dot->end = dot->x;
  dot->look = fmt::format("stroke='{}' stroke-width='{:.4g}' stroke-linecap='round'", color, 2 * scale);
  return true;
}

struct Path {
  std::vector<Stroke> strokes;

  /// A cell that continues the last one makes it longer.
  void add(const Stroke& stroke) {
    Stroke& last = strokes.back();
    const bool continues = last.y == stroke.y && stroke.end > stroke.x && std::abs(stroke.x - last.end) < 0.25;
    if (continues)
      last.end = stroke.end;
    else
      strokes.push_back(stroke);
  }

  std::string text() const {
    std::string out = fmt::format("<path fill='none' {} d='", strokes.front().look);
    for (const Stroke& s : strokes) out += fmt::format("M{:.6g} {:.6g}h{:.4g}", s.x, s.y, s.end - s.x);
    return out + "'/>\n";
  }
};

}  // namespace

std::string join_cells(const std::string& svg) {
  std::istringstream lines(svg);
  std::string line, out;
  std::vector<Path> paths;  // one for each look, in the order of their first strokes
  const auto flush = [&] {
    for (const Path& path : paths) out += path.text();
    paths.clear();
  };
  while (std::getline(lines, line)) {
    Stroke stroke;
    if (!read_cell(line, &stroke) && !read_dot(line, &stroke)) {
      flush();
      out += line + "\n";
      continue;
    }
    bool known = false;
    for (Path& path : paths)
      if (path.strokes.front().look == stroke.look) path.add(stroke), known = true;
    if (!known) paths.push_back({{stroke}});
  }
  flush();
  return out;
}

}  // namespace normscope
