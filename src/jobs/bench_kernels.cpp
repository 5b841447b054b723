// What this machine gives, and what the kernels reach of it.
#include <algorithm>
#include <functional>

#include <normscope/norms/norm.h>
#include <normscope/ops/ops.h>

#include "core/numbers.h"
#include "kernels/kernels.h"
#include "run/clock.h"
#include "jobs/entries.h"
#include "config/options.h"
#include "train/session.h"

NORMSCOPE_BEGIN

namespace {

using Job = std::function<void()>;
using Emit = std::function<void(const BenchRow&)>;

/// Median seconds of each job, all in turn, so that a slow moment hits all of them; each turn runs a job for some 2 ms.
std::vector<double> in_turn(const std::vector<Job>& jobs) {
  constexpr int kTurns = 15;
  std::vector<int> repeats;
  for (const Job& job : jobs) {
    job();  // touches memory
    const double before = now_s();
    job();
    repeats.push_back(std::max(1, static_cast<int>(2e-3 / (now_s() - before))));
  }
  std::vector<std::vector<double>> seconds(jobs.size());
  for (int turn = 0; turn < kTurns; ++turn)
    for (std::size_t j = 0; j < jobs.size(); ++j) {
      const double before = now_s();
      for (int i = 0; i < repeats[j]; ++i) jobs[j]();
      seconds[j].push_back((now_s() - before) / repeats[j]);
    }
  std::vector<double> medians;
  for (const auto& times : seconds) medians.push_back(median(times));
  return medians;
}

Tensor numbers_between(Engine& engine, const Shape& shape, std::uint64_t stream) {
  const Tensor t = Tensor::empty(engine, shape);
  const Random random(1, Purpose::perturb, stream);
  for (std::int64_t i = 0; i < t.numel(); ++i)
    t.data()[i] = static_cast<real>(random.uniform(static_cast<std::uint64_t>(i)) - 0.5);
  return t;
}

std::string sizes(std::initializer_list<std::int64_t> list) {
  std::string text;
  for (const std::int64_t n : list) text += (text.empty() ? "" : " x ") + std::to_string(n);
  return text;
}

/// GFLOP/s of multiply-adds in registers on all threads.
double roof_gflops(Engine& engine) {
  double operations = 0;
  const double seconds = in_turn({[&] { operations = kernels::multiply_adds(engine, 100000); }}).front();
  return operations / seconds * 1e-9;
}

void bench_norms(Engine& engine, const Emit& emit) {
  for (const auto& [count, width] :
       {std::pair<std::int64_t, std::int64_t>{768, 128}, {1024, 128}, {4096, 768}, {16384, 384}, {1024, 4096}}) {
    const Variable x = Variable::leaf(numbers_between(engine, {count, width}, 1), "x");
    const Tensor dy = numbers_between(engine, {count, width}, 2), y = empty_like(dy), dx = empty_like(dy);
    // Forward reads x and writes y, backward reads x and dy and writes dx: five tensors, which two and a half copies
    // move. Five are timed: half a copy would be cut elsewhere, and threads would wait for each other's caches.
    std::vector<Job> jobs = {[&] {
      for (int i = 0; i < 5; ++i)
        if (i % 2 == 0)
          kernels::copy(engine, x.value().data(), y.data(), y.numel());
        else
          kernels::copy(engine, dy.data(), dx.data(), dx.numel());
    }};
    Parameters parameters(engine, 1);
    std::vector<std::unique_ptr<Norm>> norms;
    Tape tape;
    const std::vector<std::string> variants = norm_variants({.width = width});
    for (const std::string& variant : variants) {
      norms.push_back(make_norm({parameters, variant, -1, "norm"}, parse_norm(variant, {}), width));
      const Norm& norm = *norms.back();
      jobs.push_back([&norm, &x] {
        const NoGrad guard;
        norm.forward(x);
      });
      jobs.push_back([&norm, &x, &dy, &tape, &parameters] {
        parameters.zero_grad();
        x.zero_grad();
        const Tape::Recording recording(tape);
        tape.backward(norm.forward(x), dy);
      });
    }
    const std::vector<double> seconds = in_turn(jobs);
    const double copy = seconds[0] / 2, bytes = 5.0 * static_cast<double>(dy.numel()) * sizeof(real);
    for (std::size_t k = 0; k < norms.size(); ++k) {
      const double forward = seconds[1 + 2 * k], both = seconds[2 + 2 * k];
      emit({variants[k],
            sizes({count, width}),
            {{"forward_us", forward * 1e6},
             {"forward_backward_us", both * 1e6},
             {"copy_us", copy * 1e6},
             {"over_copy", both / copy},
             {"gb_per_s", bytes / both * 1e-9}}});
    }
  }
}

/// The three products of each linear map of a model, on each backend.
void bench_gemm(Engine& engine, const Config& config, const Emit& emit) {
  Engine onednn({engine.threads(), GemmBackend::onednn}), openblas({engine.threads(), GemmBackend::openblas});
  Engine highway({engine.threads(), GemmBackend::highway});
  const std::int64_t rows = part_of_batch(config.batch_size, config.block_size) * config.block_size;  // of one product
  const double roof = roof_gflops(engine);
  Engine dry({.threads = 1, .dry = true});
  const auto model = make_model(dry, model_options(config, assumed_shape(config)), 0);
  for (const ProductShape& p : model->products()) {
    const Tensor x = numbers_between(engine, {rows, p.in}, 1), w = numbers_between(engine, {p.out, p.in}, 2);
    const Tensor y = numbers_between(engine, {rows, p.out}, 3), dx = empty_like(x), dw = empty_like(w), dy = y.clone();
    const auto product = [&](Engine& e, int form) -> Job {
      if (form == 0)
        return [&, p] {
          kernels::gemm(e, false, true, rows, p.out, p.in, x.data(), p.in, w.data(), p.in, 0, y.data(), p.out);
        };
      if (form == 1)
        return [&, p] {
          kernels::gemm(e, false, false, rows, p.in, p.out, dy.data(), p.out, w.data(), p.in, 0, dx.data(), p.in);
        };
      return [&, p] {
        kernels::gemm(e, true, false, p.out, p.in, rows, dy.data(), p.out, x.data(), p.in, 0, dw.data(), p.in);
      };
    };
    const char* const forms[] = {"forward X W^T", "input gradient dY W", "weight gradient dY^T X"};
    for (int form = 0; form < 3; ++form) {
      const auto seconds = in_turn({product(highway, form), product(onednn, form), product(openblas, form)});
      const double operations = 2e-9 * static_cast<double>(rows * p.in * p.out);
      emit({forms[form],
            sizes({rows, p.out, p.in}),
            {{"highway_gflops", operations / seconds[0]},
             {"onednn_gflops", operations / seconds[1]},
             {"openblas_gflops", operations / seconds[2]},
             {"roof_gflops", roof},
             {"share_of_roof", operations / seconds[0] / roof}}});
    }
  }
}

void bench_attention(Engine& engine, const Config& config, const Emit& emit) {
  const ModelOptions o = model_options(config, assumed_shape(config));
  const std::int64_t batch = part_of_batch(config.batch_size, config.block_size), time = o.block_size;
  const std::int64_t d = o.n_embd / o.n_head, row = (o.n_head + 2 * o.n_kv_head) * d;
  const kernels::AttentionShape shape{batch, time, o.n_head, o.n_kv_head, d};
  const Tensor qkv = numbers_between(engine, {batch, time, row}, 1), dqkv = empty_like(qkv);
  const Tensor dy = numbers_between(engine, {batch, time, o.n_embd}, 2), y = empty_like(dy);
  const Tensor log_sum_exp = Tensor::empty(engine, {batch, o.n_head, time});
  const auto seconds = in_turn(
      {[&] { kernels::attention_forward(engine, shape, qkv.data(), y.data(), log_sum_exp.data()); },
       [&] { kernels::attention_backward(engine, shape, qkv.data(), log_sum_exp.data(), dy.data(), dqkv.data()); }});
  const double roof = roof_gflops(engine);
  const double forward = 2e-9 * static_cast<double>(batch * time * (time + 1) * o.n_embd);
  const std::string size = sizes({batch, time, o.n_head, d});
  const auto line = [&](const char* kernel, double operations, double s) {
    emit({kernel,
          size,
          {{"us", s * 1e6},
           {"gflops", operations / s},
           {"roof_gflops", roof},
           {"share_of_roof", operations / s / roof}}});
  };
  line("forward", forward, seconds[0]), line("backward", 2 * forward, seconds[1]);
}

}  // namespace

void bench_kernels(const std::string& what, const Config& config, const Emit& emit) {
  Engine engine({thread_count(config), gemm_backend(config.gemm)});
  if (what == "norms") return bench_norms(engine, emit);
  if (what == "gemm") return bench_gemm(engine, config, emit);
  if (what == "attention") return bench_attention(engine, config, emit);
  throw UsageError("'" + what + "' is not a benchmark; allowed: norms, gemm, attention, step");
}

NORMSCOPE_END
