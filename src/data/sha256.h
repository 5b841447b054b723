#pragma once
// SHA-256 (OpenSSL): what makes two runs' data the same data.
#include <cstddef>
#include <memory>
#include <span>
#include <string>

namespace normscope {

/// Hash of bytes that arrive in pieces.
class Sha256 {
 public:
  Sha256();
  ~Sha256();
  Sha256& update(std::span<const std::byte> bytes);
  /// 64 lower-case hexadecimal digits; nothing can be added afterwards.
  std::string hex();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

/// Hash of one piece.
std::string sha256_hex(std::span<const std::byte> bytes);

}  // namespace normscope
