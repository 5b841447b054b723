#include "study/hover.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <nlohmann/json.hpp>

namespace normscope {
namespace {

using Json = nlohmann::ordered_json;

Json number(double value) {
  if (!std::isfinite(value)) return nullptr;
  return std::strtod(fmt::format("{:.4g}", value).c_str(), nullptr);
}

Json numbers(const std::vector<double>& values) {
  Json out = Json::array();
  for (const double value : values) out.push_back(number(value));
  return out;
}

Json frame_json(const PanelFrame& f) {
  Json out = Json::array();
  for (const double pixel : {f.left, f.right, f.top, f.bottom}) out.push_back(std::lround(pixel));
  for (const double end : {f.x_low, f.x_high, f.y_low, f.y_high}) out.push_back(end);
  out.push_back(f.log_x ? 1 : 0);
  out.push_back(f.log_y ? 1 : 0);
  return out;
}

/// The legend's label of a curve's colour: dots of the same arm have another line style.
std::string label_of(const CurveFigure& figure, const Series& series) {
  const auto found = std::find_if(figure.legend.begin(), figure.legend.end(),
                                  [&](const LegendEntry& entry) { return entry.color == series.color; });
  return found == figure.legend.end() ? "" : gp_plain(found->label);
}

Json panel_json(const CurveFigure& figure, std::size_t p) {
  const Panel& panel = figure.panels[p];
  Json out{{"x", gp_plain(panel.xlabel)}, {"series", Json::array()}};
  for (const std::string& name : panel.x_names) out["names"].push_back(gp_plain(name));
  for (const Series& series : panel.series) {
    if (series.crosses) continue;  // its y is a row, not a value
    out["series"].push_back({{"name", label_of(figure, series)}, {"x", numbers(series.x)}, {"y", numbers(series.y)}});
  }
  return out;
}

Json panel_json(const MapFigure& figure, std::size_t p) {
  Json out{{"x", gp_plain(figure.xlabel)}, {"x0", number(figure.x_first)}, {"dx", number(figure.x_step)}};
  out["unit"] = gp_plain(figure.cblabel);
  out["rows"] = Json::array();
  for (const std::string& row : figure.rows) out["rows"].push_back(gp_plain(row));
  out["z"] = Json::array();
  for (const auto& row : figure.panels[p].z) out["z"].push_back(numbers(row));
  return out;
}

}  // namespace

std::string hover_json(const FigureItem& item, const Drawn& drawn) {
  Json panels = Json::array();
  std::visit(
      [&](const auto& figure) {
        for (std::size_t p = 0; p < std::min(figure.panels.size(), drawn.frames.size()); ++p) {
          panels.push_back(panel_json(figure, p));
          panels.back()["frame"] = frame_json(drawn.frames[p]);
        }
      },
      item.figure);
  std::string text = Json{{"panels", panels}}.dump(-1, ' ', false, Json::error_handler_t::replace), out;
  for (const char c : text) out += c == '<' ? std::string("\\u003c") : std::string(1, c);
  return out;
}

}  // namespace normscope
