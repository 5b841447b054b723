#include <normscope/core/error.h>
#include <normscope/core/random.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "data/synthetic.h"

namespace normscope {
namespace {

constexpr std::size_t K = MarkovSource::K;
constexpr double kDeviation = 1.5;

std::size_t draw(const double* probability, std::size_t count, double uniform) {
  double sum = 0;
  for (std::size_t k = 0; k + 1 < count; ++k) {
    sum += probability[k];
    if (uniform < sum) return k;
  }
  return count - 1;
}

std::vector<double> draw_probabilities(std::uint64_t seed) {
  const Random single(seed, Purpose::corpus, stream_of("markov.u")), both(seed, Purpose::corpus, stream_of("markov.v"));
  std::vector<double> p(K * K * K);
  for (std::size_t pair = 0; pair < K * K; ++pair) {
    double* row = &p[pair * K];
    for (std::size_t c = 0; c < K; ++c) {
      row[c] = std::exp(kDeviation * (single.normal(pair % K * K + c) + both.normal(pair * K + c)));
    }
    const double sum = std::accumulate(row, row + K, 0.0);
    for (std::size_t c = 0; c < K; ++c) row[c] /= sum;
  }
  return p;
}

// Power iteration pi'(b,c) = sum_a pi(a,b) P(c|a,b): every pair reaches every other in two steps, so it converges.
std::vector<double> stationary_pairs(const std::vector<double>& p) {
  std::vector<double> pi(K * K, 1.0 / (K * K)), next(K * K);
  for (int iteration = 0; iteration < 10000; ++iteration) {
    std::fill(next.begin(), next.end(), 0.0);
    for (std::size_t pair = 0; pair < K * K; ++pair) {
      for (std::size_t c = 0; c < K; ++c) next[pair % K * K + c] += pi[pair] * p[pair * K + c];
    }
    const double sum = std::accumulate(next.begin(), next.end(), 0.0);
    double change = 0;
    for (std::size_t i = 0; i < K * K; ++i) {
      next[i] /= sum;
      change += std::abs(next[i] - pi[i]);
    }
    pi.swap(next);
    if (change < 1e-14) return pi;
  }
  throw Error("[synthetic:markov] the stationary distribution did not converge; use another seed");
}

}  // namespace

std::string_view MarkovSource::alphabet() { return "\n ',-.abcdefghijklmnopqrstuvwxyz"; }

MarkovSource::MarkovSource(std::uint64_t seed)
    : seed_(seed), probability_(draw_probabilities(seed)), stationary_(stationary_pairs(probability_)) {}

double MarkovSource::entropy_rate() const {
  double rate = 0;
  for (std::size_t pair = 0; pair < K * K; ++pair) {
    double entropy = 0;
    for (std::size_t c = 0; c < K; ++c) entropy -= probability_[pair * K + c] * std::log(probability_[pair * K + c]);
    rate += stationary_[pair] * entropy;
  }
  return rate;
}

std::string MarkovSource::text(std::size_t length) const {
  const Random random(seed_, Purpose::corpus, stream_of("markov.text"));
  std::size_t pair = draw(stationary_.data(), K * K, random.uniform(0));
  std::string text{alphabet()[pair / K], alphabet()[pair % K]};
  for (std::size_t i = 2; i < length; ++i) {
    const std::size_t c = draw(&probability_[pair * K], K, random.uniform(i));
    text += alphabet()[c];
    pair = pair % K * K + c;
  }
  text.resize(std::min(length, text.size()));
  return text;
}

}  // namespace normscope
