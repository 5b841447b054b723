// gnuplot's enhanced text: escaped, measured, cut.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "study/figure.h"

namespace normscope {
namespace {

/// The pieces that show as one character each: UTF-8 sequences, escaped characters, doubled quotes.
std::vector<std::string> glyphs(const std::string& text) {
  std::vector<std::string> out;
  for (std::size_t i = 0; i < text.size();) {
    std::size_t n = 1;
    if ((text[i] == '\\' || text[i] == '\'') && i + 1 < text.size()) n = 2;
    while (i + n < text.size() && (text[i + n] & 0xC0) == 0x80) ++n;
    out.push_back(text.substr(i, n));
    i += n;
  }
  return out;
}

}  // namespace

std::string gp_text(const std::string& text) {
  // For single quotes: gnuplot runs what stands in backquotes inside double ones.
  std::string out;
  for (char c : text) {
    if (static_cast<unsigned char>(c) < 32) {
      out += ' ';
    } else if (c == '\'') {
      out += "''";
    } else if (std::string("_^@{}&~\\").find(c) != std::string::npos) {
      out += std::string("\\") + c;
    } else {
      out += c;
    }
  }
  return out;
}

std::string gp_plain(const std::string& text) {
  std::string out;
  for (const std::string& glyph : glyphs(text)) {
    if (glyph.size() == 2 && (glyph[0] == '\\' || glyph == "''")) {
      out += glyph[1];
    } else if (std::string("{}_^").find(glyph) == std::string::npos) {
      out += glyph;
    }
  }
  return out;
}

std::string linear_ticks(const char* axis, double low, double high, double most) {
  const double rough = (high - low) / std::max(most, 1.0), ten = std::pow(10.0, std::floor(std::log10(rough)));
  const double step = rough <= ten ? ten : rough <= 2 * ten ? 2 * ten : rough <= 5 * ten ? 5 * ten : 10 * ten;
  const double largest = std::max(std::abs(low), std::abs(high));
  // The largest label's digits down to the step's own; with fewer than its whole part has, it gets an exponent.
  const double whole = std::floor(std::log10(largest)) + 1;
  const double digits = std::max(whole - std::floor(std::log10(step * 1.0001)), whole < 6 ? whole : 1);
  return fmt::format("set format {0} '%.{1}h'; set {0}tics {2:.8g}\n", axis,
                     static_cast<int>(std::clamp(digits, 1.0, 15.0)), step);
}

double gp_width(const std::string& text, double size) { return 0.62 * size * static_cast<double>(glyphs(text).size()); }

std::string gp_fit(const std::string& text, double width, double size) {
  if (gp_width(text, size) <= width) return text;
  const auto pieces = glyphs(text);
  const auto fits = static_cast<std::size_t>(std::max(1.0, width / (0.62 * size) - 1));
  std::string out;
  for (std::size_t i = 0; i < std::min(fits, pieces.size()); ++i) out += pieces[i];
  return out + "…";
}

std::string gp_bold(const std::string& text, double width, double size) {
  const double needed = gp_width(text, size);
  const double fitting = std::clamp(size * width / std::max(needed, 1.0), std::min(10.0, size), size);
  return fmt::format("{{/:Bold={:.1f} {}}}", fitting, gp_fit(text, width, fitting));
}

}  // namespace normscope
