#include <fmt/format.h>
#include <normscope/data/corpus.h>
#include <normscope/core/error.h>

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <span>

#include "core/text.h"
#include "data/prepared.h"
#include "data/sha256.h"
#include "data/synthetic.h"
#include "data/utf8.h"

namespace normscope {
namespace {

namespace fs = std::filesystem;

constexpr char kWhatToGive[] =
    "give a text file, a folder, a prepared folder or synthetic:grammar, or fetch Tiny Shakespeare with "
    "data/shakespeare/fetch.sh";
constexpr std::string_view kSynthetic = "synthetic:";
constexpr std::int64_t kSyntheticTokens = 1000000;

void check_tokenizer(const std::string& name) {
  if (name == "char" || name == "byte") return;
  const char* hint = name == "bpe" ? "is not supported" : "is unknown";
  throw UsageError(fmt::format("[data] tokenizer = '{}' {}; allowed: char, byte", name, hint));
}

// nanoGPT's split: the first int(0.9 n) of n tokens train, the rest validate.
void split(Corpus& corpus, std::vector<std::uint16_t> tokens) {
  const auto train = static_cast<std::ptrdiff_t>(static_cast<double>(tokens.size()) * 0.9);
  if (train == 0) {
    throw UsageError(fmt::format("[data] {} has {}, too few for a training and a validation split; {}", corpus.source,
                                 counted(static_cast<std::int64_t>(tokens.size()), "token"), kWhatToGive));
  }
  corpus.val.assign(tokens.begin() + train, tokens.end());
  tokens.resize(static_cast<std::size_t>(train));
  corpus.train = std::move(tokens);
}

/// What normalize() changed.
struct Changes {
  std::int64_t marks = 0, pairs = 0, lone = 0;  // byte order marks, CR LF, CR alone
  std::string text() const {
    if (marks + pairs + lone == 0) return "";
    std::string note;
    const auto add = [&](std::int64_t count, const char* one, const char* many) {
      if (count > 0) note += fmt::format("{}{} {}", note.empty() ? "" : ", ", count, count == 1 ? one : many);
    };
    add(marks, "byte order mark removed", "byte order marks removed");
    add(pairs, "line end CR LF read as LF", "line ends CR LF read as LF");
    add(lone, "line end CR read as LF", "line ends CR read as LF");
    return note + "; --tokenizer byte keeps every byte";
  }
};

/// Drops a byte order mark and turns CR LF and CR alone into LF, as Python does when it opens a text (so nanoGPT sees
/// the same characters).
void normalize(std::string& text, Changes& changes) {
  constexpr std::string_view kMark = "\xEF\xBB\xBF";
  if (text.starts_with(kMark)) text.erase(0, kMark.size()), ++changes.marks;
  if (text.find('\r') == text.npos) return;
  std::size_t to = 0;
  for (std::size_t at = 0; at < text.size(); ++at) {
    const bool pair = text[at] == '\r' && at + 1 < text.size() && text[at + 1] == '\n';
    if (pair) ++at;
    changes.pairs += pair;
    changes.lone += text[at] == '\r';
    text[to++] = text[at] == '\r' ? '\n' : text[at];
  }
  text.resize(to);
}

// One file's bytes, checked for what the tokenizer needs, so that an error names the file and not a place in a folder.
std::string read_text(const std::string& path, const std::string& tokenizer, Changes& changes) {
  std::string text = read_input(path);
  if (tokenizer == "byte") return text;
  if (const auto nul = text.find('\0'); nul != text.npos) {
    throw UsageError(fmt::format("[data] {} is binary ({} is NUL); choose a text file, or use --tokenizer byte", path,
                                 utf8::position(text, nul)));
  }
  if (const auto bad = utf8::first_bad(text)) {
    throw UsageError(fmt::format("[data] {}: {}; convert it to UTF-8 (iconv), or use --tokenizer byte", path,
                                 utf8::describe_bad(text, *bad)));
  }
  normalize(text, changes);
  return text;
}

// Files of a folder in the order of their paths, without hidden ones: the *.txt, or where there is none, all.
std::vector<std::string> text_files(const std::string& folder) {
  std::vector<std::string> texts, others;
  try {
    for (auto entry = fs::recursive_directory_iterator(folder); entry != fs::recursive_directory_iterator(); ++entry) {
      if (entry->path().filename().string().starts_with('.')) {
        entry.disable_recursion_pending();
      } else if (entry->is_regular_file()) {
        (entry->path().extension() == ".txt" ? texts : others).push_back(entry->path().string());
      }
    }
  } catch (const fs::filesystem_error& error) {
    throw UsageError(fmt::format("[data] cannot read folder {}: {}; choose another one or fix its permissions", folder,
                                 error.code().message()));
  }
  auto& files = texts.empty() ? others : texts;
  std::sort(files.begin(), files.end());
  return files;
}

Corpus text_corpus(const CorpusOptions& options) {
  Corpus corpus;
  corpus.source = options.data;
  std::string text;
  Changes changes;
  if (fs::is_directory(options.data)) {
    for (const auto& file : text_files(options.data)) text += read_text(file, options.tokenizer, changes);
  } else {
    text = read_text(options.data, options.tokenizer, changes);
  }
  corpus.note = changes.text();
  if (text.empty()) throw UsageError(fmt::format("[data] {} contains no text; {}", options.data, kWhatToGive));
  if (options.tokenizer == "byte")
    corpus.tokenizer = byte_tokenizer();
  else
    corpus.tokenizer = char_tokenizer(text);
  split(corpus, corpus.tokenizer->encode(text));
  return corpus;
}

// synthetic:NAME or synthetic:NAME:tokens=N
Corpus synthetic_corpus(const CorpusOptions& options) {
  const auto words = std::string_view(options.data).substr(kSynthetic.size());
  const auto name = words.substr(0, words.find(':'));
  if (options.data == "synthetic:teacher") {
    Corpus corpus;
    corpus.source = options.data;
    teacher_samples(options.seed, corpus);
    return corpus;
  }
  if (name != "grammar" && name != "markov") {
    throw UsageError(fmt::format(
        "[data] {} is unknown; allowed: synthetic:grammar, synthetic:markov and (for arch mlp) synthetic:teacher",
        options.data));
  }
  std::int64_t tokens = kSyntheticTokens;
  if (name.size() < words.size()) {
    constexpr std::string_view key = "tokens=";
    auto rest = words.substr(name.size() + 1);
    const bool known = rest.starts_with(key);
    if (known) rest.remove_prefix(key.size());
    const auto [stop, error] = std::from_chars(rest.data(), rest.data() + rest.size(), tokens);
    if (!known || error != std::errc() || stop != rest.data() + rest.size() || tokens < 2 || tokens > 1000000000) {
      throw UsageError(
          fmt::format("[data] {}: the only option is tokens=N, N from 2 to 1000000000; write {}{}:tokens=200000",
                      options.data, kSynthetic, name));
    }
  }

  Corpus corpus;
  corpus.source = options.data;
  std::string text, alphabet;
  const auto length = static_cast<std::size_t>(tokens);
  if (name == "grammar") {
    const Grammar& grammar = Grammar::english();
    text = grammar.text(options.seed, length);
    alphabet = grammar.alphabet();
    corpus.entropy_rate = grammar.entropy_rate();
  } else {
    const MarkovSource source(options.seed);
    text = source.text(length);
    alphabet = source.alphabet();
    corpus.entropy_rate = source.entropy_rate();
  }
  // The source's alphabet, not the text's: every seed and length has the same vocabulary.
  corpus.tokenizer = options.tokenizer == "byte" ? byte_tokenizer() : char_tokenizer(alphabet);
  split(corpus, corpus.tokenizer->encode(text));
  return corpus;
}

std::string samples_sha256(const Corpus& corpus) {
  Sha256 hash;
  for (const Samples* samples : {&corpus.train_samples, &corpus.val_samples})
    hash.update(std::as_bytes(std::span(samples->features))).update(std::as_bytes(std::span(samples->labels)));
  return hash.hex();
}

}  // namespace

void Samples::keep_first(std::int64_t n) {
  labels.resize(static_cast<std::size_t>(n));
  features.resize(static_cast<std::size_t>(n * width));
}

Sampler training_sampler(const Corpus& corpus, const SamplerOptions& options) {
  return corpus.has_samples() ? Sampler(corpus.train_samples.count() + 1, options) : Sampler(corpus.train, options);
}

Corpus load_corpus(const CorpusOptions& options) {
  check_tokenizer(options.tokenizer);
  if (options.train_tokens < 0) {
    throw UsageError(fmt::format("[data] train_tokens = {} must be at least 0 (0: all)", options.train_tokens));
  }
  const std::string& data = options.data;
  if (data.empty()) throw UsageError(fmt::format("[data] data is not set; {}", kWhatToGive));

  Corpus corpus;
  std::error_code ignored;
  if (data.starts_with(kSynthetic)) {
    corpus = synthetic_corpus(options);
  } else if (!fs::exists(data, ignored)) {
    throw UsageError(fmt::format("[data] {} does not exist; {}", data, kWhatToGive));
  } else if (fs::is_directory(data, ignored) && is_prepared(data)) {
    corpus = read_prepared(data);
    corpus.source = data;
  } else {
    corpus = text_corpus(options);
  }

  const std::int64_t available = corpus.train_size();
  if (options.train_tokens > available) {
    throw UsageError(
        fmt::format("[data] train_tokens = {} exceeds the {} training tokens of {}; use at most {}, or 0 "
                    "for all",
                    options.train_tokens, available, data, available));
  }
  if (options.train_tokens > 0 && corpus.has_samples()) corpus.train_samples.keep_first(options.train_tokens);
  if (options.train_tokens > 0 && !corpus.has_samples())
    corpus.train.resize(static_cast<std::size_t>(options.train_tokens));
  corpus.sha256 = corpus.has_samples() ? samples_sha256(corpus) : tokens_sha256(corpus);
  return corpus;
}

}  // namespace normscope
