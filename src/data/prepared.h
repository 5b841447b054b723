#pragma once
// Prepared folders: train.bin and val.bin (uint16, little-endian, as nanoGPT's) and meta.json, the vocabulary with
// train_tokens, val_tokens, sha256 of both and entropy_rate where it is known.
#include <normscope/data/corpus.h>

#include <string>

namespace normscope {

/// Does the folder hold token files (or nanoGPT's meta.pkl) rather than text?
bool is_prepared(const std::string& folder);
/// Reads and checks such a folder: tokens, tokenizer and entropy_rate are set.
Corpus read_prepared(const std::string& folder);
/// SHA-256 of the train tokens followed by the val tokens: `cat train.bin val.bin | sha256sum` prints the same.
std::string tokens_sha256(const Corpus& corpus);
/// The bytes of a file (or pipe). Raises UsageError when it cannot be read.
std::string read_input(const std::string& path);

}  // namespace normscope
