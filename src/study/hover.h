#pragma once
// What the page's script shows under the pointer: a figure's numbers as JSON beside its SVG.
#include <string>

#include "study/figures.h"

namespace normscope {

/// {"panels": [{"frame": [left, right, top, bottom, x low, x high, y low, y high, log x, log y], ...}]}: a curve panel
/// has "x" (its axis) and "series" (name, x, y); a map has "rows", "x0", "dx", "unit" and "z". Numbers have four
/// digits, what is not finite is null. Nothing in it can end an HTML element.
std::string hover_json(const FigureItem& item, const Drawn& drawn);

}  // namespace normscope
