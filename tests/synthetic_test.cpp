// Generated sources: the entropy rate is the loss of the true model, found here a second way.
#include "data/synthetic.h"

#include <gtest/gtest.h>
#include <normscope/data/corpus.h>
#include <normscope/core/error.h>

#include <cmath>
#include <numeric>

namespace normscope {
namespace {

constexpr std::size_t K = MarkovSource::K;

// pi P = pi by Gaussian elimination on the pair chain, the last equation replaced by sum pi = 1.
std::vector<double> solve_stationary(const MarkovSource& source) {
  const std::size_t n = K * K;
  std::vector<double> a(n * (n + 1));
  const auto at = [&](std::size_t r, std::size_t c) -> double& { return a[r * (n + 1) + c]; };
  for (std::size_t pair = 0; pair < n; ++pair) {
    for (std::size_t c = 0; c < K; ++c) at(pair % K * K + c, pair) += source.probability(pair / K, pair % K, c);
    at(pair, pair) -= 1;
  }
  for (std::size_t c = 0; c <= n; ++c) at(n - 1, c) = 1;
  for (std::size_t k = 0; k < n; ++k) {
    std::size_t pivot = k;
    for (std::size_t r = k; r < n; ++r) pivot = std::abs(at(r, k)) > std::abs(at(pivot, k)) ? r : pivot;
    for (std::size_t c = k; c <= n; ++c) std::swap(at(k, c), at(pivot, c));
    for (std::size_t r = k + 1; r < n; ++r) {
      const double factor = at(r, k) / at(k, k);
      if (factor == 0) continue;
      for (std::size_t c = k; c <= n; ++c) at(r, c) -= factor * at(k, c);
    }
  }
  std::vector<double> x(n);
  for (std::size_t k = n; k-- > 0;) {
    double sum = at(k, n);
    for (std::size_t c = k + 1; c < n; ++c) sum -= at(k, c) * x[c];
    x[k] = sum / at(k, k);
  }
  return x;
}

TEST(Markov, RowsAreDistributions) {
  const MarkovSource source(11);
  for (std::size_t pair = 0; pair < K * K; ++pair) {
    double sum = 0;
    for (std::size_t c = 0; c < K; ++c) {
      EXPECT_GT(source.probability(pair / K, pair % K, c), 0.0);
      sum += source.probability(pair / K, pair % K, c);
    }
    EXPECT_NEAR(sum, 1.0, 1e-12);
  }
}

// H = H(three symbols) - H(two symbols), from a stationary distribution that no power iteration made.
TEST(Markov, RateIsThirdMinusSecondBlockEntropy) {
  const MarkovSource source(5);
  const auto pi = solve_stationary(source);
  double two = 0, three = 0;
  for (std::size_t pair = 0; pair < K * K; ++pair) {
    ASSERT_GT(pi[pair], 0.0);
    two -= pi[pair] * std::log(pi[pair]);
    for (std::size_t c = 0; c < K; ++c) {
      const double p = pi[pair] * source.probability(pair / K, pair % K, c);
      three -= p * std::log(p);
    }
  }
  EXPECT_NEAR(source.entropy_rate(), three - two, 1e-11);
  EXPECT_GT(source.entropy_rate(), 1.0);
  EXPECT_LT(source.entropy_rate(), 0.8 * std::log(K));  // far enough below uniform to be worth learning
}

TEST(Markov, TextCostsTheRate) {
  for (const std::uint64_t seed : {1, 2, 3}) {
    const MarkovSource source(seed);
    const std::string text = source.text(300000);
    double sum = 0, squares = 0;
    const auto symbol = [&](std::size_t i) { return MarkovSource::alphabet().find(text[i]); };
    const auto batch = 500u;  // batch means: neighbouring costs are correlated
    std::size_t batches = 0;
    for (std::size_t i = 2; i + batch <= text.size(); i += batch, ++batches) {
      double cost = 0;
      for (std::size_t j = i; j < i + batch; ++j) {
        cost -= std::log(source.probability(symbol(j - 2), symbol(j - 1), symbol(j))) / batch;
      }
      sum += cost;
      squares += cost * cost;
    }
    const auto n = static_cast<double>(batches), mean = sum / n;
    const double error = std::sqrt((squares / n - mean * mean) / (n - 1));
    EXPECT_LT(error, 0.005);
    EXPECT_NEAR(mean, source.entropy_rate(), 4 * error) << "seed " << seed;
  }
}

TEST(Markov, SeedMakesTheText) {
  EXPECT_EQ(MarkovSource(1).text(5000), MarkovSource(1).text(5000));
  EXPECT_EQ(MarkovSource(1).text(5000), MarkovSource(1).text(9000).substr(0, 5000));
  EXPECT_NE(MarkovSource(1).text(5000), MarkovSource(2).text(5000));
  EXPECT_EQ(MarkovSource(1).text(1).size(), 1u);
  EXPECT_EQ(MarkovSource::alphabet().size(), K);
}

// s = a s | b. : a geometric number of a's. h = 2 ln 2 (two fair choices on average), l = 1 + 2.
TEST(Grammar, ClosedForms) {
  const Grammar geometric("s=a<s>|b.");
  EXPECT_NEAR(geometric.sentence_nats(), 2 * std::log(2), 1e-14);
  EXPECT_NEAR(geometric.sentence_length(), 3, 1e-14);
  EXPECT_NEAR(geometric.entropy_rate(), 2 * std::log(2) / 3, 1e-14);
  const Grammar words("s=<w> <w>.\nw=cat*3|x");  // p = 3/4, 1/4
  EXPECT_NEAR(words.sentence_nats(), 2 * (0.75 * std::log(4 / 3.0) + 0.25 * std::log(4)), 1e-14);
  EXPECT_NEAR(words.sentence_length(), 2 * (0.75 * 3 + 0.25) + 2, 1e-14);
  const Grammar nested("s=<n>!\nn=(<n>)<n>|x*3");  // n: l = (2 + 2 l) / 4 + 3 / 4, so l = 5/2; h = H(1/4) / (1 - 1/2)
  EXPECT_NEAR(nested.sentence_length(), 3.5, 1e-12);
  EXPECT_NEAR(nested.sentence_nats(), 2 * (0.75 * std::log(4 / 3.0) + 0.25 * std::log(4)), 1e-12);
}

TEST(Grammar, RefusesWhatTheTextWouldNotDetermine) {
  for (const char* rules : {"s=cat|cats", "s=a|a", "s=<x>|<y>\nx=the cat\ny=the dog|the ", "s=<s>a|b", "s=a|", "s=<t>",
                            "s=<t", "s=a*0|b", "s=a*x|b", "", "no rule", "s=a<s>", "s=a<s><s>|b"}) {
    EXPECT_THROW(Grammar{rules}, Error) << rules;
  }
}

// parse() uses the text alone, so its cost is that of the true model; sentences are independent.
TEST(Grammar, TextCostsTheRate) {
  const Grammar& grammar = Grammar::english();
  for (const std::uint64_t seed : {1, 2, 3}) {
    const std::string text = grammar.text(seed, 400000);
    const std::size_t end = text.size() - 2000;  // the last sentence may be cut
    std::size_t at = 0, sentences = 0;
    double nats = 0, excess2 = 0;
    while (at < end) {
      const std::size_t from = at;
      const double cost = grammar.parse(text, at);
      nats += cost;
      excess2 += std::pow(cost - grammar.entropy_rate() * static_cast<double>(at - from), 2);
      ++sentences;
    }
    const auto characters = static_cast<double>(at);
    const double error = std::sqrt(excess2) / characters;
    EXPECT_LT(error, 0.002);
    EXPECT_NEAR(nats / characters, grammar.entropy_rate(), 4 * error) << "seed " << seed;
    EXPECT_NEAR(characters / static_cast<double>(sentences), grammar.sentence_length(), 2.0);
  }
}

// Sum of probabilities of all sentences below a length approaches 1: parse() is a distribution over texts.
TEST(Grammar, ParseGivesProbabilities) {
  const Grammar grammar("s=<w><s>|.*2\nw=a*2|b");
  double total = 0;
  for (int length = 0; length <= 14; ++length) {
    for (int word = 0; word < 1 << length; ++word) {
      std::string text;
      for (int i = 0; i < length; ++i) text += (word >> i & 1) != 0 ? 'a' : 'b';
      text += '.';
      std::size_t at = 0;
      total += std::exp(-grammar.parse(text, at));
      EXPECT_EQ(at, text.size());
    }
  }
  EXPECT_NEAR(total, 1 - std::pow(1 / 3.0, 15), 1e-10);
  std::size_t at = 0;
  EXPECT_THROW(grammar.parse("ac.", at), Error);
}

TEST(Grammar, EnglishIsSmallAndSeeded) {
  const Grammar& grammar = Grammar::english();
  EXPECT_LT(grammar.alphabet().size(), 65u);
  EXPECT_NEAR(grammar.entropy_rate(), 0.4478, 5e-5);  // data/synthetic/README.md says so
  EXPECT_EQ(grammar.text(1, 5000), grammar.text(1, 9000).substr(0, 5000));
  EXPECT_NE(grammar.text(1, 5000), grammar.text(2, 5000));
  const std::string text = grammar.text(3, 200000);
  for (const char c : grammar.alphabet()) EXPECT_NE(text.find(c), std::string::npos) << c;
}

TEST(SyntheticCorpus, HasItsFloor) {
  for (const char* name : {"synthetic:grammar", "synthetic:markov"}) {
    CorpusOptions options;
    options.data = name;
    options.seed = 4;
    const Corpus corpus = load_corpus(options), again = load_corpus(options);
    EXPECT_EQ(corpus.train.size(), 900000u);
    EXPECT_EQ(corpus.val.size(), 100000u);
    EXPECT_EQ(corpus.source, name);
    EXPECT_EQ(corpus.sha256, again.sha256);
    ASSERT_TRUE(corpus.entropy_rate.has_value());
    options.seed = 5;
    const Corpus other = load_corpus(options);
    EXPECT_NE(corpus.sha256, other.sha256);
    EXPECT_EQ(corpus.tokenizer->to_json(), other.tokenizer->to_json());
    options.data += ":tokens=2000";
    const Corpus small = load_corpus(options);
    EXPECT_EQ(small.train.size() + small.val.size(), 2000u);
    EXPECT_EQ(small.tokenizer->to_json(), other.tokenizer->to_json());
    EXPECT_EQ(*small.entropy_rate, *other.entropy_rate);
  }
}

}  // namespace
}  // namespace normscope
