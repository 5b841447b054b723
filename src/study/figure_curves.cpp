// Curves: panels side by side under one legend, laid out in pixels so that no text can meet another.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "study/figure.h"

namespace normscope {
namespace {

constexpr int kWidth = 960, kLegendRow = 21, kBottom = 62, kLeft = 84, kRight = 18;

struct Grid {  // pixels from the top left -> gnuplot's screen coordinates
  int width, height;
  std::string x(double px) const { return fmt::format("screen {:.5f}", px / width); }
  std::string y(double px) const { return fmt::format("screen {:.5f}", 1 - px / height); }
};

/// Where each entry stands: from left to right, a new row when one is full.
struct Legend {
  std::vector<std::pair<double, double>> at;  // x, y
  double rows = 0;
};

Legend lay_out(const std::vector<LegendEntry>& entries) {
  Legend out;
  double x = kLeft;
  for (const LegendEntry& entry : entries) {
    const double width = 38 + gp_width(entry.label, 13) + 26;
    if (out.rows == 0 || x + width > kWidth) {
      out.rows += 1;
      x = kLeft;
    }
    out.at.emplace_back(x, 16 + (out.rows - 1) * kLegendRow);
    x += width;
  }
  return out;
}

std::string legend_script(const std::vector<LegendEntry>& entries, const Legend& legend, const Grid& grid) {
  std::string out;
  for (std::size_t i = 0; i < entries.size(); ++i) {
    const auto [x, y] = legend.at[i];
    const LegendEntry& entry = entries[i];
    const std::size_t tag = i + 100;
    if (entry.band) {
      out +=
          fmt::format("set object {} rect from {},{} to {},{} fc rgb '{}' fs transparent solid 0.18 noborder front\n",
                      tag, grid.x(x), grid.y(y + 6), grid.x(x + 30), grid.y(y - 6), entry.color);
    }
    if (entry.cross)
      out += fmt::format("set label {} '×' at {},{} center textcolor rgb '{}' font ',18' front\n", tag + 100,
                         grid.x(x + 15), grid.y(y), entry.color);
    else
      out += fmt::format("set arrow {} from {},{} to {},{} nohead lw 2.2 dt {} lc rgb '{}' front\n", tag, grid.x(x),
                         grid.y(y), grid.x(x + 30), grid.y(y), entry.dash, entry.color);
    out += fmt::format("set label {} '{}' at {},{} left textcolor rgb '{}' font ',13' front\n", tag,
                       gp_fit(entry.label, kWidth - kLeft - 50, 13), grid.x(x + 38), grid.y(y), kInk);
  }
  return out;
}

struct Range {
  double low = INFINITY, high = -INFINITY;
  void add(double value) {
    if (!std::isfinite(value)) return;
    low = std::min(low, value);
    high = std::max(high, value);
  }
  bool empty() const { return low > high; }
};

/// Rows of crosses under the top of the frame.
double cross_rows(const Panel& panel) {
  double rows = 0;
  for (const Series& s : panel.series)
    for (double y : s.y)
      if (s.crosses) rows = std::max(rows, y + 1);
  return rows;
}

constexpr double kCrossRow = 0.065;  // of the frame's height

/// Where the frame must end so that its upper part is free for the crosses.
Range with_room(Range y, const Panel& panel) {
  if (cross_rows(panel) == 0) return y;
  const double share = kCrossRow * (cross_rows(panel) + 0.5), factor = 1 / (1 - share);
  y.high = panel.log_y ? y.low * std::pow(y.high / y.low, factor) : y.low + (y.high - y.low) * factor;
  return y;
}

double cross_height(double row, const Panel& panel, const Range& y) {
  const double share = 1 - kCrossRow * (row + 0.75);
  return panel.log_y ? y.low * std::pow(y.high / y.low, share) : y.low + (y.high - y.low) * share;
}

/// Means first; intervals may widen the frame up to four times, then they are cut by it.
Range curve_range(const Panel& panel) {
  Range means, bands;
  for (const Series& s : panel.series) {
    if (s.crosses) continue;
    for (double value : s.y)
      if (!panel.log_y || value > 0) means.add(value);
    for (double value : s.low) bands.add(value);
    for (double value : s.high) bands.add(value);
  }
  if (panel.line_at) means.add(*panel.line_at);
  if (means.empty()) means = {panel.log_y ? 0.1 : 0, 1};
  if (panel.log_y) {
    const double span = std::max(std::log(means.high / means.low), 0.2);
    if (!bands.empty() && bands.low > 0) means.low = std::max(bands.low, means.low * std::exp(-1.5 * span));
    if (!bands.empty()) means.high = std::max(means.high, std::min(bands.high, means.high * std::exp(1.5 * span)));
    return {means.low / 1.25, means.high * 1.25};
  }
  const double size = std::max(std::abs(means.high), std::abs(means.low));
  const double span = std::max({means.high - means.low, 0.02 * size, 1e-9});
  Range out = means;
  if (!bands.empty()) {
    const double reach = panel.clip_bands ? 1.5 * span : INFINITY;
    out.low = std::min(out.low, std::max(bands.low, means.low - reach));
    out.high = std::max(out.high, std::min(bands.high, means.high + reach));
  }
  const double pad = 0.08 * std::max(out.high - out.low, span);
  out.low -= pad + (panel.line_label.empty() ? 0 : pad);
  out.high += pad;
  if (panel.zero_y) out.low = 0;
  if (panel.low_limit) out.low = std::max(out.low, *panel.low_limit);
  return out;
}

Range y_range(const Panel& panel) { return with_room(curve_range(panel), panel); }

/// One range for all panels.
Range common_range(const std::vector<Panel>& panels) {
  Panel all = panels.front();
  for (std::size_t p = 1; p < panels.size(); ++p)
    all.series.insert(all.series.end(), panels[p].series.begin(), panels[p].series.end());
  return y_range(all);
}

/// A logarithmic axis has a tic at each x where there are few of them.
std::string log_x_ticks(const Panel& panel) {
  std::set<double> at;
  for (const Series& s : panel.series) at.insert(s.x.begin(), s.x.end());
  if (at.size() > 14) return "set xtics autofreq offset 0,0.2\n";
  std::vector<std::string> tics;
  for (double x : at) tics.push_back(fmt::format("'{0:.6g}' {0:.8g}", x));
  return fmt::format("set xtics ({}) offset 0,0.2\n", fmt::join(tics, ", "));
}

/// gnuplot labels a logarithmic axis at powers of ten only: where there are less than two of them, at 1, 2, 5, at every
/// digit, or closer, whatever is enough.
std::string log_ticks(const Range& y) {
  std::vector<std::string> found;
  const auto find = [&](const std::vector<int>& tenths) {
    found.clear();
    for (double e = std::floor(std::log10(y.low)); e <= std::log10(y.high); ++e)
      for (const int t : tenths) {
        const double value = t / 10.0 * std::pow(10.0, e);
        if (value >= y.low && value <= y.high) found.push_back(fmt::format("{:.6g}", value));
      }
    return found.size() >= 2;
  };
  if (find({10})) return "set ytics autofreq\n";
  find({10, 20, 50}) || find({10, 20, 30, 40, 50, 60, 70, 80, 90}) || find({10, 12, 14, 16, 18, 20, 25});
  return fmt::format("set ytics ({})\n", fmt::join(found, ", "));
}

/// Names under the axis, upright where there is room for all, else slanted and as many as fit, always the last one.
std::string name_ticks(const std::vector<std::string>& names, double width) {
  if (names.empty()) return "";
  double longest = 0;
  for (const std::string& name : names) longest = std::max(longest, gp_width(name, 10));
  const double each = width / static_cast<double>(names.size());
  const bool slanted = longest + 6 > each;
  const auto step = slanted ? static_cast<std::size_t>(std::ceil(18 / each)) : 1;
  std::vector<std::size_t> shown;
  for (std::size_t i = 0; i < names.size(); i += step) shown.push_back(i);
  if (shown.size() > 1) shown.back() = names.size() - 1;
  std::vector<std::string> tics;
  for (const std::size_t i : shown) tics.push_back(fmt::format("'{}' {}", names[i], i));
  return fmt::format("set xtics {} ({}) font ',10' offset 0,0.2\n", slanted ? "rotate by 40 right" : "norotate",
                     fmt::join(tics, ", "));
}

std::string data_block(const std::string& name, const Series& s, const Range& y, const Panel& panel) {
  std::string out = "$" + name + " << EOD\n";
  for (std::size_t i = 0; s.crosses && i < s.x.size(); ++i)
    out += fmt::format("{:.8g} {:.8g}\n", s.x[i], cross_height(s.y[i], panel, y));
  if (s.crosses) return out + "EOD\n";
  for (std::size_t i = 0; i < s.x.size(); ++i) {
    if (!std::isfinite(s.y[i])) continue;
    const bool band = i < s.low.size() && std::isfinite(s.low[i]) && std::isfinite(s.high[i]);
    // Clamped: a band that leaves the frame ends at its edge.
    const double low = band ? std::max(s.low[i], y.low) : s.y[i], high = band ? std::min(s.high[i], y.high) : s.y[i];
    out += fmt::format("{:.8g} {:.8g} {:.8g} {:.8g}\n", s.x[i], s.y[i], low, high);
  }
  return out + "EOD\n";
}

bool has_points(const Series& s) {
  return std::any_of(s.y.begin(), s.y.end(), [](double value) { return std::isfinite(value); });
}

std::string plot_command(const std::vector<Series>& series, const std::vector<std::string>& blocks) {
  std::string bands, lines;
  for (std::size_t i = 0; i < series.size(); ++i) {
    const Series& s = series[i];
    if (!has_points(s)) continue;
    const std::string block = "$" + blocks[i];
    if (s.crosses) {
      lines += fmt::format("{} u 1:2 w points pt 2 ps 1.1 lw 2.6 lc rgb '{}' notitle, \\\n", block, s.color);
      continue;
    }
    if (!s.low.empty() && !s.bars) {
      bands += fmt::format("{} u 1:3:4 w filledcurves lc rgb '{}' notitle, \\\n", block, s.color);
    } else if (!s.low.empty()) {
      bands += fmt::format("{} u 1:2:3:4 w yerrorbars lw 1.4 ps 0 lc rgb '{}' notitle, \\\n", block, s.color);
    }
    // A line that another one covers is the wider one.
    const double width =
        s.faint ? 1.1 : 1.7 + 1.9 * static_cast<double>(series.size() - i) / static_cast<double>(series.size());
    const bool marks = s.points || s.x.size() == 1;
    if (s.line && s.x.size() > 1) {
      lines += fmt::format("{} u 1:2 w lines lw {} dt {} lc rgb '{}' notitle, \\\n", block, width, s.dash, s.color);
    }
    if (marks)
      lines +=
          fmt::format("{} u 1:2 w points pt 7 ps {} lc rgb '{}' notitle, \\\n", block, s.bars ? 0.8 : 0.55, s.color);
  }
  return "plot " + bands + lines + "NaN notitle\n";
}

/// Where a panel stands, in pixels.
struct Frame {
  double x0, x1, top, height;
};

std::string panel_script(const Panel& panel, std::size_t index, const Grid& grid, const Frame& at, const Range& y) {
  const auto [x0, x1, top, height] = at;
  Range x;
  for (const Series& s : panel.series) {
    for (double value : s.x) x.add(value);
  }
  if (x.empty()) x = {0, 1};
  // Bars and points stand inside the frame, lines and bands reach its edges.
  const bool inset =
      std::any_of(panel.series.begin(), panel.series.end(), [](const Series& s) { return s.bars || s.x.size() == 1; });
  if (panel.log_x)
    x = {x.low / 1.5, x.high * 1.5};
  else if (inset)
    x = {x.low - 0.5, x.high + 0.5};
  if (x.high <= x.low && !panel.log_x) x = {x.low - 0.5, x.high + 0.5};

  std::string out;
  out += fmt::format("set lmargin at {}; set rmargin at {}; set tmargin at {}; set bmargin at {}\n", grid.x(x0),
                     grid.x(x1), grid.y(top), grid.y(top + height));
  out += fmt::format("set label 9 '{}' at {},{} left textcolor rgb '{}'\n", gp_bold(panel.title, x1 - x0, 14),
                     grid.x(x0), grid.y(top - (panel.note.empty() ? 14 : 31)), kInk);
  if (!panel.note.empty()) {
    out += fmt::format("set label 8 '{}' at {},{} left font ',12' textcolor rgb '{}'\n", panel.note, grid.x(x0),
                       grid.y(top - 13), kMuted);
  }
  if (panel.line_at && !panel.line_label.empty()) {
    out +=
        fmt::format("set label 7 '{}' at graph 0.99, first {:.8g} right offset 0,-0.6 font ',12' textcolor rgb '{}'\n",
                    panel.line_label, *panel.line_at, kMuted);
  }
  out += fmt::format("set xlabel '{}' offset 0,0.4 textcolor rgb '{}'; set ylabel '{}' offset 1,0 textcolor rgb '{}'\n",
                     panel.xlabel, kInk, panel.ylabel, kInk);
  out += fmt::format("set xrange [{:.8g}:{:.8g}]; set yrange [{:.8g}:{:.8g}]\n", x.low, x.high, y.low, y.high);
  out += "unset logscale\n";
  if (panel.log_x) out += "set logscale x\n";
  out += panel.log_y ? "set format y '%h'; set logscale y\n" + log_ticks(y) : linear_ticks("y", y.low, y.high, 6);
  if (panel.log_x) {
    out += log_x_ticks(panel);
  } else if (!panel.x_names.empty()) {
    out += name_ticks(panel.x_names, x1 - x0);
  } else if (panel.integer_x && x.high - x.low <= 13) {
    out += fmt::format("set xtics norotate {},1,{} font ',13' offset 0,0.2\n", std::ceil(x.low), std::floor(x.high));
  } else {
    out += "set xtics norotate autofreq font ',13' offset 0,0.2\n";
  }
  for (std::size_t i = 0; i < panel.mark_x.size(); ++i) {
    out += fmt::format("set arrow {} from {:.8g}, graph 0 to {:.8g}, graph 1 nohead dt 3 lw 1 lc rgb '{}' back\n",
                       300 + i, panel.mark_x[i], panel.mark_x[i], kMuted);
  }
  std::vector<std::string> blocks;
  for (std::size_t i = 0; i < panel.series.size(); ++i) {
    blocks.push_back(fmt::format("p{}s{}", index, i));
    out += data_block(blocks.back(), panel.series[i], y, panel);
  }
  std::string plot = plot_command(panel.series, blocks);
  if (panel.line_at) {
    plot =
        fmt::format("plot {:.8g} w lines lw 1 dt 2 lc rgb '{}' notitle, \\\n", *panel.line_at, kInk) + plot.substr(5);
  }
  out += plot + tell_frame(panel.log_x, panel.log_y);
  out += "unset label; unset object; unset arrow\n";
  return out;
}

}  // namespace

std::string curve_script(const CurveFigure& figure, int* width, int* height) {
  const Legend legend = lay_out(figure.legend);
  const std::size_t count = figure.panels.size(), columns = figure.columns == 0 ? count : figure.columns;
  const std::size_t rows = (count + columns - 1) / columns;
  const bool notes =
      std::any_of(figure.panels.begin(), figure.panels.end(), [](const Panel& p) { return !p.note.empty(); });
  const double head = (notes ? 44 : 28) + (legend.rows > 0 ? 6 : 0), plot = columns > 2 ? 190 : 262;
  const double row_height = head + plot + kBottom, left = columns > 2 ? 66 : kLeft;
  const double top = 10 + legend.rows * kLegendRow;
  const Grid grid{kWidth, static_cast<int>(top + static_cast<double>(rows) * row_height)};
  *width = grid.width;
  *height = grid.height;

  std::string out = fmt::format(
      "set border 3 lc rgb '{0}' lw 0.8\nset tics nomirror out scale 0.5 textcolor rgb '{0}'\n"
      "set grid ytics lc rgb '{1}' lw 0.6 dt 1\nset style fill transparent solid 0.18 noborder\n"
      "unset key\nset bars 0.6\n",
      kInk, kFaint);
  out += "set multiplot\n" + legend_script(figure.legend, legend, grid);
  const double each = static_cast<double>(kWidth) / static_cast<double>(columns);
  for (std::size_t p = 0; p < count; ++p) {
    const double x = static_cast<double>(p % columns) * each, y = static_cast<double>(p / columns) * row_height;
    out += panel_script(figure.panels[p], p, grid, {x + left, x + each - kRight, top + y + head, plot},
                        figure.same_y ? common_range(figure.panels) : y_range(figure.panels[p]));
  }
  return out + "unset multiplot\n";
}

}  // namespace normscope
