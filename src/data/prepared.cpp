#include "data/prepared.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <normscope/core/error.h>
#include "data/sha256.h"
#include "io/output_folder.h"
#include <unistd.h>

#include <bit>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>

namespace normscope {
namespace {

namespace fs = std::filesystem;
static_assert(std::endian::native == std::endian::little, "token files are little-endian and read without swapping");

bool is_there(const fs::path& path) {
  std::error_code ignored;  // a path that may not be looked at fails where it is opened, with its reason
  return fs::exists(path, ignored);
}

std::vector<std::uint16_t> read_tokens(const std::string& path, std::int64_t vocab_size) {
  const std::string bytes = read_input(path);
  if (bytes.empty() || bytes.size() % 2 != 0) {
    throw UsageError(
        fmt::format("[data] {} has {} bytes, not a positive multiple of 2; recreate it with "
                    "`normscope prepare`",
                    path, bytes.size()));
  }
  std::vector<std::uint16_t> tokens(bytes.size() / 2);
  std::memcpy(tokens.data(), bytes.data(), bytes.size());
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    if (tokens[i] >= vocab_size) {
      throw UsageError(
          fmt::format("[data] {}: token {} at position {} is not below vocab_size {} of meta.json; recreate the "
                      "folder with `normscope prepare`",
                      path, tokens[i], i, vocab_size));
    }
  }
  return tokens;
}

std::string meta_json(const Corpus& corpus) {
  auto meta = nlohmann::ordered_json::parse(corpus.tokenizer->to_json());
  meta["train_tokens"] = corpus.train.size();
  meta["val_tokens"] = corpus.val.size();
  meta["sha256"] = tokens_sha256(corpus);
  if (corpus.entropy_rate) meta["entropy_rate"] = *corpus.entropy_rate;
  return meta.dump(1) + "\n";
}

[[noreturn]] void cannot_write(const std::string& path, int error) {
  throw Error(fmt::format("[prepare] cannot write {}: {}; choose another --out_dir or free disk space", path,
                          std::strerror(error)));
}

void write_synced(const std::string& path, std::string_view bytes) {
  const int file = ::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
  if (file < 0) cannot_write(path, errno);
  int error = 0;
  while (!bytes.empty() && error == 0) {
    const auto written = ::write(file, bytes.data(), bytes.size());
    if (written > 0)
      bytes.remove_prefix(static_cast<std::size_t>(written));
    else if (written < 0 && errno != EINTR)
      error = errno;
  }
  if (error == 0 && ::fsync(file) != 0) error = errno;
  if (::close(file) != 0 && error == 0) error = errno;
  if (error != 0) cannot_write(path, error);
}

void sync_folder(const std::string& folder) {
  const int file = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (file < 0) return;  // the files themselves are safe
  ::fsync(file);
  ::close(file);
}

// Makes the folders of a path, and removes on failure those that it made.
class FolderMaker {
 public:
  explicit FolderMaker(const fs::path& folder) {
    for (fs::path p = folder; !p.empty() && !is_there(p); p = p.parent_path()) made_.push_back(p);
    std::error_code error;
    fs::create_directories(folder, error);
    if (std::error_code ignored; !error && !fs::is_directory(folder, ignored)) {
      error = std::make_error_code(std::errc::not_a_directory);
    }
    if (error) {
      undo();
      cannot_write(folder.string(), error.value());
    }
  }
  void undo() const {
    std::error_code ignored;
    for (const auto& folder : made_) fs::remove(folder, ignored);  // only where empty
  }

 private:
  std::vector<fs::path> made_;  // innermost first
};

std::string_view bytes_of(const std::vector<std::uint16_t>& tokens) {
  return {reinterpret_cast<const char*>(tokens.data()), 2 * tokens.size()};
}

}  // namespace

std::string read_input(const std::string& path) {
  errno = 0;
  std::ifstream file(path, std::ios::binary);
  std::string bytes;
  bool ok = file.is_open();
  try {
    if (ok) bytes.assign(std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>());
  } catch (const std::ios_base::failure&) {  // a folder opens as a file and fails on reading
    ok = false;
  }
  if (!ok) {
    throw UsageError(fmt::format("[data] cannot read {}: {}; choose another file or fix its permissions", path,
                                 errno ? std::strerror(errno) : "read error"));
  }
  return bytes;
}

std::string tokens_sha256(const Corpus& corpus) {
  return Sha256().update(std::as_bytes(std::span(corpus.train))).update(std::as_bytes(std::span(corpus.val))).hex();
}

bool is_prepared(const std::string& folder) {
  const fs::path path(folder);
  return is_there(path / "train.bin") || is_there(path / "val.bin") || is_there(path / "meta.pkl");
}

Corpus read_prepared(const std::string& folder) {
  const auto path = [&](const char* name) { return (fs::path(folder) / name).string(); };
  for (const char* name : {"meta.json", "train.bin", "val.bin"}) {
    if (is_there(path(name))) continue;
    const bool pickle = name == std::string_view("meta.json") && is_there(path("meta.pkl"));
    throw UsageError(fmt::format("[data] {} has no {}{}; create it with `normscope prepare`", folder, name,
                                 pickle ? " (meta.pkl is a Python pickle, which normscope does not read)" : ""));
  }
  const std::string json = read_input(path("meta.json"));
  Corpus corpus;
  try {
    corpus.tokenizer = tokenizer_from_json(json);
  } catch (const UsageError& error) {
    throw UsageError(fmt::format("{}: {}", path("meta.json"), error.what()));
  }
  corpus.train = read_tokens(path("train.bin"), corpus.tokenizer->vocab_size());
  corpus.val = read_tokens(path("val.bin"), corpus.tokenizer->vocab_size());

  const auto meta = nlohmann::json::parse(json);
  if (const auto rate = meta.find("entropy_rate"); rate != meta.end() && rate->is_number()) {
    corpus.entropy_rate = rate->get<double>();
  }
  // Catches files of two preparations in one folder, which three renames cannot rule out.
  if (const auto hash = meta.find("sha256"); hash != meta.end() && *hash != tokens_sha256(corpus)) {
    throw UsageError(
        fmt::format("[data] {}: train.bin and val.bin do not belong to meta.json (sha256 "
                    "differs); run `normscope prepare` again with --overwrite",
                    folder));
  }
  return corpus;
}

void write_prepared(const Corpus& corpus, const std::string& folder, bool overwrite) {
  const std::pair<const char*, std::string> meta{"meta.json", meta_json(corpus)};
  // meta.json tells that the folder is ours, so it goes first; its sha256 tells when the others did not follow.
  const std::pair<const char*, std::string_view> files[] = {
      {meta.first, meta.second}, {"train.bin", bytes_of(corpus.train)}, {"val.bin", bytes_of(corpus.val)}};
  const auto target = [&](const char* name) { return (fs::path(folder) / name).string(); };
  const auto temporary = [&](const char* name) { return target(name) + ".tmp"; };
  check_output_folder(folder, Result::tokens, overwrite);
  const bool replaces = overwrite && holds(folder, Result::tokens);
  for (const auto& [name, bytes] : files) {
    if (!replaces && is_there(target(name))) {
      throw UsageError(fmt::format(
          "[prepare] {} exists, but there is no meta.json by normscope; choose another folder with --out_dir",
          target(name)));
    }
  }

  const FolderMaker maker(folder);
  std::vector<std::string> placed;
  try {
    for (const auto& [name, bytes] : files) write_synced(temporary(name), bytes);
    for (const auto& [name, bytes] : files) {
      const bool existed = is_there(target(name));
      if (std::rename(temporary(name).c_str(), target(name).c_str()) != 0) cannot_write(target(name), errno);
      if (!existed) placed.push_back(target(name));
    }
  } catch (...) {
    std::error_code ignored;
    for (const auto& [name, bytes] : files) fs::remove(temporary(name), ignored);
    for (const auto& path : placed) fs::remove(path, ignored);
    maker.undo();
    throw;
  }
  sync_folder(folder);
}

}  // namespace normscope
