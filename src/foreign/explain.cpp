#include "foreign/explain.h"

#include <algorithm>
#include <cmath>
#include <optional>
#include <set>

#include "foreign/mistakes.h"

namespace normscope::foreign {
namespace {

constexpr double kSlack = 4, kBetter = 4;
constexpr std::ptrdiff_t kMostNamed = 3;

struct Misfit {
  double worst = 0, mean = 0;  ///< of difference / allowed; the root mean square
};

/// How far `made` is from what the file says; nothing when they are not of one size.
std::optional<Misfit> misfit(const Wrong& wrong, const std::vector<double>& made, const std::vector<double>& scale_of) {
  if (wrong.values.size() != made.size()) return {};
  double size = 0;
  for (const double v : scale_of) size += v * v / static_cast<double>(scale_of.size());
  size = std::sqrt(size);
  Misfit fit;
  for (std::size_t i = 0; i < made.size(); ++i) {
    const double own = wrong.tolerance.size() == made.size() ? wrong.tolerance[i] : 0;
    const double allowed = kSlack * (own + wrong.relative * (std::abs(scale_of[i]) + size)) + 1e-300;
    const double off = std::abs(wrong.values[i] - made[i]) / allowed;
    if (!std::isfinite(off)) return {};
    fit.worst = std::max(fit.worst, off);
    fit.mean += off * off / static_cast<double>(made.size());
  }
  fit.mean = std::sqrt(fit.mean);
  return fit;
}

struct Candidate {
  const Mistake* mistake;
  Form form;
  std::set<std::string> explains;
  double misfit = 0;  ///< the largest mean misfit of what it explains
};

Candidate test(const Mistake& mistake, const Form& form, const Problem& problem, const std::vector<Wrong>& wrong) {
  Candidate candidate{&mistake, form, {}, 0};
  for (const Wrong& w : wrong) {
    const auto made = form.results.find(w.name);
    if (made == form.results.end()) continue;
    const auto fit = misfit(w, made->second, made->second);
    const auto right = misfit(w, problem.right.at(w.name), made->second);
    if (!fit || fit->worst > 1 || (right && right->worst < kBetter * fit->worst)) continue;
    candidate.explains.insert(w.name);
    candidate.misfit = std::max(candidate.misfit, fit->mean);
  }
  return candidate;
}

/// Are they one and the same for the results `names`, but for rounding? (rmsnorm and prmsnorm:p=1)
bool same(const Candidate& a, const Candidate& b, const std::set<std::string>& names) {
  for (const std::string& name : names) {
    const std::vector<double>&u = a.form.results.at(name), &v = b.form.results.at(name);
    double scale = 0;
    for (const double value : u) scale = std::max(scale, std::abs(value));
    for (std::size_t i = 0; i < u.size(); ++i)
      if (std::abs(u[i] - v[i]) > 1e-12 * scale) return false;
  }
  return true;
}

}  // namespace

void explain(const Problem& problem, const std::vector<Wrong>& wrong, Judgement& judgement) {
  std::vector<Candidate> candidates;
  if (!wrong.empty())
    for (const Mistake& mistake : mistake_table())
      for (const Form& form : mistake.forms(problem)) {
        Candidate candidate = test(mistake, form, problem, wrong);
        if (!candidate.explains.empty()) candidates.push_back(std::move(candidate));
      }
  std::set<std::string> open;
  for (const Wrong& w : wrong) open.insert(w.name);
  while (!open.empty()) {
    std::size_t most = 0;
    for (Candidate& c : candidates) {
      std::erase_if(c.explains, [&](const std::string& name) { return !open.contains(name); });
      most = std::max(most, c.explains.size());
    }
    if (most == 0) break;
    std::erase_if(candidates, [](const Candidate& c) { return c.explains.empty(); });
    std::vector<Candidate> best;
    std::copy_if(candidates.begin(), candidates.end(), std::back_inserter(best),
                 [&](const Candidate& c) { return c.explains.size() == most; });
    const auto closest = std::min_element(best.begin(), best.end(),
                                          [](const Candidate& a, const Candidate& b) { return a.misfit < b.misfit; });
    const std::set<std::string> names = closest->explains;
    const double limit = 1.5 * closest->misfit + 1e-12;
    std::erase_if(best, [&](const Candidate& c) { return c.explains != names || c.misfit > limit; });
    for (std::size_t i = 0; i < best.size(); ++i)
      best.erase(std::remove_if(best.begin() + static_cast<std::ptrdiff_t>(i) + 1, best.end(),
                                [&](const Candidate& c) { return same(best[i], c, names); }),
                 best.end());
    if (std::ssize(best) > kMostNamed) best.erase(best.begin() + kMostNamed, best.end());
    std::vector<std::string> ordered;
    for (const Wrong& w : wrong)
      if (names.contains(w.name)) ordered.push_back(w.name);
    for (const Candidate& c : best)
      judgement.explanations.push_back(
          {ordered, c.form.detail.empty() ? c.mistake->what : c.form.detail, c.mistake->correct});
    for (const std::string& name : names) open.erase(name);
  }
  for (const Wrong& w : wrong)
    if (open.contains(w.name)) judgement.unexplained.push_back(w.name);
}

}  // namespace normscope::foreign
