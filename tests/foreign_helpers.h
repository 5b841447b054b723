#pragma once
// Other programs' norms, written out by hand, in any precision: what gradcheck --foreign judges.
#include <algorithm>
#include <cmath>
#include <functional>
#include <string>
#include <vector>

#include <normscope/core/random.h>

#include "foreign/foreign.h"

namespace normscope::foreign_test {

using List = std::vector<double>;
using File = std::map<std::string, NpzArray>;

inline double to_half(double v) {
  if (v == 0 || !std::isfinite(v)) return v;
  int exponent = 0;
  std::frexp(v, &exponent);
  const double step = std::ldexp(1, std::max(exponent - 11, -24));
  return std::nearbyint(v / step) * step;
}
inline double to_single(double v) { return static_cast<double>(static_cast<float>(v)); }

/// The rounding after each operation, and after each addition to a sum. Half precision sums in float32, as programs do.
struct Arithmetic {
  std::string dtype = "float64";
  double operator()(double v) const { return dtype == "float64" ? v : dtype == "float32" ? to_single(v) : to_half(v); }
  double wide(double v) const { return dtype == "float64" ? v : to_single(v); }
};

struct Inputs {
  std::int64_t rows = 0, width = 0;
  List x, dy, gain, bias;
  double eps = 1e-5;
  std::size_t at(std::int64_t row, std::int64_t i) const { return static_cast<std::size_t>(row * width + i); }
};

inline Inputs inputs(const Arithmetic& f, std::int64_t rows, std::int64_t width, double eps, double offset = 0,
                     double scale = 1, std::uint64_t seed = 1) {
  Inputs in{rows, width, {}, {}, {}, {}, eps};
  const auto draw = [&](std::int64_t count, const char* name, double mean, double size) {
    const Random random(seed, Purpose::gradcheck, stream_of(name));
    List list;
    for (std::int64_t i = 0; i < count; ++i)
      list.push_back(f(size * (mean + random.normal(static_cast<std::uint64_t>(i)))));
    return list;
  };
  in.x = draw(rows * width, "x", offset, scale);
  in.dy = draw(rows * width, "dy", 0, 1);
  in.gain = draw(width, "gain", 1, 0.5);
  in.bias = draw(width, "bias", 0, 0.5);
  return in;
}

/// Factors of the terms of LayerNorm and RMSNorm; another than these is a mistake.
struct Terms {
  double mean = 1, variance = 1, eps = 1, gain = 1, bias = 1, dn = 1, first = 1, second = 1, r = 1, dgain = 1,
         dbias = 1;
};
struct Form {
  bool centred = true, eps_outside = false, unbiased = false;
  double gain_offset = 0;
  Terms terms{};
};

struct Outputs {
  List y, dx, dgain, dbias, dscalar;  ///< dscalar: of a norm's own number
};

/// LayerNorm (centred) or RMSNorm, in the usual order of operations, sums one number after the other.
inline Outputs row_norm(const Arithmetic& f, const Inputs& in, const Form& form) {
  const Terms& t = form.terms;
  const auto width = static_cast<double>(in.width);
  const double count = form.unbiased ? std::max(1.0, width - 1) : width;
  Outputs out{in.x, in.x, List(in.gain.size()), List(in.gain.size()), {}};
  for (std::int64_t row = 0; row < in.rows; ++row) {
    double sum = 0, square = 0, first = 0, second = 0;
    for (std::int64_t i = 0; i < in.width; ++i) sum = f.wide(sum + in.x[in.at(row, i)]);
    const double mean = form.centred ? f.wide(t.mean * sum / width) : 0;
    for (std::int64_t i = 0; i < in.width; ++i) {
      const double c = f.wide(in.x[in.at(row, i)] - mean);
      square = f.wide(square + f.wide(c * c));
    }
    const double v = f.wide(t.variance * square / count), eps = f.wide(t.eps * in.eps);
    const double s = form.eps_outside ? f.wide(f.wide(std::sqrt(v)) + eps) : f.wide(std::sqrt(f.wide(v + eps)));
    const double r = f.wide(t.r / s);
    const auto n = [&](std::int64_t i) { return f(f.wide(in.x[in.at(row, i)] - mean) * r); };
    const auto dn = [&](std::int64_t i) {
      return f(in.dy[in.at(row, i)] * f(form.gain_offset + in.gain[static_cast<std::size_t>(i)]));
    };
    for (std::int64_t i = 0; i < in.width; ++i) {
      first = f.wide(first + dn(i));
      second = f.wide(second + f.wide(dn(i) * n(i)));
    }
    first = form.centred ? f.wide(t.first * first / width) : 0;
    second = f.wide(t.second * second / count);
    if (form.eps_outside) second = v > 0 ? f.wide(second * f.wide(s / f.wide(std::sqrt(v)))) : 0;
    for (std::int64_t i = 0; i < in.width; ++i) {
      const auto column = static_cast<std::size_t>(i);
      const double whole = f(form.gain_offset + in.gain[column]), dy = in.dy[in.at(row, i)];
      out.y[in.at(row, i)] = f(f(t.gain * f(n(i) * whole)) + (form.centred ? t.bias * in.bias[column] : 0));
      out.dx[in.at(row, i)] = f(r * f(f(t.dn * dn(i) - first) - f(n(i) * second)));
      out.dgain[column] = f.wide(out.dgain[column] + t.dgain * f.wide(dy * n(i)));
      out.dbias[column] = f.wide(out.dbias[column] + t.dbias * dy);
    }
  }
  for (List* list : {&out.dgain, &out.dbias})
    for (double& v : *list) v = f(v);
  return out;
}

inline NpzArray array(const Arithmetic& f, std::vector<std::int64_t> shape, List values) {
  return {f.dtype, std::move(shape), std::move(values)};
}

/// The file as a program writes it; norms that are not centred have no bias.
inline File file(const Arithmetic& f, const Inputs& in, const Outputs& out, bool bias) {
  const std::vector<std::int64_t> matrix{in.rows, in.width}, row{in.width};
  File file{{"x", array(f, matrix, in.x)},      {"dy", array(f, matrix, in.dy)}, {"gain", array(f, row, in.gain)},
            {"eps", {"float64", {}, {in.eps}}}, {"y", array(f, matrix, out.y)},  {"dx", array(f, matrix, out.dx)},
            {"dgain", array(f, row, out.dgain)}};
  if (bias) {
    file["bias"] = array(f, row, in.bias);
    file["dbias"] = array(f, row, out.dbias);
  }
  return file;
}

/// For messages: which results are wrong, by how much, and what was named.
inline std::string text_of(const foreign::Judgement& j) {
  std::string text = j.norm + ":";
  for (const auto& r : j.results)
    if (!r.right)
      text += " " + r.name + " off by " + std::to_string(r.error / r.tolerance) + " times what " + r.precision +
              " allows" + r.problem + ";";
  for (const auto& e : j.explanations) text += " (" + e.what + ")";
  return text;
}

}  // namespace normscope::foreign_test
