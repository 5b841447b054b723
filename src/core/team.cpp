#include <normscope/core/team.h>

#include <immintrin.h>
#include <omp.h>
#include <sched.h>

#include <algorithm>

namespace normscope {

namespace {
/// Pauses before a thread sleeps: 0.1 to 0.2 ms. Waking one takes some 50 us on a virtual machine; with 2000, a step of
/// nanogpt-cpu is 5 % slower, with 20000 no faster, and beside another program half as fast.
constexpr int kSpins = 4000;

/// Waits until `value` is no longer `old`.
int wait_for_change(const std::atomic<int>& value, int old, int spins) {
  for (int i = 0; i < spins; ++i) {
    const int now = value.load(std::memory_order_acquire);
    if (now != old) return now;
    _mm_pause();
  }
  value.wait(old, std::memory_order_acquire);
  return value.load(std::memory_order_acquire);
}

/// Libraries called from this thread (oneDNN's sgemm) get no threads of their own: they would make a team of all cores
/// for each of ours.
void keep_libraries_single() { omp_set_num_threads(1); }
}  // namespace

int available_cores() {
  cpu_set_t cores;
  const int count = sched_getaffinity(0, sizeof cores, &cores) == 0 ? CPU_COUNT(&cores) : 0;
  return count > 0 ? count : static_cast<int>(std::max(1u, std::thread::hardware_concurrency()));
}

thread_local int Team::index_ = 0;

Team::Team(int size) : size_(size), spins_(size <= available_cores() ? kSpins : 0) { keep_libraries_single(); }

Team::~Team() {
  stop_ = true;
  round_.fetch_add(1, std::memory_order_release);
  round_.notify_all();
  for (std::thread& thread : others_) thread.join();
}

void Team::run_each(int threads, Call call, const void* body) {
  while (static_cast<int>(others_.size()) < size_ - 1) {
    const int k = static_cast<int>(others_.size()) + 1;
    others_.emplace_back([this, k] { serve(k); });
  }
  threads_ = threads, call_ = call, body_ = body;
  busy_.store(size_ - 1, std::memory_order_relaxed);
  round_.fetch_add(1, std::memory_order_release);
  round_.notify_all();
  call(body, 0);
  for (int left = busy_.load(std::memory_order_acquire); left > 0;) left = wait_for_change(busy_, left, spins_);
}

void Team::serve(int k) {
  index_ = k;
  keep_libraries_single();
  for (int round = 0;;) {
    round = wait_for_change(round_, round, spins_);
    if (stop_) return;
    if (k < threads_) call_(body_, k);
    if (busy_.fetch_sub(1, std::memory_order_acq_rel) == 1) busy_.notify_one();
  }
}

}  // namespace normscope
