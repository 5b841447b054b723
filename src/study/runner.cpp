// The study's runner: a few child processes of this program at a time, each one run.
#include <fmt/format.h>
#include "io/file_util.h"
#include "study/report.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <deque>
#include <filesystem>
#include <map>
#include <thread>

#include "study/arms.h"
#include "study/plan.h"
#include "study/process.h"
#include "study/verdict.h"
#include "config/options.h"
#include "run/progress.h"
#include "run/saved_run.h"

namespace normscope {
namespace {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

struct Worker {
  pid_t pid = 0;
  std::size_t run = 0;
  Clock::time_point start;
};
struct Ended {
  Worker worker;
  ExitStatus status;
};

class Runner {
 public:
  Runner(const StudyOptions& options, Plan plan)
      : options_(options),
        plan_(std::move(plan)),
        dir_(plan_.dir),
        program_(options.program.empty() ? own_program() : options.program) {}

  ~Runner() {  // only after an error: no child is left behind
    for (const Worker& worker : workers_) kill(worker.pid, SIGTERM);
    for (const Worker& worker : workers_) wait_process(worker.pid);
  }

  StudyOutcome run() {
    create_output_dir(plan_.dir);
    FolderLock lock(plan_.dir);
    adopt_folder(&plan_, options_.overwrite);
    create_output_dir((dir_ / "runs").string());
    std::size_t kept = 0;
    for (std::size_t i = 0; i < runs().size(); ++i) {
      if (load(i)) {
        ++kept;
      } else {
        waiting_.push_back(i);
      }
    }
    check_val_targets(runs());
    if (!waiting_.empty()) check_data_unchanged();
    if (!waiting_.empty() && !older_.empty())  // before hours of training, not after
      throw UsageError(
          fmt::format("[ablate] {} was evaluated by an older version, over whole windows only ({} targets, not all of "
                      "its validation split); new runs cannot be paired with it: choose another "
                      "--out_dir, or use --overwrite to start over",
                      runs()[older_.front()].name, runs()[older_.front()].val_targets));
    save();
    ended_ = kept;
    Progress progress(options_.quiet);
    progress.note(fmt::format("[ablate] {}: {} runs, {} finished before, {} at a time with {} {} each", plan_.dir,
                              runs().size(), kept, plan_.jobs, plan_.threads,
                              plan_.threads == 1 ? "thread" : "threads"));
    work(&progress);
    if (options_.time_arms && finished() == runs().size()) time_steps(&progress);
    return outcome();
  }

 private:
  std::vector<StudyRun>& runs() { return plan_.study.runs; }

  fs::path run_dir(std::size_t i) const { return dir_ / fs::path(plan_.study.runs[i].file).parent_path(); }

  /// Fills in what the run's file says; true when it is finished (done or diverged).
  bool load(std::size_t i) {
    StudyRun& run = runs()[i];
    if (!fs::exists(dir_ / run.file)) return false;
    try {
      std::vector<std::string> keys;
      for (const auto& axis : plan_.study.axes) keys.push_back(axis.first);
      const RunData data = read_run((dir_ / run.file).string());
      StudyRun read = summarize(data, keys);
      data_sha256_[i] = data.data_sha256;
      run.status = read.status == "running" ? "interrupted" : read.status;  // nobody writes it: we hold the lock
      run.val_loss = read.val_loss;
      run.val_targets = read.val_targets;
      run.train_loss = read.train_loss;
      run.epoch_mean_grad_norm = read.epoch_mean_grad_norm;
      run.epoch_complete = read.epoch_complete;
      if (const auto tokens = data.attributes.find("val_tokens");
          tokens != data.attributes.end() && run.status == "done" && !data.attributes.contains("val_targets") &&
          run.val_targets != std::stoll(tokens->second) - 1)
        older_.push_back(i);
    } catch (const Error&) {
      run.status = "pending";  // a crash left a file that cannot be read: the run is made again
      return false;
    }
    return run.status == "done" || run.status == "diverged";
  }

  /// Runs that are there must have seen what the others will see; generated data follow from the configuration.
  void check_data_unchanged() {
    std::map<std::string, std::string> now;
    for (const auto& [i, before] : data_sha256_) {
      const Config& config = plan_.configs[i];
      if (before.empty() || config.data.rfind("synthetic:", 0) == 0) continue;
      std::string& sha256 = now[data_key(config)];
      if (sha256.empty()) sha256 = load_corpus(corpus_options(config)).sha256;
      if (sha256 != before)
        throw UsageError(
            fmt::format("[ablate] {} is not the data that {} was trained on (sha256 {}, {} then); runs on "
                        "both cannot be paired: choose another --out_dir, or use --overwrite to start over",
                        config.data, runs()[i].name, sha256.substr(0, 12), before.substr(0, 12)));
    }
  }

  void save() {
    Study& study = plan_.study;
    study.comparisons = all_comparisons(study);
    write_text_atomically((dir_ / "study.json").string(), study_to_json(plan_.study));
  }

  void start(std::size_t i) {
    const StudyRun& run = runs()[i];
    const std::string stem = (dir_ / "runs" / run.name).string();
    write_text_atomically(stem + ".toml", plan_.configs[i].to_toml());
    std::vector<std::string> argv{program_, "train", "--config", stem + ".toml"};
    const bool begun = fs::exists(run_dir(i));
    const bool resumes = run.status != "pending" && can_resume(run_dir(i).string());
    if (resumes) {
      argv.insert(argv.end(), {"--init_from", "resume"});
    } else if (begun) {
      argv.push_back("--overwrite");
    }
    workers_.push_back({start_process(argv, stem + ".log", resumes), i, Clock::now()});
  }

  void finish(const Worker& worker, ExitStatus status, Progress* progress) {
    StudyRun& run = runs()[worker.run];
    load(worker.run);
    const bool good = (status.code == 0 && run.status == "done") || (status.code == 3 && run.status == "diverged");
    // One that was still loading its data dies of the signal.
    const bool stopped = status.code == 130 || (status.signal == SIGTERM && StopGuard::stopped());
    if (!good && stopped) {
      run.status = "interrupted";
      stopping_ = stopping_ || StopGuard::stopped();
    } else if (!good) {
      run.status = "failed";
      const std::string how = status.signal != 0
                                  ? fmt::format("killed by signal {} ({})", status.signal, strsignal(status.signal))
                                  : fmt::format("exit {}", status.code);
      const std::string log = (dir_ / "runs" / (run.name + ".log")).string();
      problems_.push_back(fmt::format("[ablate] run {} failed ({}): {} (log: {})", run.name, how, last_line(log), log));
      usage_failures_ += status.code == 2;
      ++failures_;
    }
    const std::string loss = run.status == "done" ? fmt::format(", validation loss {:.4f}", run.val_loss) : "";
    progress->note(fmt::format("[{}/{}] {}, seed {}: {}{}, {}", ++ended_, runs().size(),
                               arm_text(run.arm, plan_.study.axes), run.seed, run.status, loss,
                               duration_text(seconds_since(worker.start))));
    save();
  }

  /// Workers whose process has ended; they leave workers_.
  std::vector<Ended> take_ended() {
    std::vector<Ended> ended;
    std::erase_if(workers_, [&](const Worker& worker) {
      ExitStatus status;
      if (!poll_process(worker.pid, &status)) return false;
      ended.push_back({worker, status});
      return true;
    });
    return ended;
  }

  void draw(Progress* progress) {
    progress->bar(static_cast<std::int64_t>(ended_), static_cast<std::int64_t>(runs().size()),
                  fmt::format("runs, {} at work", workers_.size()));
  }

  void work(Progress* progress) {
    StopGuard guard;
    bool asked = false;
    draw(progress);
    while (!waiting_.empty() || !workers_.empty()) {
      stopping_ = stopping_ || StopGuard::stopped();
      if (stopping_ && !asked) {
        progress->note("[ablate] stopping: each run finishes its step and saves a checkpoint a checkpoint");
        for (const Worker& worker : workers_) kill(worker.pid, SIGTERM);
        asked = true;
      }
      if (stopping_) waiting_.clear();
      const std::vector<Ended> ended = take_ended();
      while (!stopping_ && !waiting_.empty() && workers_.size() < static_cast<std::size_t>(plan_.jobs)) {
        const std::size_t next = waiting_.front();
        waiting_.pop_front();
        start(next);
      }
      for (const Ended& one : ended) finish(one.worker, one.status, progress);  // while the next one runs
      draw(progress);
      if (ended.empty() && !workers_.empty()) std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
  }

  std::size_t finished() {
    return static_cast<std::size_t>(std::count_if(runs().begin(), runs().end(), [](const StudyRun& run) {
      return run.status == "done" || run.status == "diverged";
    }));
  }

  /// The time of a step of each arm that trained: the first of its runs that is done stands for it.
  void time_steps(Progress* progress) {
    constexpr int kRounds = 30;
    std::vector<StepTimes> times;
    std::vector<Config> configs;
    for (const Arm& arm : arms_of(plan_.study.axes)) {
      for (std::size_t i = 0; i < runs().size(); ++i) {
        if (runs()[i].arm != arm || runs()[i].status != "done") continue;
        times.push_back({arm, {}});
        configs.push_back(plan_.configs[i]);
        break;
      }
    }
    progress->note(
        fmt::format("[ablate] measuring the time per step: {} arms interleaved, {} rounds", configs.size(), kRounds));
    StopGuard guard;
    Progress rounds(options_.quiet);  // its time left is that of the rounds
    const auto seconds = options_.time_arms(configs, kRounds, [&](int round) {
      rounds.bar(round, kRounds, "rounds");
      return !StopGuard::stopped();
    });
    if (StopGuard::stopped()) {
      timing_stopped_ = true;
      return;
    }
    for (std::size_t k = 0; k < times.size(); ++k) times[k].seconds = seconds[k];
    plan_.study.step_times = std::move(times);
  }

  const char* again() const { return options_.overwrite ? "the same command without --overwrite" : "the same command"; }

  StudyOutcome outcome() {
    StudyOutcome out;
    out.study_dir = plan_.dir;
    save();
    out.json = study_to_json(plan_.study);
    out.problems = problems_;
    const std::size_t ready = finished();
    if ((ready < runs().size() && failures_ == 0) || timing_stopped_) {
      out.exit = ExitCode::interrupted;
      out.text = fmt::format("Stopped with {} of {} runs finished in {}{}; {} continues.\n", ready, runs().size(),
                             plan_.dir, timing_stopped_ ? "; the time per step is not measured" : "", again());
      return out;
    }
    out.text = verdict_text(plan_.study);
    if (failures_ > 0) {
      // Every run refused its configuration: it is the call that is wrong.
      out.exit = usage_failures_ == runs().size() ? ExitCode::usage : ExitCode::runtime;
      if (stopping_) out.exit = ExitCode::interrupted;
      out.text += fmt::format("\n{} of {} runs failed; {} repeats them.\n", failures_, runs().size(), again());
    }
    if (ready == 0) return out;
    try {
      out.report = write_report(plan_.dir, "", true);
    } catch (const Error& error) {
      out.problems.push_back(error.what());
      if (out.exit == ExitCode::done) out.exit = ExitCode::runtime;
    }
    return out;
  }

  const StudyOptions& options_;
  Plan plan_;
  fs::path dir_;
  std::string program_;
  std::deque<std::size_t> waiting_;
  std::vector<Worker> workers_;
  std::map<std::size_t, std::string> data_sha256_;  ///< of the runs that were there
  std::vector<std::size_t> older_;                  ///< done runs whose exact evaluation left out the last window
  std::vector<std::string> problems_;
  std::size_t ended_ = 0, failures_ = 0, usage_failures_ = 0;
  bool stopping_ = false, timing_stopped_ = false;
};

}  // namespace

StudyOutcome run_study(const StudyOptions& options) { return Runner(options, make_plan(options)).run(); }

}  // namespace normscope
