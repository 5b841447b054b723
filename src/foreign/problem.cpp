#include "foreign/problem.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include <normscope/norms/norm.h>

#include "core/text.h"

namespace normscope::foreign {
namespace {

double largest(const std::vector<double>& values) {
  return std::transform_reduce(
      values.begin(), values.end(), 0.0, [](double a, double b) { return std::max(a, b); },
      [](double v) { return std::abs(v); });
}

bool close(double a, double b, double scale) { return std::abs(a - b) <= 1e-6 * scale; }

/// Least squares for r and k of each row; false when a row is not of this form.
bool fit_row(Problem& p, std::int64_t row, bool centred, double n_scale) {
  const auto width = static_cast<std::size_t>(p.width);
  const double* x = &p.call.x[p.at(row, 0)];
  const double *n = &p.n[p.at(row, 0)], *dn = &p.dn[p.at(row, 0)], *dx = &p.right.at("dx")[p.at(row, 0)];
  const auto mean = [&](auto&& f) {
    double sum = 0;
    for (std::size_t i = 0; i < width; ++i) sum += f(i);
    return sum / static_cast<double>(width);
  };
  const double back = centred ? mean([&](std::size_t i) { return x[i]; }) : 0;
  const double shift = centred ? mean([&](std::size_t i) { return dn[i]; }) : 0;
  const double cc = mean([&](std::size_t i) { return (x[i] - back) * (x[i] - back); });
  const double dd = mean([&](std::size_t i) { return (dn[i] - shift) * (dn[i] - shift); });
  double r = 0;
  if (cc > 0)
    r = mean([&](std::size_t i) { return n[i] * (x[i] - back); }) / cc;
  else if (dd > 0)  // a row without spread: n = 0, dx = r (dn - mean(dn))
    r = mean([&](std::size_t i) { return dx[i] * (dn[i] - shift); }) / dd;
  else if (p.call.eps > 0)  // one entry: n and dx are 0 whatever r is
    r = 1 / std::sqrt(p.call.eps);
  const double along = mean([&](std::size_t i) { return dn[i] * n[i]; });
  const double nn = mean([&](std::size_t i) { return n[i] * n[i]; });
  double k = 1;  // where nothing shows it
  if (along != 0 && r != 0) k = mean([&](std::size_t i) { return (dn[i] - shift - dx[i] / r) * n[i]; }) / (along * nn);
  double dn_scale = 0;
  for (std::size_t i = 0; i < width; ++i) dn_scale = std::max(dn_scale, std::abs(dn[i]));
  for (std::size_t i = 0; i < width; ++i)
    if (!close(n[i], r * (x[i] - back), n_scale) ||
        !close(dx[i], r * (dn[i] - shift - k * n[i] * along), std::abs(r) * dn_scale * (1 + nn)))
      return false;
  p.r.push_back(r);
  p.k.push_back(k);
  return true;
}

bool fit(Problem& p, bool centred) {
  p.r.clear();
  p.k.clear();
  const double n_scale = largest(p.n);
  for (std::int64_t row = 0; row < p.rows; ++row)
    if (!fit_row(p, row, centred, n_scale)) return false;
  return true;
}

}  // namespace

std::string norm_text(const NormSpec& spec) {
  std::vector<std::string> parts;
  for (const auto& [key, value] : spec.options) parts.push_back(key + "=" + value);
  if (!spec.affine) parts.push_back("affine=false");
  if (spec.bias) parts.push_back(*spec.bias ? "bias=true" : "bias=false");
  return parts.empty() ? spec.name : spec.name + ":" + join(parts, "+");
}

Results evaluate(const NormCall& call) {
  const NormResult result = jobs_for(call.dtype).norm_apply(call);
  Results results{{"y", result.y}};
  if (!call.dy.empty()) results["dx"] = result.dx;
  results.insert(result.gradients.begin(), result.gradients.end());
  return results;
}

Problem make_problem(const NormCall& call) {
  Problem p;
  p.call = call;
  const NormSpec spec = parse_norm(call.name, {});
  const NormEntry& entry = norm_entry(spec.name);
  p.row_norm = entry.over == Over::rows;
  p.width = call.width;
  p.rows = static_cast<std::int64_t>(call.x.size()) / p.width;
  p.right = evaluate(call);
  const auto width = static_cast<std::size_t>(p.width);
  const auto gain = entry.gain(norm_values(entry, spec));
  p.has_gain = gain && spec.affine;
  p.gain.assign(width, 1);
  NormCall plain = call;
  if (p.has_gain) {
    p.gain_offset = gain->offset;
    const auto given = call.parameters.find("gain");
    for (std::size_t i = 0; i < width; ++i)
      p.gain[i] = p.gain_offset + (given == call.parameters.end() ? gain->start : given->second[i]);
    plain.parameters["gain"].assign(width, 1 - p.gain_offset);
    plain.parameters.erase("bias");
  }
  plain.dy.clear();
  p.n = evaluate(plain).at("y");
  if (call.dy.empty()) return p;
  p.dn = call.dy;
  for (std::size_t i = 0; i < p.dn.size(); ++i) p.dn[i] *= p.gain[i % width];
  if (!p.row_norm) return p;
  for (const bool centred : {true, false})  // a row of one entry has both forms when its mean is taken off
    if (!p.linear && fit(p, centred)) {
      p.linear = true;
      p.centred = centred;
    }
  return p;
}

}  // namespace normscope::foreign
