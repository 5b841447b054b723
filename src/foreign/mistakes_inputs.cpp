// Mistakes that are our own norm with other inputs: gain, eps, options, axis, another norm.
#include <cmath>

#include <fmt/format.h>

#include <normscope/norms/norm.h>

#include "foreign/mistakes.h"

namespace normscope::foreign {

namespace {

/// The gain that multiplies n, instead of the right one.
NormCall with_gain(const Problem& p, std::vector<double> whole) {
  for (double& g : whole) g -= p.gain_offset;
  NormCall call = p.call;
  call.parameters["gain"] = std::move(whole);
  return call;
}

Results only(const Results& all, std::initializer_list<const char*> names) {
  Results some;
  for (const char* name : names)
    if (const auto found = all.find(name); found != all.end()) some.insert(*found);
  return some;
}

Results with_eps(const Problem& p, double eps) {
  NormCall call = p.call;
  call.eps = eps;
  return evaluate(call);
}

/// What ours gives for rows of `width`, put back in place: element i of the new array is element place(i) of the old.
/// Without gain and bias, which belong to the last axis and are applied afterwards.
template <class Place>
std::vector<Form> regrouped(const Problem& p, std::int64_t width, Place&& place) {
  if (!p.row_norm || p.rows == 1 || p.width == width || !p.has_gain) return {};
  NormCall call = p.call;
  call.width = width;
  call.parameters.erase("bias");
  call.parameters["gain"].assign(static_cast<std::size_t>(width), 1 - p.gain_offset);
  for (std::size_t i = 0; i < call.x.size(); ++i) {
    call.x[i] = p.call.x[place(i)];
    if (!call.dy.empty()) call.dy[i] = p.dn[place(i)];
  }
  const Results results = evaluate(call);
  const auto bias = p.call.parameters.find("bias");
  const auto columns = static_cast<std::size_t>(p.width);
  Results out{{"y", results.at("y")}};
  if (!call.dy.empty()) {
    out["dx"] = results.at("dx");
    out["dgain"].assign(columns, 0);
  }
  for (std::size_t i = 0; i < call.x.size(); ++i) {
    const std::size_t to = place(i), column = to % columns;
    const double n = results.at("y")[i];
    out["y"][to] = p.gain[column] * n + (bias == p.call.parameters.end() ? 0 : bias->second[column]);
    if (call.dy.empty()) continue;
    out["dx"][to] = results.at("dx")[i];
    out["dgain"][column] += p.call.dy[to] * n;
  }
  return {{out}};
}

}  // namespace

std::vector<Form> mistake_gain_twice(const Problem& p) {
  if (!p.has_gain) return {};
  std::vector<double> squared = p.gain;
  for (double& g : squared) g *= g;
  Results results = only(evaluate(with_gain(p, squared)), {"y", "dx"});
  if (!p.dn.empty()) {  // y = g^2 n
    results["dgain"] = p.right.at("dgain");
    for (std::size_t i = 0; i < p.gain.size(); ++i) results["dgain"][i] *= 2 * p.gain[i];
  }
  return {{results}};
}

std::vector<Form> mistake_gain_missing(const Problem& p) {
  if (!p.has_gain) return {};
  return {{only(evaluate(with_gain(p, std::vector<double>(p.gain.size(), 1))), {"y", "dx"})}};
}

std::vector<Form> mistake_gain_offset(const Problem& p) {
  if (!p.has_gain) return {};
  std::vector<double> other = p.gain;
  for (double& g : other) g += p.gain_offset == 0 ? 1 : -p.gain_offset;
  return {{only(evaluate(with_gain(p, other)), {"y", "dx"}),
           p.gain_offset == 0 ? "1 is added to the gain" : "1 is not added to the gain"}};
}

std::vector<Form> mistake_bias_missing(const Problem& p) {
  const auto bias = p.call.parameters.find("bias");
  if (bias == p.call.parameters.end()) return {};
  Results results = only(p.right, {"y"});
  for (std::size_t i = 0; i < results["y"].size(); ++i) results["y"][i] -= bias->second[i % bias->second.size()];
  return {{results}};
}

std::vector<Form> mistake_option(const Problem& p) {
  const NormSpec spec = parse_norm(p.call.name, {});
  const NormEntry& entry = norm_entry(spec.name);
  std::vector<Form> forms;
  for (const NormOption& option : entry.options) {
    if (!option.flag) continue;
    NormSpec other = spec;
    const bool on = !norm_values(entry, spec).flag(option.name);
    other.options[option.name] = on ? "true" : "false";
    const auto gain = entry.gain(norm_values(entry, other));
    if (p.has_gain && gain && gain->offset != p.gain_offset) continue;  // gain_offset says it
    NormCall call = p.call;
    call.name = norm_text(other);
    forms.push_back({evaluate(call), fmt::format("computed with {}={} ({}{})", option.name, on,
                                                 on ? "" : "not: ", option.documentation)});
  }
  return forms;
}

std::vector<Form> mistake_eps_missing(const Problem& p) {
  if (p.call.eps == 0) return {};
  return {{with_eps(p, 0)}};
}

std::vector<Form> mistake_eps_squared(const Problem& p) {
  if (p.call.eps == 0) return {};
  return {{with_eps(p, p.call.eps * p.call.eps)}};
}

std::vector<Form> mistake_eps_other(const Problem& p) {
  std::vector<Form> forms;
  for (const double eps : {1e-2, 1e-3, 1e-4, 1e-5, 1e-6, 1e-7, 1e-8, 1e-12})
    if (std::abs(eps / p.call.eps - 1) > 1e-6)
      forms.push_back({with_eps(p, eps), fmt::format("computed with eps = {:g}, not {:g}", eps, p.call.eps)});
  return forms;
}

std::vector<Form> mistake_unbiased(const Problem& p) {
  const NormEntry& entry = norm_entry(parse_norm(p.call.name, {}).name);
  for (const NormOption& option : entry.options)
    if (option.name == "unbiased") return {};  // option says it
  if (!p.linear || p.width == 1) return {};
  // x / sqrt(C/(C-1) mean(x^2) + eps) is n(s x) / s, s^2 = C / (C - 1)
  const double s = std::sqrt(static_cast<double>(p.width) / static_cast<double>(p.width - 1));
  NormCall call = p.call;
  for (double& v : call.x) v *= s;
  Results results = evaluate(call);
  const auto bias = call.parameters.find("bias");
  for (std::size_t i = 0; i < call.x.size(); ++i) {
    const double b = bias == call.parameters.end() ? 0 : bias->second[i % bias->second.size()];
    results["y"][i] = (results["y"][i] - b) / s + b;
  }
  if (const auto dgain = results.find("dgain"); dgain != results.end())
    for (double& v : dgain->second) v /= s;
  return {{results}};
}

std::vector<Form> mistake_wrong_axis(const Problem& p) {
  const auto rows = static_cast<std::size_t>(p.rows), width = static_cast<std::size_t>(p.width);
  return regrouped(p, p.rows, [rows, width](std::size_t i) { return i % rows * width + i / rows; });
}

std::vector<Form> mistake_all_axes(const Problem& p) {
  return regrouped(p, p.rows * p.width, [](std::size_t i) { return i; });
}

std::vector<Form> mistake_other_norm(const Problem& p) {
  const NormSpec spec = parse_norm(p.call.name, {});
  std::vector<Form> forms;
  for (const NormEntry& entry : norm_table()) {
    // Of a detached norm the mistakes in dx say what is missing.
    if (entry.name == spec.name || entry.over != Over::rows || entry.detached || !entry.parameters.empty()) continue;
    for (const std::string& variant : norm_variants(entry)) {
      const NormSpec other = parse_norm(variant, {});
      NormCall call = p.call;
      call.name = variant;
      const auto gain = entry.gain(norm_values(entry, other));
      std::erase_if(call.parameters, [](const auto& item) { return item.first != "gain" && item.first != "bias"; });
      if (!gain) call.parameters.clear();
      forms.push_back({evaluate(call), "these are the results of " + variant});
    }
  }
  return forms;
}

}  // namespace normscope::foreign
