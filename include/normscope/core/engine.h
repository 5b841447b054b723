#pragma once
// The one object that owns memory, threads and the choice of GEMM library; it is handed down, never global.
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include <normscope/core/error.h>
#include <normscope/core/team.h>

namespace normscope {

/// Memory pool: one reserved address range, best fit with coalescing, 64-byte alignment, huge pages where the system
/// offers them. After the first step of a training loop nothing is asked of the system any more.
/// Not thread-safe: tensors are made and dropped by the thread that records.
class Pool {
 public:
  /// A dry pool has more addresses than any machine has memory; nobody writes to what it hands out.
  explicit Pool(bool dry = false);
  ~Pool();
  Pool(const Pool&) = delete;
  Pool& operator=(const Pool&) = delete;

  /// Raises Error when the machine's memory is exhausted. Content is undefined.
  void* allocate(std::size_t bytes);
  void release(void* data) noexcept;

  std::size_t in_use() const { return in_use_; }  ///< bytes
  std::size_t peak() const { return peak_; }      ///< most bytes in use at once
  std::size_t touched() const { return top_; }    ///< bytes of the range ever handed out
  std::size_t live_blocks() const { return live_; }

 private:
  struct Block;
  Block* best_fit(std::size_t bytes);
  void link(Block* block) noexcept;
  void unlink(Block* block) noexcept;
  Block* next(Block* block) const noexcept;

  std::byte* base_ = nullptr;
  std::size_t reserved_ = 0, top_ = 0, in_use_ = 0, peak_ = 0, live_ = 0;
  Block* free_ = nullptr;
  Block* last_ = nullptr;  // the block that ends at top_
};

/// Whose matrix product: our own on Highway (src/kernels/panel_gemm.cpp), or a library's, called on tiles. In float64
/// oneDNN has none and OpenBLAS takes its place.
enum class GemmBackend { highway, onednn, openblas };

struct EngineOptions {
  int threads = 0;  ///< 0: all cores
  GemmBackend gemm = GemmBackend::highway;
  bool dry = false;  ///< memory is handed out but nothing is computed: what a step would take
};

class Engine {
 public:
  explicit Engine(const EngineOptions& options = {});
  Pool& pool() { return pool_; }
  bool dry() const { return dry_; }  ///< hands out memory but computes nothing
  int threads() const { return team_.size(); }
  Team& team() { return team_; }
  GemmBackend gemm() const { return gemm_; }

  /// A part of memory for each thread, for the buffers of one kernel. It is kept from call to call, so that it stays in
  /// the caches; what lies in it is lost with the next call.
  class Workspace {
   public:
    template <class T>
    T* of(int thread) const {
      return reinterpret_cast<T*>(base_ + static_cast<std::size_t>(thread) * stride_);
    }

   private:
    friend class Engine;
    std::byte* base_ = nullptr;
    std::size_t stride_ = 0;  // bytes
  };
  /// Raises Error when the machine's memory is exhausted.
  const Workspace& workspace(std::size_t bytes_a_thread);

 private:
  Pool pool_;
  Team team_;
  bool dry_;
  GemmBackend gemm_;
  Workspace workspace_;
};

/// "highway" | "onednn" | "openblas"; raises UsageError for another name.
GemmBackend gemm_backend(const std::string& name);
const char* name_of(GemmBackend backend);

}  // namespace normscope
