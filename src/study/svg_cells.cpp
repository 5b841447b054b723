// Smaller SVG for the page: gnuplot writes a polygon for each cell of a map.
#include <fmt/format.h>

#include <array>
#include <cstdio>
#include <sstream>
#include <utility>
#include <vector>

#include "study/figure.h"

namespace normscope {
namespace {

struct Cell {
  std::string fill, path;
};

/// A line that is an upright rectangle of one colour; false for all others.
bool read_cell(const std::string& line, Cell* cell) {
  const auto fill = line.find("fill = '"), points = line.find("points = '");
  if (line.find("<polygon") == std::string::npos || line.find("fill-opacity") != std::string::npos ||
      fill == std::string::npos || points == std::string::npos)
    return false;
  const auto end = line.find('\'', fill + 8);
  std::array<double, 8> p{};
  if (std::sscanf(line.c_str() + points + 10, "%lf,%lf %lf,%lf %lf,%lf %lf,%lf", &p[0], &p[1], &p[2], &p[3], &p[4],
                  &p[5], &p[6], &p[7]) != 8)
    return false;
  const bool upright = p[1] == p[3] && p[2] == p[4] && p[5] == p[7] && p[0] == p[6];
  if (!upright || line.find(',', line.find(',', points) + 1) == std::string::npos) return false;
  cell->fill = line.substr(fill + 8, end - fill - 8);
  cell->path = fmt::format("M{:.6g} {:.6g}h{:.4g}v{:.4g}h{:.4g}z", p[0], p[1], p[2] - p[0], p[5] - p[1], p[0] - p[2]);
  return true;
}

}  // namespace

std::string join_cells(const std::string& svg) {
  std::istringstream lines(svg);
  std::string line, out;
  std::vector<Cell> paths;  // one for each colour, in the order of their first cells
  const auto flush = [&] {
    for (const Cell& cell : paths) out += fmt::format("<path fill='{}' d='{}'/>\n", cell.fill, cell.path);
    paths.clear();
  };
  while (std::getline(lines, line)) {
    Cell cell;
    if (!read_cell(line, &cell)) {
      flush();
      out += line + "\n";
      continue;
    }
    bool known = false;
    for (Cell& path : paths)
      if (path.fill == cell.fill) path.path += cell.path, known = true;
    if (!known) paths.push_back(std::move(cell));
  }
  flush();
  return out;
}

}  // namespace normscope
