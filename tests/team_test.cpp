#include <normscope/core/team.h>

#include <gtest/gtest.h>

#include <chrono>
#include <ctime>
#include <limits>
#include <vector>

#include "core/parallel.h"

namespace normscope {
namespace {

double cpu_seconds() {
  timespec now{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

void sleep_ms(int n) { std::this_thread::sleep_for(std::chrono::milliseconds(n)); }

TEST(Team, RunsEveryPartOnceOnItsOwnThread) {
  for (const int size : {1, 2, 3, 8}) {  // more than there are cores, too
    Team team(size);
    for (int threads = 1; threads <= size; ++threads) {
      std::vector<int> times(static_cast<std::size_t>(size), 0);
      std::vector<std::thread::id> ids(times.size());
      for (int round = 0; round < 50; ++round)
        team.run(threads, [&](int k) {
          EXPECT_EQ(Team::index(), k);
          ++times[static_cast<std::size_t>(k)];
          ids[static_cast<std::size_t>(k)] = std::this_thread::get_id();
        });
      for (int k = 0; k < size; ++k) EXPECT_EQ(times[static_cast<std::size_t>(k)], k < threads ? 50 : 0) << k;
      EXPECT_EQ(ids[0], std::this_thread::get_id());
      for (std::size_t k = 1; k < static_cast<std::size_t>(threads); ++k) EXPECT_NE(ids[k], ids[k - 1]);
    }
  }
}

TEST(Team, SeesWhatTheCallerWroteAndTheCallerWhatItWrites) {
  Team team(3);
  std::vector<std::int64_t> cells(3 * 16, 0);
  std::int64_t expected = 0;
  for (std::int64_t round = 0; round < 20000; ++round) {
    team.run(3, [&](int k) { cells[static_cast<std::size_t>(16 * k)] += round; });
    expected += round;
    ASSERT_EQ(cells[0] + cells[16] + cells[32], 3 * expected);
  }
}

TEST(Team, TwoTeamsOfOneProcessDoNotMeet) {
  std::vector<std::int64_t> sums(2, 0);
  const auto work = [&](std::size_t which) {
    Team team(2);
    std::int64_t parts[2] = {};
    for (int round = 0; round < 2000; ++round) team.run(2, [&](int k) { parts[k] += k + 1; });
    sums[which] = parts[0] + parts[1];
  };
  std::thread other(work, 1);
  work(0);
  other.join();
  EXPECT_EQ(sums, (std::vector<std::int64_t>{6000, 6000}));
}

// Counted in processor time, which other programs do not change: a thread that spins takes all of a wait.
TEST(Team, SleepsBetweenRunsAndWakesAgain) {
  Team team(2);
  int done[2] = {};
  team.run(2, [](int) {});
  for (int round = 0; round < 3; ++round) {
    sleep_ms(20);  // past the short spin
    const double before = cpu_seconds();
    sleep_ms(200);
    EXPECT_LT(cpu_seconds() - before, 0.05);
    team.run(2, [&](int k) { ++done[k]; });
  }
  EXPECT_EQ(done[0] + done[1], 6);
}

TEST(Team, SleepsWhileItWaitsForASlowThread) {
  Team team(2);
  for (const int slow : {0, 1}) {
    const double before = cpu_seconds();
    team.run(2, [&](int k) {
      if (k == slow) sleep_ms(300);
    });
    EXPECT_LT(cpu_seconds() - before, 0.1) << slow;
  }
}

TEST(Parallel, CutsTilesIntoUnbrokenPartsForAnyNumberOfThreads) {
  for (const int threads : {1, 2, 3, 5})
    for (const std::int64_t tiles : {0, 1, 2, 3, 4, 7, 100})
      for (const int most : {0, 1, 2}) {
        Engine engine({threads, GemmBackend::highway});
        std::vector<int> times(static_cast<std::size_t>(tiles), 0), who(times.size());
        parallel_tiles(
            engine, tiles,
            [&](std::int64_t tile) {
              ++times[static_cast<std::size_t>(tile)];
              who[static_cast<std::size_t>(tile)] = Team::index();
            },
            most);
        for (std::size_t tile = 0; tile < times.size(); ++tile) {
          EXPECT_EQ(times[tile], 1);
          if (tile > 0) {
            EXPECT_GE(who[tile], who[tile - 1]);
          }
          if (most > 0) {
            EXPECT_LT(who[tile], most);
          }
        }
      }
  Engine dry({2, GemmBackend::highway, true});
  parallel_tiles(dry, 5, [](std::int64_t) { FAIL() << "an engine that only plans computes nothing"; });
}

TEST(Parallel, FlushesDenormalsOnEveryThreadAndRestoresTheModeAfter) {
  volatile float least = std::numeric_limits<float>::denorm_min(), small = std::numeric_limits<float>::min();
  for (const int threads : {1, 2, 3}) {
    Engine engine({threads, GemmBackend::highway});
    std::vector<float> read(3, 1), made(3, 1);
    parallel_tiles(engine, 3, [&](std::int64_t tile) {
      read[static_cast<std::size_t>(tile)] = least * 1e30f;
      made[static_cast<std::size_t>(tile)] = small * 0.5f;
    });
    EXPECT_EQ(read, std::vector<float>(3, 0)) << threads;
    EXPECT_EQ(made, std::vector<float>(3, 0)) << threads;
    EXPECT_GT(least * 1e30f, 0);
    EXPECT_GT(small * 0.5f, 0);
    std::vector<float> after(3, 0);
    engine.team().run(threads, [&](int k) { after[static_cast<std::size_t>(k)] = small * 0.5f; });
    for (int k = 0; k < threads; ++k) EXPECT_GT(after[static_cast<std::size_t>(k)], 0) << threads;
  }
}

}  // namespace
}  // namespace normscope
