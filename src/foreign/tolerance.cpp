#include "foreign/tolerance.h"

#include <algorithm>
#include <cmath>

#include <normscope/core/random.h>

namespace normscope::foreign {
namespace {

constexpr Format kFormats[] = {
    {"float64", 53, -1074}, {"float32", 24, -149}, {"float16", 11, -24}, {"bfloat16", 8, -133}};
constexpr int kDraws = 16, kDrawsOfLinear = 4;

/// Does the format hold `value`, and does it need the last bit?
bool holds(const Format& f, double value, bool& uses_last_bit) {
  int exponent = 0;
  const double scaled = std::ldexp(std::frexp(value, &exponent), f.digits);  // an integer below 2^digits
  if (f.digits == 11 && std::abs(value) > 65504) return false;
  uses_last_bit = std::fmod(scaled, 2) != 0;
  const double steps = std::ldexp(value, -std::max(exponent - f.digits, f.least));
  return steps == std::nearbyint(steps);
}

bool fits(const Format& f, const std::vector<const NpzArray*>& arrays) {
  bool witness = false;
  for (const NpzArray* array : arrays)
    for (const double value : array->values) {
      bool last = false;
      if (!std::isfinite(value) || !holds(f, value, last)) return false;
      witness |= last && value != std::trunc(value);
    }
  return witness;
}

const Format& stored_in(const NpzArray& array) {
  for (const Format& f : kFormats)
    if (f.name == array.dtype) return f;
  return kFormats[0];  // integers
}

/// Values times 1 + h normal, the smallest number of the format included, as float32 where asked.
std::vector<double> moved(const std::vector<double>& values, double h, double least, bool as_float,
                          const Random& random) {
  std::vector<double> out(values.size());
  for (std::size_t i = 0; i < out.size(); ++i) {
    const double value = values[i] + random.normal(i) * (h * std::abs(values[i]) + (values[i] != 0 ? least : 0));
    out[i] = as_float ? static_cast<double>(static_cast<float>(value)) : value;
  }
  return out;
}

NormCall moved(const NormCall& call, double h, double least, bool as_float, int draw) {
  const auto stream = [&](const std::string& name) {
    return Random(static_cast<std::uint64_t>(draw), Purpose::perturb, stream_of(name));
  };
  NormCall out = call;
  out.x = moved(call.x, h, least, as_float, stream("x"));
  out.dy = moved(call.dy, h, least, as_float, stream("dy"));
  for (auto& [name, values] : out.parameters) values = moved(values, h, least, as_float, stream(name));
  return out;
}

/// Powers of two that bring each row's x, and dy as a whole, to where float32 neither overflows nor underflows. A row
/// that is so large that eps is nothing is left near 2^20: dx of the row grows as x shrinks.
struct Range {
  std::vector<int> row;  ///< x = scaled x 2^row
  int dy = 0;
};

int exponent_of(const double* values, std::size_t count) {
  double largest = 0;
  for (std::size_t i = 0; i < count; ++i) largest = std::max(largest, std::abs(values[i]));
  int exponent = 0;
  std::frexp(largest, &exponent);
  return largest == 0 ? 0 : exponent;
}

Range bring_in_range(const Problem& p, NormCall& call) {
  Range range{std::vector<int>(static_cast<std::size_t>(p.rows), 0)};
  for (std::int64_t row = 0; p.row_norm && row < p.rows; ++row) {
    double* x = &call.x[p.at(row, 0)];
    const int exponent = exponent_of(x, static_cast<std::size_t>(p.width));
    const bool small = exponent < -40 && std::sqrt(call.eps) < std::ldexp(1, exponent - 24);
    int& shift = range.row[static_cast<std::size_t>(row)];
    shift = exponent > 40 ? exponent - 20 : small ? exponent : 0;
    for (std::int64_t i = 0; i < p.width; ++i) x[i] = std::ldexp(x[i], -shift);
  }
  range.dy = exponent_of(call.dy.data(), call.dy.size());
  for (double& v : call.dy) v = std::ldexp(v, -range.dy);
  return range;
}

void out_of_range(const Problem& p, const Range& range, Results& difference) {
  for (auto& [name, values] : difference) {
    if (name == "y") continue;
    for (std::size_t i = 0; i < values.size(); ++i) {
      const int row = name == "dx" ? range.row[i / static_cast<std::size_t>(p.width)] : 0;
      values[i] = std::ldexp(values[i], range.dy - row);
    }
  }
}

Results minus(Results a, const Results& b) {
  for (auto& [name, values] : a)
    for (std::size_t i = 0; i < values.size(); ++i) values[i] -= b.at(name)[i];
  return a;
}

/// sums += (difference / unit)^2; what is not finite (float32 overflowed) tells nothing.
void add_squares(Results& sums, const Results& difference, double unit) {
  for (const auto& [name, values] : difference) {
    std::vector<double>& sum = sums[name];
    sum.resize(values.size());
    for (std::size_t i = 0; i < values.size(); ++i)
      if (std::isfinite(values[i])) sum[i] += (values[i] / unit) * (values[i] / unit);
  }
}

/// E of tolerances().
Results condition(const Problem& p, const Format& format) {
  const double h = std::max(format.unit(), 0x1p-44);  // float64's own step would drown in the yardstick's rounding
  const int draws = p.linear ? kDrawsOfLinear : kDraws;
  Results inputs, rounding;
  for (int draw = 0; draw < draws; ++draw)
    add_squares(inputs, minus(evaluate(moved(p.call, h, std::ldexp(1, format.least), false, draw)), p.right), h);
  NormCall scaled = p.call;
  const Range range = bring_in_range(p, scaled);
  for (int draw = 0; !p.linear && draw < draws; ++draw) {
    NormCall call = moved(scaled, 0x1p-24, 0, true, draw);
    call.by_formula = true;
    const Results exact = evaluate(call);
    call.dtype = "float32";
    Results difference = minus(evaluate(call), exact);
    out_of_range(p, range, difference);
    add_squares(rounding, difference, 0x1p-24);
  }
  for (auto& [name, sum] : inputs)
    for (std::size_t i = 0; i < sum.size(); ++i)
      sum[i] = std::sqrt(sum[i] / draws) + (p.linear ? 0 : std::sqrt(rounding.at(name)[i] / draws));
  return inputs;
}

/// S of tolerances() for y, dx and dgain of the form that Problem::linear says.
Results linear_terms(const Problem& p, double unit) {
  Results terms{{"y", p.n}, {"dx", p.n}, {"dgain", std::vector<double>(static_cast<std::size_t>(p.width), 0)}};
  const auto width = static_cast<double>(p.width);
  for (std::int64_t row = 0; row < p.rows; ++row) {
    const double r = std::abs(p.r[static_cast<std::size_t>(row)]), k = std::abs(p.k[static_cast<std::size_t>(row)]);
    double mean_x = 0, mean_dn = 0, along = 0, along_terms = 0;
    for (std::int64_t i = 0; i < p.width; ++i) mean_x += p.centred ? std::abs(p.call.x[p.at(row, i)]) / width : 0;
    const auto n_terms = [&](std::size_t at) { return r * (std::abs(p.call.x[at]) + mean_x); };
    for (std::int64_t i = 0; i < p.width; ++i) {
      const std::size_t at = p.at(row, i);
      mean_dn += p.centred ? std::abs(p.dn[at]) / width : 0;
      along += std::abs(p.dn[at] * p.n[at]) / width;
      along_terms += std::abs(p.dn[at]) * n_terms(at) / width;
    }
    for (std::int64_t i = 0; i < p.width; ++i) {
      const std::size_t at = p.at(row, i), column = static_cast<std::size_t>(i);
      terms["y"][at] = n_terms(at);
      terms["dx"][at] =
          r * (std::abs(p.dn[at]) + mean_dn +
               k * (std::abs(p.n[at]) * along_terms + n_terms(at) * along + unit * n_terms(at) * along_terms));
      terms["dgain"][column] += std::abs(p.call.dy[at]) * n_terms(at);
    }
  }
  return terms;
}

/// S where nothing is known of the norm.
Results plain_terms(const Problem& p) {
  Results terms = p.right;
  terms["y"] = p.n;
  for (auto& [name, values] : terms)
    for (double& v : values) v = std::abs(v);
  if (p.dn.empty()) return terms;
  std::vector<double>& dgain = terms["dgain"];
  dgain.assign(static_cast<std::size_t>(p.width), 0);
  for (std::size_t i = 0; i < p.n.size(); ++i) dgain[i % dgain.size()] += std::abs(p.call.dy[i] * p.n[i]);
  return terms;
}

/// S of tolerances().
Results absolute_terms(const Problem& p, double unit) {
  Results terms = plain_terms(p);
  if (p.linear)
    for (auto& [name, values] : linear_terms(p, unit)) terms[name] = values;
  const auto bias = p.call.parameters.find("bias");
  std::vector<double>& y = terms["y"];
  for (std::size_t i = 0; i < y.size(); ++i) {
    const std::size_t column = i % static_cast<std::size_t>(p.width);
    y[i] = y[i] * std::abs(p.gain[column]) + (bias == p.call.parameters.end() ? 0 : std::abs(bias->second[column]));
  }
  if (!p.right.contains("dbias")) return terms;
  std::vector<double>& dbias = terms["dbias"];
  std::fill(dbias.begin(), dbias.end(), 0);
  for (std::size_t i = 0; i < p.call.dy.size(); ++i) dbias[i % dbias.size()] += std::abs(p.call.dy[i]);
  return terms;
}

}  // namespace

double Format::unit() const { return std::ldexp(1, -digits); }

const Format& coarser(const Format& a, const Format& b) { return a.digits < b.digits ? a : b; }

const Format& format_of(const std::vector<const NpzArray*>& arrays) {
  const Format* found = &stored_in(*arrays.front());
  for (const NpzArray* array : arrays)
    if (stored_in(*array).digits > found->digits) found = &stored_in(*array);
  for (const Format* f = found + 1; f < std::end(kFormats); ++f)
    if (fits(*f, arrays)) found = f;
  return *found;
}

double allowance(const Problem& p, const std::string& result, const Format& format) {
  const bool entries = result == "y" || result == "dx";
  const bool own = !entries && result != "dgain" && result != "dbias";
  const std::int64_t n = own ? p.rows * p.width : entries && p.row_norm ? p.width : p.rows + p.width;
  return 4 * (format.unit() + 0x1p-53) + std::min(format.unit(), 0x1p-24) * std::sqrt(static_cast<double>(n)) / 2;
}

Results tolerances(const Problem& problem, const Format& format) {
  Results bounds = condition(problem, format);
  const Results terms = absolute_terms(problem, format.unit());
  for (auto& [name, bound] : bounds)
    for (std::size_t i = 0; i < bound.size(); ++i)
      bound[i] = allowance(problem, name, format) * (bound[i] + terms.at(name)[i]) + std::ldexp(1, format.least);
  return bounds;
}

}  // namespace normscope::foreign
