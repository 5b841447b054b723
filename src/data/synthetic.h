#pragma once
// Generated sources whose entropy rate, the lowest loss any model can reach on fresh text, is known exactly.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <normscope/data/corpus.h>

namespace normscope {

/// Order-2 Markov source over K = 32 symbols with probabilities drawn from a seed:
///   P(c | a, b) = exp(u(b,c) + v(a,b,c)) / sum over c,   u, v independent normal with deviation 1.5,
/// so that a part of the structure is visible from one symbol (u) and the rest from two (v).
class MarkovSource {
 public:
  static constexpr std::size_t K = 32;
  static std::string_view alphabet();

  explicit MarkovSource(std::uint64_t seed);
  double probability(std::size_t a, std::size_t b, std::size_t c) const { return row(a, b)[c]; }
  /// Nats a symbol: sum over pairs (a,b) of pi(a,b) H(P(. | a, b)), pi the stationary distribution of the pairs.
  double entropy_rate() const;
  /// `length` symbols; the first pair is drawn from pi, so the text is stationary from its start.
  std::string text(std::size_t length) const;

 private:
  const double* row(std::size_t a, std::size_t b) const { return &probability_[(a * K + b) * K]; }

  std::uint64_t seed_;
  std::vector<double> probability_;  // [K, K, K]
  std::vector<double> stationary_;   // [K, K]
};

/// A probabilistic grammar whose text determines every choice that was made. Notation, one rule a line, spaces count:
///   name=alternative*weight|alternative*weight      <name> stands for a rule, ~ for a newline, *1 may be left out.
/// The first rule makes one sentence; the text is a sequence of independent sentences.
///
/// Entropy rate. Let every rule have two or more alternatives that start with different literals, none a prefix of
/// another (checked on construction, FIRST sets through leading rules). Then reading left to right the next characters
/// decide each choice, so text and choices determine each other and a sentence carries as many nats as its choices:
///   h(A) = sum over alternatives i of p_i (-ln p_i + sum over rules B in i of h(B))      nats
///   l(A) = sum over alternatives i of p_i (characters of i's literals + sum of l(B))     characters
/// Sentences are independent and alike, so by the renewal-reward theorem the rate is h(sentence) / l(sentence) nats a
/// character. Recursion makes both linear systems; they are iterated to a fixed point.
class Grammar {
 public:
  /// Raises Error for a rule that is missing, ambiguous, empty or endless.
  explicit Grammar(std::string_view rules);
  /// The grammar behind synthetic:grammar.
  static const Grammar& english();

  std::string alphabet() const;  ///< every character the grammar can write, sorted
  double sentence_nats() const { return nats_[0]; }
  double sentence_length() const { return length_[0]; }
  double entropy_rate() const { return nats_[0] / length_[0]; }
  /// The first `length` characters of the sentences that `seed` draws.
  std::string text(std::uint64_t seed, std::size_t length) const;
  /// Reads one sentence at `at`, which moves behind it; returns its nats, -ln of its probability. Raises Error when the
  /// text there is no sentence.
  double parse(std::string_view text, std::size_t& at) const;

 private:
  struct Part {
    std::string literal;  // or, when empty, a rule
    std::size_t rule = 0;
  };
  struct Alternative {
    std::vector<Part> parts;
    std::uint64_t weight = 1;
  };
  struct Rule {
    std::string name;
    std::vector<Alternative> alternatives;
    std::uint64_t weight = 0;                                // of all alternatives
    std::vector<std::pair<std::string, std::size_t>> first;  // leading literal -> alternative
  };

  void read(std::string_view rules);
  void find_first(std::size_t rule, std::vector<bool>& open);
  void solve();

  std::vector<Rule> rules_;
  std::vector<double> nats_, length_;  // by rule
};

/// 1,024 training and 4,096 validation samples of 20 features N(0, 1), 10 classes = argmax of a linear teacher with
/// weights N(0, 1); teacher and samples are keyed by `seed`.
void teacher_samples(std::uint64_t seed, Corpus& corpus);

}  // namespace normscope
