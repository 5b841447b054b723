// label: train
// A training step asks nothing of the system's allocator once it is warm. Everything that allocates is counted, in
// every library.
#include <gtest/gtest.h>

#include <atomic>
#include <cerrno>
#include <cstdlib>

#include "stats/statistic_set.h"
#include "train/session.h"

namespace {
std::atomic<bool> counting{false};
std::atomic<long> allocations{0};
void count() {
  if (counting) ++allocations;
}
}  // namespace

// glibc's own functions, which these stand before.
extern "C" {
void* __libc_malloc(std::size_t);
void* __libc_calloc(std::size_t, std::size_t);
void* __libc_realloc(void*, std::size_t);
void* __libc_memalign(std::size_t, std::size_t);
void* malloc(std::size_t n) noexcept { return count(), __libc_malloc(n); }
void* calloc(std::size_t n, std::size_t size) noexcept { return count(), __libc_calloc(n, size); }
void* realloc(void* p, std::size_t n) noexcept { return count(), __libc_realloc(p, n); }
void* memalign(std::size_t align, std::size_t n) noexcept { return count(), __libc_memalign(align, n); }
void* aligned_alloc(std::size_t align, std::size_t n) noexcept { return count(), __libc_memalign(align, n); }
int posix_memalign(void** to, std::size_t align, std::size_t n) noexcept {
  count();
  *to = __libc_memalign(align, n);
  return *to ? 0 : ENOMEM;
}
}

NORMSCOPE_BEGIN
namespace {

Config two_layers(const std::string& preset) {
  Config config;
  config.load_preset(preset);
  config.stats = {"*"};
  config.batch_size = 4;
  config.n_layer = 2;
  config.gemm = "highway";
  config.threads = 2;
  config.vocab_size = 65;
  return config;
}

class Pattern final : public BatchSource {
  void fill(std::int64_t, std::int64_t, const Batch& b) const override {
    for (std::int64_t i = 0; i < b.tokens.numel(); ++i)
      b.tokens.data()[i] = b.targets.data()[i] = static_cast<std::int32_t>(i * 7 % 65);
  }
};

/// Allocations of five steps after three to warm up, probes on.
long allocations_of(Config config) {
  config.resolve();
  Session session(config, {.classes = config.vocab_size});
  const Pattern source;
  TrainStep step(*session.model, source, step_options(config, 8));
  StatisticSet statistics(config, *session.model);
  allocations = 0;
  for (std::int64_t s = 0; s < 8; ++s) {
    counting = s >= 3;
    step.run(s, &statistics);
    counting = false;
  }
  return allocations;
}

TEST(Allocations, AreCounted) {
  counting = true;
  allocations = 0;
  void* volatile kept = std::malloc(10);  // volatile: or the compiler leaves both out
  std::free(kept);
  int* volatile number = new int(3);
  delete number;
  counting = false;
  EXPECT_EQ(allocations, 2);
  Config config = two_layers("micro");
  config.gemm = "onednn";  // dnnl_sgemm allocates inside
  EXPECT_GT(allocations_of(config), 0);
}

TEST(Allocations, AStepMakesNone) {
  for (const char* preset : {"micro", "llama-micro", "nanogpt-cpu", "nanogpt"})
    EXPECT_EQ(allocations_of(two_layers(preset)), 0) << preset;
}

TEST(Allocations, ALargeStepMakesNone) {
  // Shapes as long as [4, 1000, 10000]: as text they would no longer fit into a string without memory of its own.
  Config config = two_layers("micro");
  config.n_layer = 1;
  config.vocab_size = 10000;
  config.block_size = 1000;
  EXPECT_EQ(allocations_of(config), 0);
}

}  // namespace
NORMSCOPE_END
