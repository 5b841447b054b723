#include <normscope/core/engine.h>

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <new>
#include <string>

namespace normscope {

// Blocks tile [base, base + top) without gaps; the header fills the 64 bytes before the data.
struct alignas(64) Pool::Block {
  std::size_t size;  // bytes of the block, header included
  Block* before;     // the neighbour below, null for the first
  Block *next_free, *last_free;
  bool free;
};

namespace {
constexpr std::size_t kAlign = 64, kHugePage = std::size_t{2} << 20;
/// What the machine can still give and the container allows: beyond it the kernel kills without a word.
std::size_t usable_memory() {
  std::size_t usable =
      static_cast<std::size_t>(sysconf(_SC_PHYS_PAGES)) * static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
  std::ifstream info("/proc/meminfo");
  std::size_t available = 0, kib = 0;
  for (std::string name, rest; info >> name >> kib && std::getline(info, rest);)
    if (name == "MemAvailable:" || name == "SwapFree:") available += kib << 10;
  if (available > 0) usable = std::min(usable, available);
  for (const char* limit : {"/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"}) {
    std::size_t bytes = 0;
    if (std::ifstream(limit) >> bytes && bytes > 0) usable = std::min(usable, bytes);  // "max" is no number
  }
  return usable;
}
constexpr std::size_t round_up(std::size_t value, std::size_t to) { return (value + to - 1) / to * to; }
}  // namespace

Pool::Pool(bool dry) {
  static_assert(sizeof(Block) == kAlign);
  // Address space only; pages come when touched. Halved until the system's limits (ulimit -v) allow it and leave as
  // much again to the libraries, of which some crash without memory.
  const std::size_t wanted = dry ? std::size_t{16} << 40 : round_up(usable_memory(), kHugePage);
  for (reserved_ = wanted; reserved_ >= kHugePage; reserved_ = round_up(reserved_ / 2, kHugePage)) {
    const std::size_t size = reserved_ + kHugePage, spare = reserved_ == wanted ? 0 : size;
    void* range =
        mmap(nullptr, size + spare, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (range != MAP_FAILED) {
      if (spare > 0) munmap(static_cast<std::byte*>(range) + size, spare);
      const auto start = reinterpret_cast<std::uintptr_t>(range);
      const auto aligned = round_up(start, kHugePage);
      if (aligned > start) munmap(range, aligned - start);
      if (start + kHugePage > aligned)
        munmap(reinterpret_cast<void*>(aligned + reserved_), start + kHugePage - aligned);
      base_ = reinterpret_cast<std::byte*>(aligned);
      if (!dry) madvise(base_, reserved_, MADV_HUGEPAGE);
      return;
    }
    if (reserved_ == kHugePage) break;
  }
  throw Error("[pool] cannot reserve address space for the memory pool; raise the limit (ulimit -v)");
}

Pool::~Pool() {
  // Tensors that outlive their engine would point into nothing: a bug of the caller, left to the sanitizers.
  munmap(base_, reserved_);
}

Pool::Block* Pool::next(Block* block) const noexcept {
  return block == last_ ? nullptr : reinterpret_cast<Block*>(reinterpret_cast<std::byte*>(block) + block->size);
}

void Pool::link(Block* block) noexcept {
  block->free = true;
  block->last_free = nullptr;
  block->next_free = free_;
  if (free_) free_->last_free = block;
  free_ = block;
}

void Pool::unlink(Block* block) noexcept {
  block->free = false;
  (block->last_free ? block->last_free->next_free : free_) = block->next_free;
  if (block->next_free) block->next_free->last_free = block->last_free;
}

Pool::Block* Pool::best_fit(std::size_t bytes) {
  Block* best = nullptr;
  for (Block* block = free_; block; block = block->next_free)
    if (block->size >= bytes && (!best || block->size < best->size || (block->size == best->size && block < best)))
      best = block;
  return best;
}

void* Pool::allocate(std::size_t bytes) {
  const std::size_t size = round_up(std::min(bytes, reserved_), kAlign) + sizeof(Block);  // min: no wrap to a small one
  Block* block = best_fit(size);
  if (block) {
    unlink(block);
    if (block->size >= size + 2 * sizeof(Block)) {  // give the rest back
      auto* rest =
          new (reinterpret_cast<std::byte*>(block) + size) Block{block->size - size, block, nullptr, nullptr, true};
      if (Block* after = next(block))
        after->before = rest;
      else
        last_ = rest;
      block->size = size;
      link(rest);
    }
  } else if (last_ && last_->free && last_->size < size && top_ + (size - last_->size) <= reserved_) {
    block = last_;  // grow the free block at the top
    unlink(block);
    top_ += size - block->size;
    block->size = size;
  } else {
    if (top_ + size > reserved_)
      throw Error("[pool] out of memory: " + std::to_string((in_use_ >> 20) + (bytes >> 20)) + " MiB required, " +
                  std::to_string(reserved_ >> 20) + " MiB available; reduce batch_size, block_size or n_embd");
    block = new (base_ + top_) Block{size, last_, nullptr, nullptr, false};
    last_ = block;
    top_ += size;
  }
  in_use_ += block->size;
  peak_ = std::max(peak_, in_use_);
  ++live_;
  return block + 1;
}

void Pool::release(void* data) noexcept {
  if (!data) return;
  Block* block = static_cast<Block*>(data) - 1;
  in_use_ -= block->size;
  --live_;
  if (Block* after = next(block); after && after->free) {
    unlink(after);
    if (after == last_) last_ = block;
    block->size += after->size;
    if (Block* beyond = next(block)) beyond->before = block;
  }
  if (Block* before = block->before; before && before->free) {
    unlink(before);
    if (block == last_) last_ = before;
    before->size += block->size;
    if (Block* beyond = next(before)) beyond->before = before;
    block = before;
  }
  link(block);
}

}  // namespace normscope
