#include <fmt/format.h>
#include <spdlog/spdlog.h>
#include <normscope/data/corpus.h>
#include "io/file_util.h"

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "cli/cli.h"
#include "core/text.h"

namespace normscope::cli {
namespace {

namespace fs = std::filesystem;

/// The files in a temporary folder, numbered: the corpus reads a folder's files in the order of their names, each with
/// its own byte order mark.
class Joined {
 public:
  explicit Joined(const std::vector<std::string>& files) {
    for (std::size_t i = 0; i < files.size(); ++i) {
      const std::string& file = files[i];
      std::ifstream in(file, std::ios::binary);
      if (!in || !fs::is_regular_file(file))
        throw UsageError(fmt::format("{}: cannot read the text file; check the path", file));
      if (in.peek() == std::ifstream::traits_type::eof()) throw UsageError(fmt::format("{}: the file is empty", file));
      std::ofstream out(folder_.path / fmt::format("{:08}.txt", i), std::ios::binary);
      out << in.rdbuf();
      if (!out.flush()) throw Error(fmt::format("{}: cannot write a copy; check for free disk space", path()));
    }
  }
  std::string path() const { return folder_.path.string(); }

 private:
  ScratchFolder folder_;
};

std::string default_folder(const std::string& source) {
  const std::string stem = source.rfind("synthetic:", 0) == 0 ? source.substr(10) : fs::path(source).stem().string();
  return "prepared/" + (stem.empty() ? "text" : stem);
}

}  // namespace

int run_prepare(const Arguments& arguments) {
  std::vector<std::string> sources;
  std::string out_dir;
  bool overwrite = false;
  CorpusOptions options;
  options.seed = 1337;
  Parser parser("prepare", "Converts text to token files (uint16, as in nanoGPT) and a vocabulary.",
                "  normscope prepare book.txt --out_dir prepared/book\n"
                "  normscope train --preset micro --data prepared/book\n"
                "    several files are joined in the order given;\n"
                "    synthetic:grammar makes a generated corpus");
  parser.positional("FILE", sources, "text files, one folder of text, or synthetic:NAME", 1, 100000);
  parser.option("out_dir", &out_dir, "folder of train.bin, val.bin and meta.json [prepared/NAME]");
  parser.option("tokenizer", &options.tokenizer, "what a token is [char]", {"char", "byte"});
  parser.option("train_tokens", &options.train_tokens, "keep the first N training tokens (0: all) [0]");
  parser.option("seed", &options.seed, "seed of a generated corpus [1337]");
  parser.option("overwrite", &overwrite, "replace existing token files");
  parser.parse(arguments);
  if (out_dir.empty()) out_dir = default_folder(sources.front());
  Corpus corpus;
  if (sources.size() == 1) {
    options.data = sources.front();
    corpus = load_corpus(options);
  } else {
    const Joined joined(sources);
    options.data = joined.path();
    corpus = load_corpus(options);
    corpus.source = join(sources, " ");
  }
  if (corpus.has_samples())
    throw UsageError(corpus.source + " contains samples, not tokens; train on it with --data " + corpus.source);
  if (!corpus.note.empty()) spdlog::info("{}: {}", corpus.source, corpus.note);
  write_prepared(corpus, out_dir, overwrite);
  const auto train_tokens = static_cast<std::int64_t>(corpus.train.size()),
             val_tokens = static_cast<std::int64_t>(corpus.val.size());
  if (parser.json) {
    nlohmann::ordered_json document = {{"folder", out_dir},
                                       {"source", corpus.source},
                                       {"tokenizer", corpus.tokenizer->kind()},
                                       {"vocab_size", corpus.tokenizer->vocab_size()},
                                       {"train_tokens", train_tokens},
                                       {"val_tokens", val_tokens},
                                       {"sha256", corpus.sha256}};
    if (corpus.entropy_rate) document["entropy_rate"] = *corpus.entropy_rate;
    print_json(document);
    return 0;
  }
  std::vector<std::pair<std::string, std::string>> rows{
      {"folder", out_dir},
      {"vocabulary", fmt::format("{} ({})", grouped(corpus.tokenizer->vocab_size()), corpus.tokenizer->kind())},
      {"train tokens", grouped(train_tokens)},
      {"val tokens", grouped(val_tokens)},
      {"sha256", corpus.sha256}};
  if (corpus.entropy_rate) rows.emplace_back("entropy rate", fmt::format("{:.6f} nats/token", *corpus.entropy_rate));
  print(facts(rows));
  return 0;
}

}  // namespace normscope::cli
