// Corpora: where data may come from, how it is split, and what is refused with which words.
#include <gtest/gtest.h>
#include <normscope/data/corpus.h>
#include <normscope/core/error.h>
#include "data/sha256.h"
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <nlohmann/json.hpp>

#include "files.h"

namespace normscope {
namespace {

namespace fs = std::filesystem;
using test_files::read_text;
using test_files::write_text;

class CorpusTest : public testing::Test {
 protected:
  std::string path(const std::string& name) const { return (folder_ / name).string(); }

  std::string write(const std::string& name, const std::string& bytes) const {
    fs::create_directories((folder_ / name).parent_path());
    return write_text(path(name), bytes);
  }

  static Corpus load(const std::string& data, const std::string& tokenizer = "char", std::int64_t train_tokens = 0) {
    CorpusOptions options;
    options.data = data;
    options.tokenizer = tokenizer;
    options.train_tokens = train_tokens;
    return load_corpus(options);
  }

  static std::string all_text(const Corpus& c) { return c.tokenizer->decode(c.train) + c.tokenizer->decode(c.val); }

  // The error must be of the given type, one line, and hold every part.
  template <class E = UsageError>
  static void refused(const std::function<void()>& action, const std::vector<std::string>& parts) {
    try {
      action();
      ADD_FAILURE() << "not refused, expected: " << parts.front();
    } catch (const Error& error) {
      const std::string message = error.what();
      EXPECT_EQ(error.code(), E("").code()) << message;
      EXPECT_EQ(message.find('\n'), std::string::npos) << message;
      for (const auto& part : parts) EXPECT_NE(message.find(part), std::string::npos) << part << " in: " << message;
    }
  }

  std::vector<std::string> names(const std::string& sub) const {
    std::vector<std::string> list;
    for (const auto& entry : fs::directory_iterator(folder_ / sub)) list.push_back(entry.path().filename().string());
    std::sort(list.begin(), list.end());
    return list;
  }

  test_files::TemporaryFolder temporary_;
  const fs::path folder_ = temporary_.path();
};

TEST_F(CorpusTest, TinyShakespeareAsNanoGptSplitsIt) {
  const std::string file = NORMSCOPE_SOURCE "/../shared/data/tinyshakespeare/input.txt";
  if (!fs::exists(file)) GTEST_SKIP() << "no copy beside the checkout";
  const Corpus corpus = load(file);
  EXPECT_EQ(corpus.train.size(), 1003854u);
  EXPECT_EQ(corpus.val.size(), 111540u);
  EXPECT_EQ(corpus.tokenizer->vocab_size(), 65);
  EXPECT_FALSE(corpus.entropy_rate.has_value());
  EXPECT_EQ(all_text(corpus), read_text(file));
  refused([&] { load(file, "char", 2000000); }, {"2000000", "1003854"});
}

TEST_F(CorpusTest, SplitCountsCharactersNotBytes) {
  std::string text;
  for (int i = 0; i < 19; ++i) text += "\u20ac";
  const Corpus chars = load(write("euro.txt", text));
  EXPECT_EQ(chars.train.size(), 17u);  // int(19 * 0.9) = int(17.1)
  EXPECT_EQ(chars.val.size(), 2u);
  EXPECT_EQ(chars.tokenizer->vocab_size(), 1);
  const Corpus bytes = load(path("euro.txt"), "byte");
  EXPECT_EQ(bytes.train.size(), 51u);  // int(57 * 0.9)
  EXPECT_EQ(bytes.tokenizer->vocab_size(), 256);
  EXPECT_EQ(load("synthetic:grammar:tokens=1115394").train.size(), 1003854u);
}

TEST_F(CorpusTest, FolderIsReadInTheOrderOfPaths) {
  write("text/b.txt", "bbbbb");
  write("text/a.txt", "aaaaa");
  write("text/a/z.txt", "zzzzz");
  write("text/.hidden.txt", "h");
  write("text/.git/config.txt", "g");
  write("text/README.md", "readme");
  EXPECT_EQ(all_text(load(path("text"))), "aaaaazzzzzbbbbb");  // a.txt < a/z.txt < b.txt
  write("plain/two", "2222");
  write("plain/one.md", "1111");
  EXPECT_EQ(all_text(load(path("plain"))), "11112222");
  write("text/c.txt", "ok\nbad\xff");
  refused([&] { load(path("text")); }, {"c.txt", "byte 6", "line 2"});
  fs::create_directories(path("none"));
  refused([&] { load(path("none")); }, {path("none"), "no text", "fetch.sh", "synthetic:grammar"});
}

TEST_F(CorpusTest, TrainTokensCutsTheTrainingPart) {
  const auto file = write("t.txt", std::string(50, 'a') + std::string(50, 'b'));
  const Corpus all = load(file), cut = load(file, "char", 60);
  EXPECT_EQ(cut.train.size(), 60u);
  EXPECT_TRUE(std::equal(cut.train.begin(), cut.train.end(), all.train.begin()));
  EXPECT_EQ(cut.val, all.val);
  EXPECT_NE(cut.sha256, all.sha256);
  EXPECT_EQ(load(file, "char", 90).sha256, all.sha256);
  refused([&] { load(file, "char", 91); }, {"train_tokens = 91", "90 training tokens", "t.txt"});
  refused([&] { load(file, "char", -1); }, {"train_tokens = -1"});
}

TEST_F(CorpusTest, HashIsOfTheTokens) {
  const Corpus corpus = load(write("t.txt", "hello, hello, hello"));
  auto tokens = corpus.train;
  tokens.insert(tokens.end(), corpus.val.begin(), corpus.val.end());
  EXPECT_EQ(corpus.sha256, sha256_hex(std::as_bytes(std::span(tokens))));
}

TEST_F(CorpusTest, DropsByteOrderMarksAndReadsEveryLineEndAsLf) {
  const std::string plain = "one\ntwo\n\nthree\nfour\n";
  const Corpus expected = load(write("plain.txt", plain));
  EXPECT_EQ(expected.note, "");
  const std::string windows = write("windows.txt", "\xEF\xBB\xBFone\r\ntwo\r\n\r\nthree\rfour\n");
  const Corpus changed = load(windows);
  EXPECT_EQ(changed.sha256, expected.sha256);
  EXPECT_EQ(changed.tokenizer->to_json(), expected.tokenizer->to_json());
  EXPECT_NE(changed.note.find("1 byte order mark removed, 3 line ends CR LF read as LF, 1 line end CR read as LF"),
            std::string::npos)
      << changed.note;
  const Corpus bytes = load(windows, "byte");
  EXPECT_EQ(bytes.train_size() + bytes.val_size(), static_cast<std::int64_t>(plain.size()) + 3 + 3);
  EXPECT_EQ(bytes.note, "");
  // Each file of a folder may have a mark.
  write("both/1.txt", "\xEF\xBB\xBFone\n");
  write("both/2.txt", "\xEF\xBB\xBFtwo\r\n");
  const Corpus folder = load(path("both"));
  EXPECT_EQ(folder.sha256, load(write("joined.txt", "one\ntwo\n")).sha256);
  EXPECT_NE(folder.note.find("2 byte order marks"), std::string::npos) << folder.note;
  EXPECT_EQ(load(write("end.txt", "a\r\rb\r")).sha256, load(write("lf.txt", "a\n\nb\n")).sha256);
}

TEST_F(CorpusTest, RefusesWhatIsNoText) {
  refused([] { load(""); }, {"data is not set", "fetch.sh", "synthetic:grammar"});
  refused([&] { load(path("missing.txt")); }, {"missing.txt", "fetch.sh", "synthetic:grammar"});
  refused([&] { load(write("empty.txt", "")); }, {"empty.txt", "no text"});
  refused([&] { load(write("one.txt", "x")); }, {"one.txt", "1 token,"});
  refused([&] { load(write("nul.txt", std::string("ab\ncd\0e", 7))); }, {"nul.txt", "binary", "byte 5", "line 2"});
  EXPECT_EQ(load(path("nul.txt"), "byte").train.size(), 6u);
  refused([&] { load(write("latin.txt", "caf\xe9 au lait")); }, {"latin.txt", "byte 3", "0xe9", "--tokenizer byte"});
  EXPECT_EQ(load(path("latin.txt"), "byte").val.size(), 2u);
  if (geteuid() != 0) {
    fs::permissions(write("secret.txt", "abc"), fs::perms::none);
    refused([&] { load(path("secret.txt")); }, {"secret.txt", "Permission denied"});
  }
}

TEST_F(CorpusTest, UnknownNamesListTheKnownOnes) {
  const auto file = write("t.txt", "hello hello");
  refused([&] { load(file, "bpe"); }, {"bpe", "not supported", "char", "byte"});
  refused([&] { load(file, "word"); }, {"'word' is unknown", "char", "byte"});
  refused([] { load("synthetic:shakespeare"); }, {"synthetic:shakespeare", "synthetic:grammar", "synthetic:markov"});
  refused([] { load("synthetic:"); }, {"synthetic:grammar", "synthetic:markov"});
  for (const char* bad :
       {":", ":tokens=", ":tokens=1", ":tokens=12x", ":tokens=-5", ":length=5", ":tokens=9999999999999"}) {
    refused([&] { load(std::string("synthetic:markov") + bad); }, {"synthetic:markov", "tokens=N"});
  }
}

TEST_F(CorpusTest, PreparedFolderComesBackTheSame) {
  for (const char* tokenizer : {"char", "byte"}) {
    const std::string out = path(std::string("deep/er/") + tokenizer);
    const Corpus corpus = load("synthetic:markov:tokens=5000", tokenizer);
    write_prepared(corpus, out, false);
    EXPECT_EQ(names(std::string("deep/er/") + tokenizer),
              (std::vector<std::string>{"meta.json", "train.bin", "val.bin"}));
    const Corpus again = load(out);  // the folder's own tokenizer counts
    EXPECT_EQ(again.train, corpus.train);
    EXPECT_EQ(again.val, corpus.val);
    EXPECT_EQ(again.sha256, corpus.sha256);
    EXPECT_EQ(again.tokenizer->to_json(), corpus.tokenizer->to_json());
    EXPECT_EQ(again.entropy_rate, corpus.entropy_rate);
    EXPECT_EQ(load(out, "char", 100).train.size(), 100u);
    const std::string bytes = read_text(out + "/train.bin");
    ASSERT_EQ(bytes.size(), 2 * corpus.train.size());
    EXPECT_EQ(static_cast<unsigned char>(bytes[2]) + 256 * static_cast<unsigned char>(bytes[3]), corpus.train[1]);
    const auto meta = nlohmann::json::parse(read_text(out + "/meta.json"));
    EXPECT_EQ(meta["train_tokens"], corpus.train.size());
    EXPECT_EQ(meta["sha256"], corpus.sha256);
  }
}

TEST_F(CorpusTest, PreparedFolderIsNotOverwrittenUnasked) {
  const Corpus first = load("synthetic:grammar:tokens=500"), second = load("synthetic:markov:tokens=700");
  write_prepared(first, path("out"), false);
  refused([&] { write_prepared(second, path("out"), false); }, {"token files", "--overwrite"});
  EXPECT_EQ(load(path("out")).sha256, first.sha256);
  write_prepared(second, path("out"), true);
  EXPECT_EQ(load(path("out")).sha256, second.sha256);
}

TEST_F(CorpusTest, PreparedFolderReplacesOnlyWhatWasPrepared) {
  const Corpus corpus = load("synthetic:grammar:tokens=500");
  write("mine/train.bin", "mine");  // nanoGPT's own, say
  for (const bool overwrite : {false, true})
    refused([&] { write_prepared(corpus, path("mine"), overwrite); }, {"train.bin", "not written by normscope"});
  write("mine/meta.json", "{}");
  refused([&] { write_prepared(corpus, path("mine"), true); }, {"not written by normscope"});
  EXPECT_EQ(read_text(path("mine/train.bin")), "mine");
  EXPECT_EQ(read_text(path("mine/meta.json")), "{}");
}

TEST_F(CorpusTest, FailedPrepareLeavesNothing) {
  const Corpus corpus = load("synthetic:grammar:tokens=500");
  write("file", "x");
  refused<Error>([&] { write_prepared(corpus, path("file/out"), false); }, {"file/out"});
  refused<Error>([&] { write_prepared(corpus, path("file"), false); }, {"file"});
  // A folder where a token file should go makes the last rename fail, after two have worked.
  write_prepared(corpus, path("out"), false);
  fs::remove(path("out/train.bin"));
  fs::remove(path("out/val.bin"));
  fs::create_directories(path("out/val.bin/full"));
  refused<Error>([&] { write_prepared(corpus, path("out"), true); }, {"val.bin"});
  EXPECT_EQ(names("out"), (std::vector<std::string>{"meta.json", "val.bin"}));
  // A folder in the place of a temporary file makes a write fail.
  fs::create_directories(path("new/val.bin.tmp"));
  refused<Error>([&] { write_prepared(corpus, path("new"), false); }, {"val.bin"});
  EXPECT_FALSE(fs::exists(path("new/meta.json")) || fs::exists(path("new/train.bin")));
}

TEST_F(CorpusTest, BrokenPreparedFoldersAreRefused) {
  const Corpus corpus = load("synthetic:grammar:tokens=500");
  const std::string out = path("out"), train = out + "/train.bin", meta = out + "/meta.json";
  const auto broken = [&](const std::function<void()>& breaking, const std::vector<std::string>& parts) {
    fs::remove_all(out);
    write_prepared(corpus, out, false);
    breaking();
    refused([&] { load(out); }, parts);
  };
  broken([&] { fs::resize_file(train, 899); }, {"train.bin", "899 bytes", "normscope prepare"});
  broken([&] { fs::resize_file(train, 0); }, {"train.bin", "0 bytes"});
  broken([&] { fs::resize_file(train, 898); }, {"sha256", "normscope prepare"});
  broken([&] { std::ofstream(train, std::ios::app) << "\x50\x01"; }, {"train.bin", "token 336", "position 450", "36"});
  broken([&] { std::ofstream(meta) << "{}"; }, {"meta.json", "format"});
  broken([&] { fs::remove(out + "/val.bin"); }, {"no val.bin"});
  fs::create_directories(out + "/val.bin");
  refused([&] { load(out); }, {"val.bin", "Is a directory"});
  fs::remove(out + "/val.bin");
  broken([&] { fs::remove(meta); }, {"no meta.json", "normscope prepare"});
  broken(
      [&] {
        fs::remove(meta);
        std::ofstream(out + "/meta.pkl") << "pickle";
      },
      {"meta.pkl", "pickle", "normscope prepare"});
}

TEST_F(CorpusTest, NumpyReadsTheTokens) {
  if (std::system("python3 -c 'import numpy' 2>/dev/null") != 0) GTEST_SKIP() << "no numpy";
  const Corpus corpus = load("synthetic:grammar:tokens=5000");
  write_prepared(corpus, path("out"), false);
  const std::string script =
      "import numpy, json; t = numpy.fromfile('train.bin', dtype=numpy.uint16); itos = "
      "json.load(open('meta.json'))['itos'];"
      "open('text', 'w').write(''.join(itos[i] for i in t))";
  ASSERT_EQ(std::system(("cd '" + path("out") + "' && python3 -c \"" + script + "\"").c_str()), 0);
  EXPECT_EQ(read_text(path("out/text")), corpus.tokenizer->decode(corpus.train));
}

TEST_F(CorpusTest, FetchScriptChecksItsCopy) {
  const std::string shared = NORMSCOPE_SOURCE "/../shared/data/tinyshakespeare/input.txt";
  fs::create_directories(path("main/data/shakespeare"));
  fs::copy(NORMSCOPE_SOURCE "/data/shakespeare/fetch.sh", path("main/data/shakespeare/fetch.sh"));
  const auto fetch = [&](const std::string& argument) {
    const int status = std::system(("sh '" + path("main/data/shakespeare/fetch.sh") + "' " + argument + " >'" +
                                    path("out") + "' 2>'" + path("err") + "'")
                                       .c_str());
    return WEXITSTATUS(status);
  };
  EXPECT_EQ(fetch(write("wrong.txt", "not it")), 7);
  EXPECT_NE(read_text(path("err")).find("wrong.txt is not Tiny Shakespeare"), std::string::npos)
      << read_text(path("err"));
  EXPECT_EQ(fetch(path("missing.txt")), 1);
  EXPECT_EQ(names("main/data/shakespeare"), std::vector<std::string>{"fetch.sh"});
  if (!fs::exists(shared)) GTEST_SKIP() << "no copy beside the checkout";
  EXPECT_EQ(fetch(shared), 0);
  EXPECT_EQ(names("main/data/shakespeare"), (std::vector<std::string>{"fetch.sh", "input.txt"}));
  EXPECT_EQ(fetch(""), 0);  // there already
  fs::remove(path("main/data/shakespeare/input.txt"));
  fs::create_directories(path("shared/data/tinyshakespeare"));
  fs::copy(shared, path("shared/data/tinyshakespeare/input.txt"));
  EXPECT_EQ(fetch(""), 0);  // found beside the checkout
  EXPECT_EQ(fs::file_size(path("main/data/shakespeare/input.txt")), 1115394u);
}

/// Programs that end as curl and wget do, in a PATH without the real ones.
TEST_F(CorpusTest, FetchScriptSaysWhyADownloadFailed) {
  fs::create_directories(path("lab/a/b/data"));
  fs::create_directories(path("lab/bin"));
  fs::copy(NORMSCOPE_SOURCE "/data/shakespeare/fetch.sh", path("lab/a/b/data/fetch.sh"));
  const auto fetch = [&] {
    const int status = std::system(("cd '" + path("lab") +
                                    "' && bin=$PWD/bin && for tool in sh sha256sum cut dirname "
                                    "mktemp rm df awk chmod mv cp; do ln -sf \"$(command -v $tool)\" bin/; done && "
                                    "PATH=$bin sh a/b/data/fetch.sh >'" +
                                    path("out") + "' 2>'" + path("err") + "'")
                                       .c_str());
    EXPECT_EQ(names("lab/a/b/data"), std::vector<std::string>{"fetch.sh"});
    return WEXITSTATUS(status);
  };
  const auto fake = [&](const std::string& tool, const std::string& script) {
    write("lab/bin/" + tool, "#!/bin/sh\n" + script + "\n");
    fs::permissions(path("lab/bin/" + tool), fs::perms::owner_all);
  };
  EXPECT_EQ(fetch(), 3);
  EXPECT_NE(read_text(path("err")).find("neither curl nor wget"), std::string::npos);
  struct Case {
    const char *tool, *script;
    int code;
    const char* words;
  };
  for (const Case& one :
       {Case{"wget", "exit 4", 4, "no network"}, Case{"wget", "echo timed out; exit 4", 5, "did not answer"},
        Case{"wget", "exit 8", 6, "HTTP error"}, Case{"wget", "exit 5", 9, "wget ends with 5"},
        Case{"curl", "exit 6", 4, "no network"}, Case{"curl", "exit 7", 4, "no network"},
        Case{"curl", "exit 28", 5, "did not answer within 120 s"},
        Case{"curl", "printf 404; exit 22", 6, "HTTP error (404)"}, Case{"curl", "exit 60", 9, "curl ends with 60"},
        Case{"curl", "exit 0", 7, "SHA-256"}}) {
    fake(one.tool, one.script);
    EXPECT_EQ(fetch(), one.code) << one.script;
    EXPECT_NE(read_text(path("err")).find(one.words), std::string::npos) << read_text(path("err"));
  }
  fake("curl", "exit 23");
  fs::remove(path("lab/bin/df"));
  fake("df", "printf 'Filesystem Blocks Used Available\\nx 9 9 0\\n'");
  const int full =
      std::system(("cd '" + path("lab") + "' && PATH=$PWD/bin sh a/b/data/fetch.sh 2>'" + path("err") + "'").c_str());
  EXPECT_EQ(WEXITSTATUS(full), 8);
  EXPECT_NE(read_text(path("err")).find("is full"), std::string::npos) << read_text(path("err"));
}

}  // namespace
}  // namespace normscope
