// Mistakes in the terms of dx, and in the gradients of the parameters.
#include <functional>

#include "foreign/mistakes.h"

namespace normscope::foreign {

namespace {

/// The terms of dx = r (dn - mean - n along) at one entry of one row; `along` has the factor k in it.
struct Terms {
  double x, n, dn, r, mean, along, right, width;
};

/// dx, made wrongly of its terms. None where dx is not of that form (Problem::linear). The means are those
/// of `of_dn`, if given.
std::vector<Form> wrong_dx(const Problem& p, const std::function<double(const Terms&)>& f,
                           const std::vector<double>* of_dn = nullptr) {
  if (!p.linear) return {};
  const std::vector<double>& dn = of_dn ? *of_dn : p.dn;
  std::vector<double> dx = p.right.at("dx");
  for (std::int64_t row = 0; row < p.rows; ++row) {
    const auto width = static_cast<double>(p.width);
    const double r = p.r[static_cast<std::size_t>(row)];
    double mean = 0, along = 0;
    for (std::int64_t i = 0; i < p.width; ++i) {
      mean += dn[p.at(row, i)] / width;
      along += dn[p.at(row, i)] * p.n[p.at(row, i)] / width;
    }
    along *= p.k[static_cast<std::size_t>(row)];
    for (std::int64_t i = 0; i < p.width; ++i) {
      const std::size_t at = p.at(row, i);
      dx[at] = f({p.call.x[at], p.n[at], p.dn[at], r, mean, along, dx[at], width});
    }
  }
  return {{{{"dx", dx}}}};
}

/// The sum over rows of f(place) as the gradient of gain or bias, [C].
std::vector<double> summed(const Problem& p, const std::function<double(std::size_t)>& f) {
  std::vector<double> sum(static_cast<std::size_t>(p.width), 0);
  for (std::size_t i = 0; i < p.dn.size(); ++i) sum[i % sum.size()] += f(i);
  return sum;
}

/// The terms of the gradients of gain and bias, [rows, C].
Results parameter_terms(const Problem& p) {
  Results terms;
  if (p.right.contains("dgain")) {
    terms["dgain"] = p.call.dy;
    for (std::size_t i = 0; i < p.call.dy.size(); ++i) terms["dgain"][i] *= p.n[i];
  }
  if (p.right.contains("dbias")) terms["dbias"] = p.call.dy;
  return terms;
}

bool has_dgain(const Problem& p) { return p.right.contains("dgain"); }

}  // namespace

std::vector<Form> mistake_gain_outside_means(const Problem& p) {
  return wrong_dx(
      p, [&](const Terms& t) { return t.r * (t.dn - (p.centred ? t.mean : 0) - t.n * t.along); }, &p.call.dy);
}

std::vector<Form> mistake_first_mean(const Problem& p) {
  if (!p.centred) return {};
  return wrong_dx(p, [](const Terms& t) { return t.right + t.r * t.mean; });
}

std::vector<Form> mistake_second_mean(const Problem& p) {
  return wrong_dx(p, [](const Terms& t) { return t.right + t.r * t.n * t.along; });
}

std::vector<Form> mistake_detached(const Problem& p) {
  if (!p.centred) return {};
  return wrong_dx(p, [](const Terms& t) { return t.r * t.dn; });
}

std::vector<Form> mistake_layernorm_term(const Problem& p) {
  if (p.centred) return {};
  return wrong_dx(p, [](const Terms& t) { return t.right - t.r * t.mean; });
}

std::vector<Form> mistake_second_mean_sign(const Problem& p) {
  return wrong_dx(p, [](const Terms& t) { return t.right + 2 * t.r * t.n * t.along; });
}

std::vector<Form> mistake_sums_for_means(const Problem& p) {
  return wrong_dx(
      p, [&](const Terms& t) { return t.right - (t.width - 1) * t.r * ((p.centred ? t.mean : 0) + t.n * t.along); });
}

std::vector<Form> mistake_x_for_n(const Problem& p) {
  return wrong_dx(p, [](const Terms& t) { return t.right + t.r * (t.n - t.x) * t.along; });
}

std::vector<Form> mistake_no_scale(const Problem& p) {
  return wrong_dx(p, [](const Terms& t) { return t.right / t.r; });
}

std::vector<Form> mistake_scale_twice(const Problem& p) {
  return wrong_dx(p, [](const Terms& t) { return t.right * t.r; });
}

std::vector<Form> mistake_adds_dy(const Problem& p) {
  if (p.dn.empty()) return {};
  Results results{{"dx", p.right.at("dx")}};
  for (std::size_t i = 0; i < p.call.dy.size(); ++i) results["dx"][i] += p.call.dy[i];
  return {{results}};
}

std::vector<Form> mistake_negative(const Problem& p) {
  Results results = p.right;
  for (auto& [name, values] : results)
    for (double& v : values) v = -v;
  return {{results}};
}

std::vector<Form> mistake_not_summed(const Problem& p) { return {{parameter_terms(p)}}; }

std::vector<Form> mistake_one_row(const Problem& p) {
  if (p.rows == 1) return {};
  std::vector<Form> forms(2);
  for (const auto& [name, terms] : parameter_terms(p)) {
    forms[0].results[name].assign(terms.begin(), terms.begin() + p.width);
    forms[1].results[name].assign(terms.end() - p.width, terms.end());
  }
  forms[0].detail = "the gradient is that of the first row alone";
  forms[1].detail = "the gradient is that of the last row alone";
  return forms;
}

std::vector<Form> mistake_averaged(const Problem& p) {
  Results results;
  for (const char* name : {"dgain", "dbias"})
    if (p.right.contains(name)) {
      results[name] = p.right.at(name);
      for (double& v : results[name]) v /= static_cast<double>(p.rows);
    }
  return {{results}};
}

std::vector<Form> mistake_dgain_of_x(const Problem& p) {
  if (!has_dgain(p)) return {};
  return {{{{"dgain", summed(p, [&](std::size_t i) { return p.call.dy[i] * p.call.x[i]; })}}}};
}

std::vector<Form> mistake_dgain_of_centred(const Problem& p) {
  if (!has_dgain(p) || !p.centred) return {};
  const auto width = static_cast<std::size_t>(p.width);
  return {{{{"dgain", summed(p, [&](std::size_t i) { return p.call.dy[i] * p.n[i] / p.r[i / width]; })}}}};
}

std::vector<Form> mistake_dgain_of_y(const Problem& p) {
  if (!has_dgain(p)) return {};
  return {{{{"dgain", summed(p, [&](std::size_t i) { return p.call.dy[i] * p.right.at("y")[i]; })}}}};
}

std::vector<Form> mistake_gain_in_dgain(const Problem& p) {
  if (!has_dgain(p)) return {};
  return {{{{"dgain", summed(p, [&](std::size_t i) { return p.dn[i] * p.n[i]; })}}}};
}

std::vector<Form> mistake_dgain_is_dbias(const Problem& p) {
  if (!has_dgain(p)) return {};
  return {{{{"dgain", summed(p, [&](std::size_t i) { return p.call.dy[i]; })}}}};
}

std::vector<Form> mistake_dbias_is_dgain(const Problem& p) {
  if (!p.right.contains("dbias")) return {};
  return {{{{"dbias", summed(p, [&](std::size_t i) { return p.call.dy[i] * p.n[i]; })}}}};
}

std::vector<Form> mistake_dbias_has_gain(const Problem& p) {
  if (!p.right.contains("dbias")) return {};
  return {{{{"dbias", summed(p, [&](std::size_t i) { return p.dn[i]; })}}}};
}

}  // namespace normscope::foreign
