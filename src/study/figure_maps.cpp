// Maps: rows by columns in colour, one scale for all panels, cells not smoothed, row 0 at the bottom.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "study/figure.h"

namespace normscope {
namespace {

constexpr int kWidth = 960, kBar = 104, kTitle = 34, kPanelTitle = 26, kBelow = 62;
constexpr const char* kDot = "#202a34";  // stands on light cells: not an ink that a dark page turns light

double cell_height(std::size_t rows) {
  if (rows <= 10) return 24;
  if (rows <= 16) return 18;
  return rows <= 40 ? 13 : std::max(4.0, 520.0 / static_cast<double>(rows));
}

std::string color_range(const MapFigure& figure, double bar_height) {
  const auto [low, high, cut, gaps] = color_scale(figure);
  const char* palette = figure.diverging
                            ? "(0 '#2166ac', 0.25 '#92c5de', 0.5 '#f7f7f7', 0.75 '#f4a582', 1 '#b2182b')"
                            : "(0 '#440154', 0.25 '#3b528b', 0.5 '#21918c', 0.75 '#5ec962', 1 '#fde725')";  // viridis
  return fmt::format("set palette defined {} maxcolors 96\nset cbrange [{:.8g}:{:.8g}]\n", palette, low, high) +
         linear_ticks("cb", low, high, bar_height / 26);
}

std::string row_tics(const std::vector<std::string>& rows, double height, bool named) {
  // Labels need 12 pixels: with less, every second, third, ... is written.
  const auto step = static_cast<std::size_t>(std::max(1.0, std::ceil(12 / height)));
  std::string out;
  for (std::size_t r = 0; r < rows.size(); r += step) {
    out += fmt::format("{}'{}' {}", out.empty() ? "" : ", ", named ? rows[r] : "", r);
  }
  return fmt::format("set ytics ({}) font ',{}'\n", out, height < 16 ? 10 : 12);
}

/// The cells with a number, or those without one.
std::string cells(const MapFigure& figure, const MapPanel& panel, const std::string& block, bool finite) {
  std::string out = fmt::format("${} << EOD\n", block);
  for (std::size_t r = 0; r < panel.z.size(); ++r) {
    for (std::size_t c = 0; c < panel.z[r].size(); ++c) {
      if (std::isfinite(panel.z[r][c]) != finite) continue;
      out += fmt::format("{:.8g} {} {:.6g}\n", figure.x_first + figure.x_step * static_cast<double>(c), r,
                         finite ? panel.z[r][c] : 0);
    }
  }
  return out + "EOD\n";
}

/// The marked cells, or empty.
std::string marks(const MapFigure& figure, const MapPanel& panel, std::size_t index) {
  std::string out;
  for (std::size_t r = 0; r < panel.marks.size(); ++r)
    for (std::size_t c = 0; c < panel.marks[r].size(); ++c)
      if (panel.marks[r][c])
        out += fmt::format("{:.8g} {}\n", figure.x_first + figure.x_step * static_cast<double>(c), r);
  return out.empty() ? out : fmt::format("$k{} << EOD\n{}EOD\n", index, out);
}

/// The value below which a share of the sorted numbers lies.
double quantile(const std::vector<double>& sorted, double share) {
  return sorted[static_cast<std::size_t>(std::lround(share * static_cast<double>(sorted.size() - 1)))];
}

}  // namespace

ColorScale color_scale(const MapFigure& figure) {
  std::vector<double> all, healthy;
  ColorScale out;
  for (const MapPanel& panel : figure.panels) {
    const bool off = std::count(figure.off_scale.begin(), figure.off_scale.end(), panel.title) > 0;
    for (const auto& row : panel.z)
      for (const double value : row) {
        if (!std::isfinite(value)) {
          out.gaps = true;
          continue;
        }
        all.push_back(value);
        if (!off) healthy.push_back(value);
      }
  }
  if (healthy.empty()) healthy = all;
  std::sort(healthy.begin(), healthy.end());
  double low = -1, high = 1;
  if (!healthy.empty()) low = quantile(healthy, 0.01), high = quantile(healthy, 0.99);
  if (figure.diverging) {
    high = std::max({std::abs(low), std::abs(high), 0.05});
    low = -high;
  } else if (high - low < 1e-6 && low >= 0) {  // one value: nothing suggests that it could be negative
    low = 0;
    high = std::max(2 * high, 1.0);
  } else if (const double least = 0.01 * std::max(std::abs(low), std::abs(high)); high - low < least) {
    const double middle = (low + high) / 2;  // differences of rounding must not look large
    low = middle - least / 2;
    high = middle + least / 2;
  }
  out.low = low;
  out.high = high;
  out.cut = std::any_of(all.begin(), all.end(), [&](double value) { return value < low || value > high; });
  return out;
}

std::string map_script(const MapFigure& figure, int* width, int* height) {
  const std::size_t count = figure.panels.size(),
                    across = std::min<std::size_t>(count, figure.columns > 0 ? figure.columns : 3);
  const std::size_t down = (count + across - 1) / across, rows = figure.rows.size();
  std::size_t longest = 1, columns = 1;
  for (const std::string& row : figure.rows) longest = std::max(longest, row.size());
  for (const MapPanel& panel : figure.panels) {
    for (const auto& row : panel.z) columns = std::max(columns, row.size());
  }
  const double cell = cell_height(rows), plot = cell * static_cast<double>(rows);
  const double left = 46 + 6.6 * static_cast<double>(longest), gap = 22;
  const double each = (kWidth - kBar - left - gap * static_cast<double>(across - 1)) / static_cast<double>(across);
  const double block = kPanelTitle + plot + kBelow;
  *width = kWidth;
  *height = static_cast<int>(kTitle + block * static_cast<double>(down)) + 4;
  const auto x = [&](double px) { return fmt::format("screen {:.5f}", px / *width); };
  const auto y = [&](double px) { return fmt::format("screen {:.5f}", 1 - px / *height); };

  const double bar_height = std::min(plot, 260.0);
  std::string out = color_range(figure, bar_height);
  out += fmt::format(
      "set border 3 lc rgb '{0}' lw 0.8; set tics nomirror out scale 0.5 textcolor rgb '{0}'; unset key\n"
      "set style fill solid 1.0 noborder\nset boxwidth 1 absolute\nset multiplot\n",
      kInk);
  for (std::size_t p = 0; p < count; ++p) {
    const double x0 = left + static_cast<double>(p % across) * (each + gap);
    const double top = kTitle + static_cast<double>(p / across) * block + kPanelTitle;
    out += fmt::format("set lmargin at {}; set rmargin at {}; set tmargin at {}; set bmargin at {}\n", x(x0),
                       x(x0 + each), y(top), y(top + plot));
    out += fmt::format("set label 8 '{}' at {},{} left textcolor rgb '{}'\n", gp_bold(figure.panels[p].title, each, 13),
                       x(x0), y(top - 13), kInk);
    if (p == 0) {
      out += fmt::format("set label 9 '{}' at {},{} left textcolor rgb '{}'\n", gp_bold(figure.title, kWidth - 28, 14),
                         x(14), y(16), kInk);
      out += fmt::format(
          "set colorbox user origin {},{} size {:.5f},{:.5f} noborder\nset cblabel '{}' textcolor rgb '{}'\n",
          x(kWidth - kBar + 16), y(top + bar_height), 14.0 / *width, bar_height / *height, figure.cblabel, kInk);
    } else {
      out += "unset colorbox\n";
    }
    out += fmt::format("set xlabel '{}' offset 0,0.4 textcolor rgb '{}'\n", figure.xlabel, kInk);
    out +=
        p % across == 0 ? fmt::format("set ylabel '{}' textcolor rgb '{}'\n", figure.ylabel, kInk) : "unset ylabel\n";
    out += row_tics(figure.rows, cell, p % across == 0);
    const double half = figure.x_step / 2, last = figure.x_first + figure.x_step * static_cast<double>(columns - 1);
    out += fmt::format("set xrange [{:.8g}:{:.8g}]; set yrange [-0.5:{}.5]\n", figure.x_first - half, last + half,
                       rows == 0 ? 0 : rows - 1);
    // A tic needs 26 pixels.
    const bool every = figure.integer_x && each / static_cast<double>(columns) > 26;
    out += every ? fmt::format("set xtics {},1,{} offset 0,0.2\n", figure.x_first, last)
                 : "set xtics autofreq offset 0,0.2\n";
    const auto holds_cells = [](const std::string& data) { return std::count(data.begin(), data.end(), '\n') > 2; };
    const std::string data = cells(figure, figure.panels[p], fmt::format("m{}", p), true);
    const std::string gaps = cells(figure, figure.panels[p], fmt::format("g{}", p), false);
    const std::string dots = marks(figure, figure.panels[p], p);
    out += data + gaps + dots + "plot ";
    if (holds_cells(gaps))
      out += fmt::format("$g{} u 1:2:({:.8g}):(0.5) w boxxyerror fs pattern 4 noborder lc rgb '{}' notitle, ", p, half,
                         kMuted);
    if (holds_cells(data)) out += fmt::format("$m{} u 1:2:({:.8g}):(0.5):3 w boxxyerror lc palette notitle, ", p, half);
    if (!dots.empty()) out += fmt::format("$k{} u 1:2 w points pt 7 ps 0.3 lc rgb '{}' notitle, ", p, kDot);
    out += "NaN notitle\n" + tell_frame();
    out += "unset label\n";
  }
  return out + "unset multiplot\n";
}

}  // namespace normscope
