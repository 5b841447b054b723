#pragma once
// The threads that compute.
#include <atomic>
#include <thread>
#include <vector>

namespace normscope {

/// Cores this process may run on (taskset and cpusets count).
int available_cores();

/// The thread that calls run() and size - 1 others, which start with the first run(). Between two runs they spin for a
/// fraction of a millisecond and then sleep, as does the caller who waits for them: a spinning thread would keep a core
/// from the very one it waits for when another program takes part of the machine.
class Team {
 public:
  explicit Team(int size);
  ~Team();
  Team(const Team&) = delete;
  Team& operator=(const Team&) = delete;

  int size() const { return size_; }
  /// Which of the team the calling thread is: 0 is the caller of run().
  static int index() { return index_; }

  /// body(k) for each k < threads, each on its own thread; returns when all are done. `body` must not throw or call
  /// run().
  template <class Body>
  void run(int threads, const Body& body) {
    run_each(threads, [](const void* object, int k) { (*static_cast<const Body*>(object))(k); }, &body);
  }

 private:
  using Call = void (*)(const void* body, int k);
  void run_each(int threads, Call call, const void* body);
  void serve(int k);

  static thread_local int index_;
  int size_, spins_;
  // One run: written before round_ is raised, read by the threads after it is.
  int threads_ = 0;
  Call call_ = nullptr;
  const void* body_ = nullptr;
  bool stop_ = false;
  alignas(64) std::atomic<int> round_{0};
  alignas(64) std::atomic<int> busy_{0};  ///< threads that have not finished this round
  std::vector<std::thread> others_;
};

}  // namespace normscope
