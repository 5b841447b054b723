#pragma once
// Made-up runs for the report's tests: smooth curves with known ratios, no training.
#include <fmt/format.h>
#include <normscope/core/random.h>
#include "study/report.h"

#include <algorithm>
#include <cmath>

namespace normscope::testing {

struct FakeStudy {
  Axes axes{{"norm", {"layernorm", "rmsnorm"}}};
  int seeds = 3, blocks = 4, epochs = 6, steps_per_epoch = 10;
  bool unfinished = false;
};

inline RunData fake_run(const FakeStudy& fake, const Arm& arm, std::size_t arm_index, std::uint64_t seed) {
  const Random noise(seed, Purpose::perturb, arm_index + 1);
  const Random shared(seed, Purpose::window, 7);  // what paired runs have in common
  std::uint64_t draw = 0;
  RunData run;
  run.status = "done";
  run.data_sha256 = "5a1e";
  run.epoch_label = "epoch";
  run.command = "normscope train --norm " + (arm.count("norm") ? arm.at("norm") : std::string("layernorm"));
  run.config_json =
      "{\"arch\": \"gpt\", \"n_layer\": 4, \"n_embd\": 64, \"batch_size\": 16, \"block_size\": 64, \"sampler\": "
      "\"shuffle\", \"data\": \"../a_b/{input}^2.txt\", \"seed\": " +
      std::to_string(seed);
  for (const auto& [key, value] : arm) run.config_json += ", \"" + key + "\": \"" + value + "\"";
  run.config_json += "}";
  run.attributes = {{"version", "0.1.0"}, {"isa", "avx2"}, {"threads", "1"}, {"entropy_rate", "1.52"}};
  for (int b = 0; b < fake.blocks; ++b) {
    for (const char* name : {"attn.q", "attn.k", "attn.v", "attn.proj", "mlp.fc", "mlp.proj"}) {
      run.params.push_back(
          {fmt::format("blocks.{}.{}.weight", b, name), b, name[0] == 'a' ? "attention" : "mlp", {64, 64}});
    }
    run.params.push_back({fmt::format("blocks.{}.attn_norm.gain", b), b, "norm", {64}});
  }
  run.params.push_back({"embed.tokens", -1, "embedding", {65, 64}});
  for (int r = 0; r <= 2 * fake.blocks + 1; ++r) run.residual.push_back(fmt::format("residual.{}", r));
  const auto made = [&](const std::string& name, Axis axis, std::size_t width) {
    return Matrix{{.name = name, .path = "/" + name, .axis = axis}, width, {}};
  };
  run.columns = {made("grad/norm", Axis::params, run.params.size()),
                 made("residual/grad_norm", Axis::points, run.residual.size()),
                 made("residual/grad_times_x", Axis::points, run.residual.size())};
  std::vector<float>&grad_norm = run.columns[0].values, &residual = run.columns[1].values,
  &product = run.columns[2].values;
  const int steps = fake.epochs * fake.steps_per_epoch - (fake.unfinished ? fake.steps_per_epoch / 2 : 0);
  const double factor = 1 + 0.12 * static_cast<double>(arm_index);
  for (int i = 0; i < steps; ++i) {
    const double t = static_cast<double>(i) / steps, common = 1 + 0.1 * shared.normal(static_cast<std::uint64_t>(i));
    run.step.push_back(i);
    run.epoch.push_back(i / fake.steps_per_epoch + 1);
    run.tokens.push_back(1024 * (i + 1));
    run.elapsed_s.push_back(0.02 * (i + 1) * factor);
    run.loss.push_back(1.6 + 2.6 * std::exp(-5 * t) + 0.05 * common + 0.01 * noise.normal(draw++) +
                       0.01 * static_cast<double>(arm_index));
    run.lr.push_back(1e-3 * std::min(1.0, 10 * t) * (0.55 + 0.45 * std::cos(3.1 * t)));
    run.clip_coef.push_back(1);
    double squares = 0;
    for (std::size_t p = 0; p < run.params.size(); ++p) {
      const double depth = run.params[p].block < 0 ? 1 : 1 + 0.3 * static_cast<double>(run.params[p].block);
      const double kind = p % 7 < 2 ? 0.02 : p % 7 == 6 ? 0.005 : 0.2;
      const double g = kind * depth * factor * common * (0.5 + 1.3 * t) * (1 + 0.05 * noise.normal(draw++));
      grad_norm.push_back(static_cast<float>(g));
      squares += g * g;
    }
    run.grad_norm.push_back(std::sqrt(squares));
    for (std::size_t r = 0; r < run.residual.size(); ++r) {
      residual.push_back(static_cast<float>(factor * common * 0.3 / (1 + 0.2 * static_cast<double>(r))));
      product.push_back(static_cast<float>(factor * common * (2 + 0.05 * static_cast<double>(r))));
    }
  }
  for (int e = 1; e <= fake.epochs; ++e) {
    EpochRow row;
    row.epoch = e;
    row.complete = !(fake.unfinished && e == fake.epochs);
    double sum = 0, n = 0;
    for (std::size_t i = 0; i < run.step.size(); ++i) {
      for (std::size_t p = 0; p < run.params.size() && run.epoch[i] == e; ++p) {
        if (!run.params[p].is_block_matrix()) continue;
        sum += grad_norm[i * run.params.size() + p];
        n += 1;
      }
    }
    row.mean_grad_norm = sum / n;
    run.epochs.push_back(row);
  }
  run.evals = {{0, 4.2, 4.25, false},
               {steps / 2, 1.9, 2.0, false},
               {steps - 1, 1.62, 1.7 + 0.004 * noise.normal(draw++) + 0.01 * static_cast<double>(arm_index), true}};
  return run;
}

inline ReportInput fake_study(const FakeStudy& fake) {
  ReportInput input;
  input.title = "A made-up study";
  input.command = "normscope ablate --norm layernorm,rmsnorm --seeds 3";
  input.study.axes = fake.axes;
  std::vector<std::string> keys;
  for (const auto& axis : fake.axes) keys.push_back(axis.first);
  std::vector<Arm> arms{Arm{}};
  for (const auto& [key, values] : fake.axes) {
    std::vector<Arm> next;
    for (const Arm& arm : arms) {
      for (const std::string& value : values) next.push_back(arm), next.back()[key] = value;
    }
    arms = next;
  }
  for (int s = 0; s < fake.seeds; ++s) {
    input.study.seeds.push_back(1337 + static_cast<std::uint64_t>(s));
    for (std::size_t a = 0; a < arms.size(); ++a) {
      input.runs.push_back(fake_run(fake, arms[a], a, input.study.seeds.back()));
      input.study.runs.push_back(summarize(input.runs.back(), keys));
      input.study.runs.back().name = fmt::format("run-{}-{}", a, s);
      input.study.runs.back().file = fmt::format("runs/run-{}-{}/run.h5", a, s);
    }
  }
  input.study.comparisons = compare_arms(input.study.axes, input.study.runs);
  return input;
}

}  // namespace normscope::testing
