#pragma once
// Figures as plain values, drawn by gnuplot in the house style. Texts are gnuplot's enhanced text: what a user wrote
// goes through gp_text() first.
#include "study/statistics.h"

#include <optional>
#include <string>
#include <vector>

namespace normscope {

/// A curve, its band (empty: none) or error bars.
struct Series {
  std::string color;
  int dash = 1;
  std::vector<double> x, y, low, high;
  bool points = false;  ///< marks at the points
  bool line = true;
  bool bars = false;     ///< low and high as bars instead of a band
  bool faint = false;    ///< thin, without mark
  bool crosses = false;  ///< no curve: crosses under the top of the frame, y rows (0, 1, ...) below it
};

struct Panel {
  std::string title, xlabel, ylabel, note;
  std::vector<Series> series;
  std::optional<double> line_at;  ///< a dashed horizontal line
  std::string line_label;
  std::optional<double> low_limit;   ///< a y range never goes below it
  std::vector<std::string> x_names;  ///< names of x = 0, 1, ... instead of numbers
  std::vector<double> mark_x;        ///< dotted vertical lines
  std::string mark_label;
  bool integer_x = false, log_y = false, log_x = false;
  bool zero_y = false;     ///< the y axis starts at 0 (unless log_y)
  bool clip_bands = true;  ///< wide intervals are cut by the frame so that the means stay visible
};

struct LegendEntry {
  std::string label, color;
  int dash = 1;
  bool band = false;
  bool cross = false;  ///< a cross instead of a line
};

struct CurveFigure {
  std::string name;
  std::vector<LegendEntry> legend;
  std::vector<Panel> panels;
  std::size_t columns = 0;  ///< panels in a row; 0: all
  bool same_y = false;      ///< one y range for all panels
};

struct MapPanel {
  std::string title;
  std::vector<std::vector<double>> z;      ///< [row][column], NaN: white
  std::vector<std::vector<bool>> marks{};  ///< cells with a dot; empty: none
};

struct MapFigure {
  std::string name, title, xlabel, ylabel, cblabel;
  std::vector<std::string> off_scale;  ///< titles of panels (diverged runs) that do not set the colour scale
  std::vector<std::string> rows;       ///< row 0 at the bottom
  double x_first = 1, x_step = 1;      ///< centre of the first column, distance of columns
  bool integer_x = true;
  bool diverging = false;        ///< colours around 0
  std::vector<MapPanel> panels;  ///< one colour scale for all
  std::size_t columns = 0;       ///< panels in a row; 0: at most three
};

/// What the colours of a map span; `cut` when cells lie beyond it, `gaps` when cells have no number.
struct ColorScale {
  double low = 0, high = 1;
  bool cut = false, gaps = false;
};
ColorScale color_scale(const MapFigure& figure);

/// Where a panel stands in the SVG, in pixels from the top left, and what its axes span.
struct PanelFrame {
  double left, right, top, bottom, x_low, x_high, y_low, y_high;
  bool log_x, log_y;
};
/// gnuplot's command behind a panel's plot: it tells draw() the frame.
std::string tell_frame(bool log_x = false, bool log_y = false);

/// A drawn figure: the SVG as text, its files, the frames of its panels.
struct Drawn {
  std::vector<PanelFrame> frames;
  std::string name, svg, alt;
  std::string svg_file, png_file;
};

/// Enhanced text as plain text, for the page.
std::string gp_plain(const std::string& text);
/// Plain text as gnuplot's enhanced text, for single quotes.
std::string gp_text(const std::string& text);
/// Pixels that enhanced text takes at most at a font size (the widest usual sans-serif font).
double gp_width(const std::string& text, double size);
/// Cut to a width, with an ellipsis.
std::string gp_fit(const std::string& text, double width, double size);
/// Bold, smaller down to 10 and then cut when it does not fit.
std::string gp_bold(const std::string& text, double width, double size);
/// At most about `most` tics of the axis, at steps of 1, 2 or 5; each label has all its digits and no more.
std::string linear_ticks(const char* axis, double low, double high, double most);
std::string curve_script(const CurveFigure& figure, int* width, int* height);
std::string map_script(const MapFigure& figure, int* width, int* height);

/// The SVG with neighbouring cells, and all cells or dots of one look that follow each other, as one path.
std::string join_cells(const std::string& svg);
/// Draws a script to folder/name.svg and folder/name.png. Raises Error with gnuplot's message.
Drawn draw(const std::string& gnuplot, const std::string& script, int width, int height, const std::string& name,
           const std::string& folder);

/// Twelve colours, Okabe-Ito's first, each with a line style so that crossing lines show; the same arm has the same
/// ink everywhere, and 48 arms have different ones.
struct Ink {
  std::string color;
  int dash;
};
Ink arm_ink(std::size_t arm);
/// The style sheet that gives the inks of inline figures and swatches their colours for a dark page.
std::string dark_inks();

inline constexpr const char* kInk = "#1f2933";
inline constexpr const char* kMuted = "#616e7c";
inline constexpr const char* kFaint = "#cbd2d9";
inline constexpr const char* kGreen = "#009E73";

}  // namespace normscope
