// What a step of one model costs against that of another, measured in turns in one process.
#include <pthread.h>
#include <sched.h>

#include <deque>

#include "core/numbers.h"
#include "jobs/entries.h"
#include "run/clock.h"
#include "stats/statistic_set.h"
#include "train/session.h"

NORMSCOPE_BEGIN

namespace {

constexpr int kFewestSteps = 5;
constexpr double kShortestBlock = 0.020;  // seconds

/// Keeps the calling thread on the core it runs on: a move empties its caches in the middle of a block.
class PinnedThread {
 public:
  PinnedThread() {
    const int core = sched_getcpu();
    cpu_set_t one;
    CPU_ZERO(&one);
    if (core >= 0) CPU_SET(core, &one);
    if (pthread_getaffinity_np(pthread_self(), sizeof before_, &before_) != 0 ||
        pthread_setaffinity_np(pthread_self(), sizeof one, &one) != 0)
      throw Error(
          "[time] the thread cannot be bound to one core, so the time of a step cannot be compared; "
          "run without --time");
  }
  ~PinnedThread() { pthread_setaffinity_np(pthread_self(), sizeof before_, &before_); }
  PinnedThread(const PinnedThread&) = delete;
  PinnedThread& operator=(const PinnedThread&) = delete;

 private:
  cpu_set_t before_;
};

/// One arm's model with its own engine and data, ready to train.
class TimedArm {
 public:
  TimedArm(const Config& config, const Corpus& corpus)
      : session_(config, corpus.shape()),
        data_(corpus, *session_.model, sampler_options(config)),
        statistics_(session_.config, *session_.model),
        step_(*session_.model, *data_.source, step_options(config, total_steps(config, data_.sampler))) {}

  /// The median time of the steps of one block, in seconds.
  double block() {
    std::vector<double> times;
    for (double sum = 0; static_cast<int>(times.size()) < kFewestSteps || sum < kShortestBlock; sum += times.back()) {
      const double before = now_s();
      step_.run(next_++, &statistics_);
      times.push_back(now_s() - before);
    }
    return median(times);
  }

 private:
  Session session_;
  DataSet data_;
  StatisticSet statistics_;
  TrainStep step_;
  std::int64_t next_ = 0;
};

}  // namespace

std::vector<std::vector<double>> time_arms(const std::vector<TimedConfig>& configs, int rounds,
                                           const std::function<bool(int round)>& go_on) {
  const PinnedThread pinned;
  std::deque<TimedArm> arms;  // they stay where they are
  for (const auto& [config, corpus] : configs) arms.emplace_back(config, *corpus);
  for (TimedArm& arm : arms) arm.block();  // memory is taken and written for the first time
  std::vector<std::vector<double>> seconds(arms.size());
  for (int round = 0; round < rounds && go_on(round); ++round)
    for (std::size_t k = 0; k < arms.size(); ++k) {
      const std::size_t arm = (k + static_cast<std::size_t>(round)) % arms.size();
      seconds[arm].push_back(arms[arm].block());
    }
  return seconds;
}

NORMSCOPE_END
