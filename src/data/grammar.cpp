#include <fmt/format.h>
#include <normscope/core/error.h>
#include <normscope/core/random.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <set>

#include "data/synthetic.h"

namespace normscope {
namespace {

[[noreturn]] void bad(const std::string& what) { throw Error(fmt::format("[grammar] {}; fix the rule", what)); }

std::vector<std::string_view> split(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  while (true) {
    const auto end = text.find(separator);
    parts.push_back(text.substr(0, end));
    if (end == text.npos) return parts;
    text.remove_prefix(end + 1);
  }
}

// "alternative*3" -> 3, with the weight taken off the text.
std::uint64_t take_weight(std::string_view& text) {
  const auto star = text.rfind('*');
  if (star == text.npos) return 1;
  std::uint64_t weight = 0;
  const auto* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data() + star + 1, end, weight);
  if (error != std::errc() || stop != end || weight == 0)
    bad(fmt::format("'{}' needs an integer weight above 0", text));
  text = text.substr(0, star);
  return weight;
}

}  // namespace

Grammar::Grammar(std::string_view rules) {
  read(rules);
  std::vector<bool> open(rules_.size());
  for (std::size_t r = 0; r < rules_.size(); ++r) find_first(r, open);
  solve();
}

void Grammar::read(std::string_view rules) {
  std::vector<std::string_view> bodies;
  for (const auto line : split(rules, '\n')) {
    if (line.empty()) continue;
    const auto equals = line.find('=');
    if (equals == line.npos) bad(fmt::format("'{}' is not name=alternatives", line));
    rules_.push_back({std::string(line.substr(0, equals)), {}, 0, {}});
    bodies.push_back(line.substr(equals + 1));
  }
  if (rules_.empty()) bad("no rules");
  const auto index = [&](std::string_view name) {
    const auto found = std::find_if(rules_.begin(), rules_.end(), [&](const Rule& rule) { return rule.name == name; });
    if (found == rules_.end()) bad(fmt::format("rule <{}> does not exist", name));
    return static_cast<std::size_t>(found - rules_.begin());
  };
  for (std::size_t r = 0; r < rules_.size(); ++r) {
    for (auto text : split(bodies[r], '|')) {
      Alternative alternative{{}, take_weight(text)};
      while (!text.empty()) {
        if (text.front() == '<') {
          const auto close = text.find('>');
          if (close == text.npos) bad(fmt::format("<{}> has an unclosed <", rules_[r].name));
          alternative.parts.push_back({"", index(text.substr(1, close - 1))});
          text.remove_prefix(close + 1);
        } else {
          std::string literal(text.substr(0, text.find('<')));
          text.remove_prefix(literal.size());
          std::replace(literal.begin(), literal.end(), '~', '\n');
          alternative.parts.push_back({literal, 0});
        }
      }
      if (alternative.parts.empty()) bad(fmt::format("<{}> has an empty alternative", rules_[r].name));
      rules_[r].weight += alternative.weight;
      rules_[r].alternatives.push_back(std::move(alternative));
    }
  }
}

// FIRST sets; `open` marks the rules on the way down, where meeting one again is left recursion.
void Grammar::find_first(std::size_t r, std::vector<bool>& open) {
  Rule& rule = rules_[r];
  if (!rule.first.empty()) return;
  if (open[r]) bad(fmt::format("<{}> starts with itself", rule.name));
  open[r] = true;
  for (std::size_t i = 0; i < rule.alternatives.size(); ++i) {
    const Part& lead = rule.alternatives[i].parts.front();
    if (!lead.literal.empty()) {
      rule.first.emplace_back(lead.literal, i);
    } else {
      find_first(lead.rule, open);
      for (const auto& [literal, alternative] : rules_[lead.rule].first) rule.first.emplace_back(literal, i);
    }
  }
  open[r] = false;
  // Sorted, a literal stands right before the first one that it is a prefix of.
  std::sort(rule.first.begin(), rule.first.end());
  for (std::size_t i = 1; i < rule.first.size(); ++i) {
    if (rule.first[i].first.starts_with(rule.first[i - 1].first)) {
      bad(fmt::format("<{}> is ambiguous: '{}' starts with '{}'", rule.name, rule.first[i].first,
                      rule.first[i - 1].first));
    }
  }
}

void Grammar::solve() {
  nats_.assign(rules_.size(), 0);
  length_.assign(rules_.size(), 0);
  for (int iteration = 0; iteration < 100000; ++iteration) {
    double change = 0;
    for (std::size_t r = rules_.size(); r-- > 0;) {
      double nats = 0, length = 0;
      for (const Alternative& alternative : rules_[r].alternatives) {
        const double p = static_cast<double>(alternative.weight) / static_cast<double>(rules_[r].weight);
        nats -= p * std::log(p);
        for (const Part& part : alternative.parts) {
          const bool is_rule = part.literal.empty();
          nats += is_rule ? p * nats_[part.rule] : 0;
          length += p * (is_rule ? length_[part.rule] : static_cast<double>(part.literal.size()));
        }
      }
      change = std::max({change, std::abs(length - length_[r]), std::abs(nats - nats_[r])});
      nats_[r] = nats;
      length_[r] = length;
    }
    if (change == 0) return;  // rounding keeps the sums growing, so they stop at a fixed point
    if (!std::isfinite(change) || length_[0] > 1e9) break;
  }
  bad("a sentence never ends");
}

std::string Grammar::alphabet() const {
  std::set<char> seen;
  for (const Rule& rule : rules_) {
    for (const Alternative& alternative : rule.alternatives) {
      for (const Part& part : alternative.parts) seen.insert(part.literal.begin(), part.literal.end());
    }
  }
  return {seen.begin(), seen.end()};
}

std::string Grammar::text(std::uint64_t seed, std::size_t length) const {
  const Random random(seed, Purpose::corpus, stream_of("grammar.text"));
  std::uint64_t choice = 0;
  std::string text;
  std::vector<Part> stack;
  while (text.size() < length) {
    stack.push_back({"", 0});
    while (!stack.empty()) {
      const Part part = std::move(stack.back());
      stack.pop_back();
      if (!part.literal.empty()) {
        text += part.literal;
        continue;
      }
      const Rule& rule = rules_[part.rule];
      auto left = random.below(choice++, rule.weight);
      auto chosen = rule.alternatives.begin();
      for (; left >= chosen->weight; ++chosen) left -= chosen->weight;
      stack.insert(stack.end(), chosen->parts.rbegin(), chosen->parts.rend());
    }
  }
  text.resize(length);
  return text;
}

double Grammar::parse(std::string_view text, std::size_t& at) const {
  double nats = 0;
  std::vector<Part> stack{{"", 0}};
  while (!stack.empty()) {
    const Part part = std::move(stack.back());
    stack.pop_back();
    const auto rest = text.substr(at);
    if (!part.literal.empty()) {
      if (!rest.starts_with(part.literal)) bad(fmt::format("no '{}' at byte {}", part.literal, at));
      at += part.literal.size();
      continue;
    }
    const Rule& rule = rules_[part.rule];
    const auto found = std::find_if(rule.first.begin(), rule.first.end(),
                                    [&](const auto& first) { return rest.starts_with(first.first); });
    if (found == rule.first.end()) bad(fmt::format("no <{}> at byte {}", rule.name, at));
    const Alternative& alternative = rule.alternatives[found->second];
    nats -= std::log(static_cast<double>(alternative.weight) / static_cast<double>(rule.weight));
    stack.insert(stack.end(), alternative.parts.rbegin(), alternative.parts.rend());
  }
  return nats;
}

}  // namespace normscope
