// Memory: the pool's fit, borders and counts, on a model of itself.
#include <gtest/gtest.h>
#include <normscope/core/engine.h>
#include <normscope/core/random.h>

#include <algorithm>
#include <cstring>
#include <limits>
#include <map>
#include <vector>

namespace normscope {
namespace {

char* bytes(void* data) { return static_cast<char*>(data); }

TEST(Pool, GivesAlignedBlocksThatDoNotOverlap) {
  Pool pool;
  std::vector<std::pair<char*, std::size_t>> blocks;
  for (const std::size_t size : {0u, 1u, 63u, 64u, 65u, 1000u, 100000u}) {
    char* data = bytes(pool.allocate(size));
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(data) % 64, 0u) << size;
    std::memset(data, static_cast<int>(blocks.size()), size);
    blocks.push_back({data, size});
  }
  for (std::size_t k = 0; k < blocks.size(); ++k)
    for (std::size_t i = 0; i < blocks[k].second; ++i) ASSERT_EQ(blocks[k].first[i], static_cast<char>(k)) << i;
  EXPECT_EQ(pool.live_blocks(), blocks.size());
}

TEST(Pool, TakesTheSmallestFreeBlockThatFits) {
  Pool pool;
  void* large = pool.allocate(4096);
  void* wall1 = pool.allocate(64);
  void* small = pool.allocate(1024);
  void* wall2 = pool.allocate(64);
  void* middle = pool.allocate(2048);
  void* wall3 = pool.allocate(64);
  for (void* data : {small, large, middle}) pool.release(data);
  EXPECT_EQ(pool.allocate(2000), middle);
  EXPECT_EQ(pool.allocate(1000), small);
  EXPECT_EQ(pool.allocate(4000), large);
  for (void* data : {wall1, wall2, wall3, small, middle, large}) pool.release(data);
  EXPECT_EQ(pool.in_use(), 0u);
  EXPECT_EQ(pool.live_blocks(), 0u);
}

TEST(Pool, SplitsALargeBlockAndJoinsNeighboursInAnyOrder) {
  Pool pool;
  std::vector<int> order{0, 1, 2};
  do {
    std::vector<void*> parts;
    for (int i = 0; i < 3; ++i) parts.push_back(pool.allocate(10000));
    void* wall = pool.allocate(64);
    for (const int i : order) pool.release(parts[static_cast<std::size_t>(i)]);
    EXPECT_EQ(pool.allocate(30000), parts[0]) << "the three are one block again";
    pool.release(parts[0]);
    EXPECT_EQ(pool.allocate(100), parts[0]);
    void* rest = pool.allocate(100);
    EXPECT_GT(bytes(rest), bytes(parts[0]));
    EXPECT_LT(bytes(rest), bytes(parts[0]) + 1000) << "the rest of the block is used";
    for (void* data : {rest, parts[0], wall}) pool.release(data);
    ASSERT_EQ(pool.in_use(), 0u);
  } while (std::next_permutation(order.begin(), order.end()));
  const std::size_t touched = pool.touched();
  pool.release(pool.allocate(touched - 64));
  EXPECT_EQ(pool.touched(), touched) << "all of it is one free block";
}

TEST(Pool, GrowsTheLastFreeBlockInsteadOfStartingBehindIt) {
  Pool pool;
  void* first = pool.allocate(64);
  void* last = pool.allocate(1024);
  pool.release(last);
  EXPECT_EQ(pool.allocate(8192), last);
  EXPECT_EQ(pool.touched(), 128u + 8192 + 64);
  pool.release(first);
  pool.release(last);
}

TEST(Pool, RepeatedIdenticalStepsTouchNoNewMemory) {
  Pool pool;
  const auto step = [&] {
    std::vector<void*> held;
    for (std::size_t k = 1; k < 40; ++k) {
      held.push_back(pool.allocate(997 * k % 5000 + 1));
      if (k % 3 == 0) {  // scratch that goes at once
        pool.release(held[k / 2]);
        held[k / 2] = nullptr;
      }
    }
    for (void* data : held) pool.release(data);  // null: nothing
  };
  for (int i = 0; i < 3; ++i) step();  // the first grows the range, later ones cut it up
  const std::size_t touched = pool.touched(), peak = pool.peak();
  for (int i = 0; i < 50; ++i) step();
  EXPECT_EQ(pool.touched(), touched);
  EXPECT_EQ(pool.peak(), peak);
  EXPECT_GE(pool.touched(), pool.peak());
  EXPECT_LT(static_cast<double>(pool.touched()), 1.2 * static_cast<double>(pool.peak()));
  EXPECT_EQ(pool.in_use(), 0u);
}

TEST(Pool, PeakIsTheMostThatWasInUseAtOnce) {
  Pool pool;
  void* a = pool.allocate(1000);
  void* b = pool.allocate(2000);
  const std::size_t both = pool.in_use();
  EXPECT_GE(both, 3000u);
  pool.release(a);
  pool.release(b);
  pool.release(pool.allocate(500));
  EXPECT_EQ(pool.peak(), both);
  EXPECT_EQ(pool.in_use(), 0u);
}

TEST(Pool, KeepsEveryBlocksContentUnderRandomUse) {
  Pool pool;
  const Random random(5, Purpose::perturb, 1);
  std::map<char*, std::pair<std::size_t, char>> live;
  for (std::uint64_t i = 0; i < 20000; ++i) {
    if (live.size() < 60 && random.below(3 * i, 2) == 0) {
      const std::size_t size = random.below(3 * i + 1, 9000);
      char* data = bytes(pool.allocate(size));
      const char mark = static_cast<char>(i);
      std::memset(data, mark, size);
      ASSERT_TRUE(live.insert({data, {size, mark}}).second);
    } else if (!live.empty()) {
      const auto victim = std::next(live.begin(), static_cast<std::ptrdiff_t>(random.below(3 * i + 2, live.size())));
      const auto [size, mark] = victim->second;
      for (std::size_t k = 0; k < size; ++k) ASSERT_EQ(victim->first[k], mark);
      pool.release(victim->first);
      live.erase(victim);
    }
    ASSERT_EQ(pool.live_blocks(), live.size());
  }
  EXPECT_LT(pool.touched(), 60u * 9200 * 2) << "free memory is found again";
  for (const auto& block : live) pool.release(block.first);
  EXPECT_EQ(pool.in_use(), 0u);
}

TEST(Pool, SaysWhatToDoWhenMemoryIsExhausted) {
  Pool pool;
  for (const std::size_t size : {std::size_t{1} << 60, std::numeric_limits<std::size_t>::max()}) {
    try {
      pool.allocate(size);
      ADD_FAILURE() << size << " bytes were given";
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ExitCode::runtime);
      EXPECT_NE(std::string(error.what()).find("[pool] out of memory"), std::string::npos) << error.what();
      EXPECT_NE(std::string(error.what()).find("batch_size"), std::string::npos) << error.what();
    }
  }
  pool.release(pool.allocate(100));  // still works
  EXPECT_EQ(pool.live_blocks(), 0u);
}

TEST(Engine, KeepsOneWorkspaceAndGrowsIt) {
  Engine engine({2});
  const auto small = engine.workspace(1000);
  auto *first = small.of<std::byte>(0), *second = small.of<std::byte>(1);
  EXPECT_GE(second - first, 1000);
  EXPECT_EQ(engine.workspace(500).of<std::byte>(0), first);
  const std::size_t before = engine.pool().in_use();
  const auto large = engine.workspace(100000);
  EXPECT_GE(large.of<std::byte>(1) - large.of<std::byte>(0), 100000);
  EXPECT_LT(engine.pool().in_use(), before + 220000);
  EXPECT_EQ(engine.pool().live_blocks(), 1u);  // the smaller one was given back
}

TEST(Engine, NamesOfGemmLibraries) {
  EXPECT_EQ(gemm_backend("onednn"), GemmBackend::onednn);
  EXPECT_EQ(gemm_backend("openblas"), GemmBackend::openblas);
  EXPECT_EQ(gemm_backend("highway"), GemmBackend::highway);
  for (const char* name : {"highway", "onednn", "openblas"}) EXPECT_STREQ(name_of(gemm_backend(name)), name);
  EXPECT_THROW(gemm_backend("mkl"), UsageError);
  EXPECT_EQ(Engine({3, GemmBackend::onednn}).threads(), 3);
  EXPECT_GE(Engine().threads(), 1);
}

}  // namespace
}  // namespace normscope
