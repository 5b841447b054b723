// Each kernel alone, for who works on one (Google Benchmark): repetitions, filters, comparison of two builds.
//
//   build/release/tests/bench/kernel_bench --benchmark_filter=gelu --benchmark_repetitions=5
//
// `normscope bench` is the user's view: interleaved, against the machine's roof. NORMSCOPE_THREADS sets the threads.
#include <benchmark/benchmark.h>

#include <cstdlib>
#include <functional>
#include <vector>

#include <normscope/norms/norm.h>
#include <normscope/ops/ops.h>

#include "kernels/kernels.h"

using namespace normscope;
using namespace normscope::f32;

namespace {

Engine& engine() {
  static Engine e(
      {std::getenv("NORMSCOPE_THREADS") ? std::atoi(std::getenv("NORMSCOPE_THREADS")) : 1, GemmBackend::highway});
  return e;
}

Tensor numbers(const Shape& shape, std::uint64_t stream) {
  const Tensor t = Tensor::empty(engine(), shape);
  const Random random(1, Purpose::perturb, stream);
  for (std::int64_t i = 0; i < t.numel(); ++i)
    t.data()[i] = static_cast<real>(random.uniform(static_cast<std::uint64_t>(i)) - 0.5);
  return t;
}

/// Times `job`; says how many bytes it must move and how many useful FLOPs it does.
void run(benchmark::State& state, double bytes, double flops, const std::function<void()>& job) {
  for (auto _ : state) job();
  using benchmark::Counter;
  const auto each = Counter::kIsIterationInvariantRate;
  if (bytes > 0) state.counters["bytes_per_s"] = Counter(bytes, each, Counter::kIs1024);
  if (flops > 0) state.counters["flops_per_s"] = Counter(flops, each);
}

using Elementwise = void (*)(Engine&, const real*, real*, real*, std::int64_t);
void time_elementwise(benchmark::State& state, Elementwise f) {
  const Tensor x = numbers({state.range(0)}, 1), y = empty_like(x), slope = empty_like(x);
  run(state, 3.0 * sizeof(real) * static_cast<double>(x.numel()), 0,
      [&] { f(engine(), x.data(), y.data(), slope.data(), x.numel()); });
}

void time_gemm(benchmark::State& state, bool transpose_a, bool transpose_b) {
  const std::int64_t m = state.range(0), n = state.range(1), k = state.range(2);
  const Tensor a = numbers({m * k}, 1), b = numbers({k * n}, 2), c = numbers({m * n}, 3);
  run(state, 0, 2.0 * static_cast<double>(m * n * k), [&] {
    kernels::gemm(engine(), transpose_a, transpose_b, m, n, k, a.data(), transpose_a ? m : k, b.data(),
                  transpose_b ? k : n, 0, c.data(), n);
  });
}

void time_attention(benchmark::State& state, bool backward) {
  const std::int64_t batch = state.range(0), time = state.range(1), heads = state.range(2), width = state.range(3);
  kernels::AttentionShape shape{batch, time, heads, heads, width};
  const Tensor qkv = numbers({batch, time, shape.row()}, 1), dout = numbers({batch, time, heads * width}, 2);
  const Tensor out = empty_like(dout), dqkv = empty_like(qkv), lse = Tensor::empty(engine(), {batch, heads, time});
  kernels::attention_forward(engine(), shape, qkv.data(), out.data(), lse.data());
  const double pairs = static_cast<double>(batch * heads * time * (time + 1) / 2 * width);
  run(state, 0, (backward ? 10 : 4) * pairs, [&] {
    if (backward)
      kernels::attention_backward(engine(), shape, qkv.data(), lse.data(), dout.data(), dqkv.data());
    else
      kernels::attention_forward(engine(), shape, qkv.data(), out.data(), lse.data());
  });
}

void time_norm(benchmark::State& state, const std::string& variant, bool backward) {
  const std::int64_t width = state.range(1);
  Parameters parameters(engine(), 1);
  const auto made = make_norm({parameters, variant, -1, "norm"}, parse_norm(variant, {}), width);
  const Variable x = Variable::leaf(numbers({state.range(0), width}, 1), "x");
  const Tensor dy = numbers({state.range(0), width}, 2);
  Tape tape;
  run(state, (backward ? 5.0 : 2.0) * sizeof(real) * static_cast<double>(dy.numel()), 0, [&] {
    if (!backward) {
      const NoGrad guard;
      made->forward(x);
      return;
    }
    parameters.zero_grad();
    x.zero_grad();
    const Tape::Recording recording(tape);
    tape.backward(made->forward(x), dy);
  });
}

void time_cross_entropy(benchmark::State& state) {
  const std::int64_t rows = state.range(0), vocab = state.range(1);
  const Tensor x = numbers({rows, vocab}, 1), lse = Tensor::empty(engine(), {rows}), dx = empty_like(x);
  std::vector<std::int32_t> targets(static_cast<std::size_t>(rows));
  for (std::size_t i = 0; i < targets.size(); ++i) targets[i] = static_cast<std::int32_t>(i) % static_cast<int>(vocab);
  run(state, 3.0 * sizeof(real) * static_cast<double>(x.numel()), 0, [&] {
    kernels::cross_entropy_forward(engine(), x.data(), targets.data(), lse.data(), rows, vocab);
    kernels::cross_entropy_backward(engine(), x.data(), targets.data(), lse.data(), 1, dx.data(), rows, vocab);
  });
}

void time_adamw(benchmark::State& state) {
  const Tensor w = numbers({state.range(0)}, 1), g = numbers({state.range(0)}, 2);
  const Tensor m = Tensor::full(engine(), w.shape(), 0), v = Tensor::full(engine(), w.shape(), 0);
  run(state, 7.0 * sizeof(real) * static_cast<double>(w.numel()), 0, [&] {
    double sums[2] = {0, 0};
    kernels::adamw({1e-3, 0.9, 0.99, 1e-8, 0.1, 1, 0.1, 0.01}, w.data(), g.data(), m.data(), v.data(), w.numel(), sums);
  });
}

}  // namespace

int main(int argc, char** argv) {
  const auto add = [](const std::string& name, auto body) { return benchmark::RegisterBenchmark(name.c_str(), body); };
#define UNARY(name, formula) \
  add(#name, [](benchmark::State& state) { time_elementwise(state, kernels::name); })->Arg(768 * 512);
#include <normscope/core/unary.def>
#undef UNARY
  for (const auto& [name, a, b] :
       {std::tuple{"gemm/forward", false, true}, std::tuple{"gemm/input_gradient", false, false},
        std::tuple{"gemm/weight_gradient", true, false}})
    add(name, [a = a, b = b](benchmark::State& state) { time_gemm(state, a, b); })
        ->Args({768, 512, 128})
        ->Args({768, 128, 512})
        ->Args({2048, 1536, 384});
  for (const bool backward : {false, true}) {
    const std::string pass = backward ? "/forward_backward" : "/forward";
    add(backward ? "attention/backward" : "attention/forward",
        [backward](benchmark::State& state) { time_attention(state, backward); })
        ->Args({12, 64, 4, 32})
        ->Args({8, 256, 6, 64});
    for (const std::string& variant : norm_variants({.width = 128}))
      add(variant + pass, [variant, backward](benchmark::State& state) { time_norm(state, variant, backward); })
          ->Args({1024, 128})
          ->Args({4096, 768});
  }
  add("cross_entropy/forward_backward", time_cross_entropy)->Args({768, 65})->Args({128, 50257});
  add("adamw", time_adamw)->Arg(804096);
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}
