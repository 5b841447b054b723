// label: train
// Training: what the run file says against what can be computed from `dump`, accumulation, threads, divergence,
// learning.
#include <algorithm>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>

#include "config/config.h"
#include "train_helpers.h"

namespace normscope::train_test {
namespace {

std::size_t index_of(const std::vector<std::string>& names, const std::string& name) {
  return static_cast<std::size_t>(std::find(names.begin(), names.end(), name) - names.begin());
}
std::vector<std::string> parameter_names(const RunData& data) {
  std::vector<std::string> names;
  for (const ParamInfo& p : data.params) names.push_back(p.name);
  return names;
}

class Numbers : public ::testing::TestWithParam<const char*> {};

TEST_P(Numbers, OfParametersAreThoseOfTheDump) {
  const TemporaryFolder folder;
  const std::string keys = kTiny + " --max_iters 1 --learning_rate 1e-2 --warmup_iters 0 --grad_clip 0.1 " + GetParam();
  expect_done(folder, "train" + keys + " --out_dir run");
  expect_done(folder, "dump" + keys + " --out dump.h5");
  const RunData data = read_run(folder / "run/run.h5");
  const ArrayFileReader dump(folder / "dump.h5"), after(checkpoint_of(folder / "run"));
  EXPECT_NEAR(data.loss.at(0), numbers(dump.read("loss"))[0], 1e-6);
  double total = 0;
  for (std::size_t p = 0; p < data.params.size(); ++p) {
    const std::string& path = data.params[p].name;
    const auto g = numbers(dump.read("grads/" + path)), w = numbers(dump.read("params/" + path));
    auto change = numbers(after.read("params/" + path));
    for (std::size_t i = 0; i < w.size(); ++i) change[i] -= w[i];
    double top = 0;
    for (const double v : g) top = std::max(top, std::abs(v));
    total += norm(g) * norm(g);
    EXPECT_NEAR(static_cast<double>(data.column("grad/norm").values[p]), norm(g), 1e-6 * norm(g)) << path;
    EXPECT_NEAR(static_cast<double>(data.column("grad/max_abs").values[p]), top, 1e-6 * top) << path;
    EXPECT_NEAR(static_cast<double>(data.column("weight/norm").values[p]), norm(w), 1e-6 * norm(w)) << path;
    if (norm(w) == 0) continue;  // a bias starts at zero: its ratio is infinite
    const double ratio = norm(change) / norm(w);
    EXPECT_NEAR(static_cast<double>(data.column("update/ratio").values[p]), ratio, 2e-6 * ratio) << path;
  }
  EXPECT_NEAR(data.grad_norm.at(0), std::sqrt(total), 1e-6 * std::sqrt(total)) << "before clipping";
  EXPECT_NEAR(data.clip_coef.at(0), std::min(1.0, 0.1 / (std::sqrt(total) + 1e-6)), 1e-6);
  EXPECT_LT(data.clip_coef.at(0), 1) << "clipping was at work";
}

TEST_P(Numbers, OfTheResidualStreamAreTheInterfaces) {
  const TemporaryFolder folder;
  const std::string keys = kTiny + " --max_iters 1 " + GetParam();
  expect_done(folder, "train" + keys + " --out_dir run");
  expect_done(folder, "dump" + keys + " --out dump.h5");
  const RunData data = read_run(folder / "run/run.h5");
  const ArrayFileReader dump(folder / "dump.h5");
  for (std::size_t r = 0; r < data.residual.size(); ++r) {
    const auto x = numbers(dump.read("residual/" + data.residual[r])),
               g = numbers(dump.read("residual_grads/" + data.residual[r]));
    const std::size_t N = 4 * 8, C = 16;
    ASSERT_EQ(x.size(), N * C);
    double gradient2 = 0, product2 = 0, square = 0, share = 0;
    for (std::size_t t = 0; t < N; ++t) {
      double xx = 0, gg = 0, mu = 0;
      for (std::size_t i = t * C; i < (t + 1) * C; ++i) {
        xx += x[i] * x[i];
        gg += g[i] * g[i];
        mu += x[i] / static_cast<double>(C);
      }
      const double n = static_cast<double>(N);
      gradient2 += gg;
      product2 += xx * (n * n * gg) / n;  // mean over tokens of (|x_t| |d(NL)/dx_t|)^2
      square += xx / static_cast<double>(N * C);
      share += mu * mu / (xx / static_cast<double>(C)) / n;
    }
    const auto expect = [&](const std::vector<float>& column, double value, const char* what) {
      EXPECT_NEAR(static_cast<double>(column[r]), value, 2e-6 * value + 1e-12) << what << " at " << data.residual[r];
    };
    expect(data.column("residual/grad_norm").values, std::sqrt(static_cast<double>(N) * gradient2), "grad_norm");
    expect(data.column("residual/grad_times_x").values, std::sqrt(product2), "grad_times_x");
    expect(data.column("residual/rms").values, std::sqrt(square), "rms");
    // A share of 1e-13 behind a LayerNorm is rounding.
    EXPECT_NEAR(static_cast<double>(data.column("residual/mean_share").values[r]), share, 1e-5 * share + 1e-9)
        << data.residual[r];
  }
}
INSTANTIATE_TEST_SUITE_P(Models, Numbers,
                         ::testing::Values("", "--arch llama --n_kv_head 1 --tie_weights false",
                                           "--norm rmsnorm --norm_placement post --bias true",
                                           "--norm none --dtype float64 --init_gain 5"));

TEST(Statistics, ZeroFractionIsTheShareOfTheDumpsZeros) {
  const TemporaryFolder folder;
  for (const std::string more : {"", " --dtype float64 --tie_weights false --vocab_size 64"}) {
    const std::string keys = kTiny + " --max_iters 1" + more, tag = more.empty() ? "f32" : "f64";
    expect_done(folder, "train" + keys + " --stats 'grad/zero_*' --out_dir " + tag);
    expect_done(folder, "dump" + keys + " --out " + tag + ".h5");
    const RunData data = read_run(folder / (tag + "/run.h5"));
    const Matrix& share = data.column("grad/zero_fraction");
    EXPECT_EQ(share.info.path, "/stats/grad/zero_fraction");
    EXPECT_EQ(share.info.axis, Axis::params);
    const ArrayFileReader dump(folder / (tag + ".h5"));
    for (std::size_t p = 0; p < data.params.size(); ++p) {
      const auto g = numbers(dump.read("grads/" + data.params[p].name));
      const auto zeros = static_cast<double>(std::count(g.begin(), g.end(), 0.0));
      EXPECT_FLOAT_EQ(share.row(0)[p], static_cast<float>(zeros / static_cast<double>(g.size())))
          << data.params[p].name;
    }
    if (more.empty()) continue;
    const std::size_t e = index_of(parameter_names(data), "embed.tokens");
    EXPECT_GE(share.row(0)[e], 0.5f) << "half of the tokens are padding";
  }
}

TEST(Statistics, AskedForChangeNothingElse) {
  const TemporaryFolder folder;
  expect_done(folder, "train" + kTiny + " --out_dir plain");
  expect_done(folder, "train" + kTiny + " --out_dir more --stats '*' --probe blocks.* --probe_interval 3");
  const RunData plain = read_run(folder / "plain/run.h5"), more = read_run(folder / "more/run.h5");
  EXPECT_TRUE(same_bits(plain.loss, more.loss));
  EXPECT_EQ(plain.columns.size(), 8u) << "what nobody asked for has no column";
  const Matrix& share = more.column("grad/zero_fraction");
  for (std::size_t s = 0; s < 20; ++s)
    for (std::size_t p = 0; p < share.width; ++p)
      EXPECT_EQ(std::isnan(share.row(s)[p]), s % 3 != 0 || !more.params[p].name.starts_with("blocks."))
          << s << " " << more.params[p].name;
  for (std::size_t i = 0; i < plain.epochs.size(); ++i)
    EXPECT_TRUE(same_bits(plain.epochs[i].param_grad_norm, more.epochs[i].param_grad_norm)) << i;
}

TEST(Statistics, MayBeAddedWhenARunIsContinued) {
  const TemporaryFolder folder;
  expect_done(folder, "train" + kTiny + " --max_iters 6 --lr_decay_iters 20 --out_dir run");
  expect_done(folder, "train --out_dir run --init_from resume --max_iters 8 --stats grad/zero_fraction");
  const RunData data = read_run(folder / "run/run.h5");
  const Matrix& share = data.column("grad/zero_fraction");
  ASSERT_EQ(share.rows(), 8u);
  EXPECT_TRUE(std::isnan(share.row(5)[0]));
  EXPECT_FALSE(std::isnan(share.row(6)[0]));
  EXPECT_FALSE(std::isnan(data.column("grad/norm").row(0)[0]));
  expect_done(folder, "train --out_dir run --init_from resume --max_iters 9 --stats ''");
  const RunData last = read_run(folder / "run/run.h5");
  EXPECT_TRUE(std::isnan(last.column("grad/zero_fraction").row(8)[0]));
  EXPECT_FALSE(std::isnan(last.column("grad/norm").row(8)[0]));
}

TEST(Statistics, AnUnknownOneIsRefusedBeforeAnyWork) {
  const TemporaryFolder folder;
  for (const std::string command : {"train", "bench step", "inspect"}) {
    const Outcome outcome = run(folder, command + kTiny + " --out_dir run --stats grad/zero_fraktion");
    EXPECT_EQ(outcome.code, 2) << command;
    EXPECT_NE(outcome.err.find("nearest is grad/zero_fraction"), std::string::npos) << outcome.err;
  }
  EXPECT_FALSE(std::filesystem::exists(folder / "run"));
}

TEST(Accumulation, OfThreeBatchesOfFourIsOneOfTwelve) {
  const TemporaryFolder folder;
  const std::string keys = kTiny + " --max_iters 3 --optimizer sgd --learning_rate 0.1";
  expect_done(folder, "train" + keys + " --batch_size 12 --out_dir one");
  expect_done(folder, "train" + keys + " --batch_size 4 --gradient_accumulation_steps 3 --out_dir three");
  const RunData a = read_run(folder / "one/run.h5"), b = read_run(folder / "three/run.h5");
  EXPECT_EQ(a.tokens, b.tokens);
  ASSERT_EQ(a.loss.size(), 3u);
  for (std::size_t s = 0; s < 3; ++s) {
    EXPECT_NEAR(a.loss[s], b.loss[s], 1e-6 * a.loss[s]);
    EXPECT_NEAR(a.grad_norm[s], b.grad_norm[s], 1e-5 * a.grad_norm[s]);
  }
  const auto expect_close = [](const std::vector<float>& x, const std::vector<float>& y, const char* what) {
    ASSERT_EQ(x.size(), y.size());
    for (std::size_t i = 0; i < x.size(); ++i)
      EXPECT_NEAR(x[i], y[i], 2e-5f * std::abs(x[i]) + 1e-9f) << what << " " << i;
  };
  expect_close(a.column("grad/norm").values, b.column("grad/norm").values, "grad");
  expect_close(a.column("weight/norm").values, b.column("weight/norm").values, "weight");
  expect_close(a.column("residual/grad_norm").values, b.column("residual/grad_norm").values,
               "residual gradient: does not change with the batch");
  expect_close(a.column("residual/grad_times_x").values, b.column("residual/grad_times_x").values, "times x");
  expect_close(a.column("residual/rms").values, b.column("residual/rms").values, "rms");
  expect_close(a.column("residual/mean_share").values, b.column("residual/mean_share").values, "share");
}

TEST(Threads, ChangeNoBit) {
  // Wide enough that products, attention and optimizer are split.
  const TemporaryFolder folder;
  const std::string keys =
      kTiny + " --max_iters 4 --n_embd 64 --n_head 4 --block_size 48 --batch_size 8 --train_tokens 0 --dropout 0.1";
  for (const std::string threads : {"1", "2", "3"})
    expect_done(folder, "train" + keys + " --threads " + threads + " --out_dir t" + threads);
  expect_same_run(folder / "t1", folder / "t2");
  expect_same_run(folder / "t1", folder / "t3");
}

TEST(Probes, DoNotChangeTheTraining) {
  const TemporaryFolder folder;
  expect_done(folder, "train" + kTiny + " --out_dir all");
  expect_done(folder, "train" + kTiny + " --out_dir some --probe blocks.0.*,residual.1 --probe_interval 4");
  const RunData all = read_run(folder / "all/run.h5"), some = read_run(folder / "some/run.h5");
  EXPECT_TRUE(same_bits(all.loss, some.loss));
  EXPECT_TRUE(same_bits(all.grad_norm, some.grad_norm));
  const auto names = parameter_names(all);
  const std::size_t P = names.size(), R = all.residual.size(), q = index_of(names, "blocks.0.attn.q.weight"),
                    e = index_of(names, "embed.tokens");
  for (std::size_t s = 0; s < 20; ++s) {
    const auto shown = [&](const std::vector<float>& column, std::size_t i) { return !std::isnan(column[i]); };
    EXPECT_EQ(shown(some.column("grad/norm").values, s * P + q), s % 4 == 0);
    EXPECT_EQ(shown(some.column("residual/rms").values, s * R + 1), s % 4 == 0);
    EXPECT_FALSE(shown(some.column("grad/norm").values, s * P + e));
    EXPECT_FALSE(shown(some.column("residual/grad_norm").values, s * R));
    EXPECT_TRUE(shown(all.column("grad/norm").values, s * P + e));
    EXPECT_TRUE(s % 4 != 0 || some.column("grad/norm").values[s * P + q] == all.column("grad/norm").values[s * P + q])
        << s;
  }
  // g_e is over all block matrices, whatever is probed.
  ASSERT_EQ(all.epochs.size(), some.epochs.size());
  for (std::size_t i = 0; i < all.epochs.size(); ++i)
    EXPECT_EQ(all.epochs[i].mean_grad_norm, some.epochs[i].mean_grad_norm);
}

TEST(Probes, MeasureEachStepByItself) {
  const TemporaryFolder folder;
  const std::string train = "train" + kTiny + " --max_iters 7";
  expect_done(folder, train + " --out_dir each");
  expect_done(folder, train + " --out_dir third --probe_interval 3");
  const RunData each = read_run(folder / "each/run.h5"), third = read_run(folder / "third/run.h5");
  for (std::size_t i = 0; i < 7; ++i) EXPECT_EQ(each.tokens.at(i), 32 * (static_cast<std::int64_t>(i) + 1));
  for (const Matrix& matrix : each.columns)
    for (const std::size_t step : {3u, 6u})
      for (std::size_t k = step * matrix.width; k < (step + 1) * matrix.width; ++k)
        EXPECT_EQ(matrix.values[k], third.column(matrix.info.name).values[k])
            << matrix.info.name << " of step " << step;
}

TEST(Epochs, AreMeansOverTheirSteps) {
  const TemporaryFolder folder;
  expect_done(folder, "train" + kTiny + " --out_dir run");
  const RunData data = read_run(folder / "run/run.h5");
  const std::size_t P = data.params.size(), R = data.residual.size();
  ASSERT_EQ(data.epochs.size(), 4u);  // 6, 6, 6 and 2 steps
  for (std::size_t e = 0; e < 4; ++e) {
    const std::size_t first = 6 * e, last = std::min<std::size_t>(20, first + 6);
    const double steps = static_cast<double>(last - first);
    EXPECT_EQ(data.epochs[e].epoch, static_cast<std::int64_t>(e) + 1);
    EXPECT_EQ(data.epochs[e].complete, e < 3);
    double loss = 0, g = 0, matrices = 0, residual = 0;
    for (std::size_t s = first; s < last; ++s) {
      EXPECT_EQ(data.epoch[s], static_cast<std::int64_t>(e) + 1);
      loss += data.loss[s] / steps;
      residual += static_cast<double>(data.column("residual/grad_norm").values[s * R + 2]) / steps;
    }
    for (std::size_t p = 0; p < P; ++p) {
      const bool counts = data.params[p].name.starts_with("blocks.") && data.params[p].name.ends_with(".weight");
      matrices += counts;
      for (std::size_t s = first; counts && s < last; ++s)
        g += static_cast<double>(data.column("grad/norm").values[s * P + p]) / steps;
    }
    EXPECT_EQ(matrices, 12);  // 2 blocks of q, k, v, proj, fc, proj
    EXPECT_NEAR(data.epochs[e].loss, loss, 1e-12);
    EXPECT_NEAR(data.epochs[e].mean_grad_norm, g / matrices, 1e-6 * g);
    EXPECT_NEAR(static_cast<double>(data.epochs[e].residual_grad_norm[2]), residual, 1e-6 * residual);
  }
}

TEST(Divergence, IsAResultWithACompleteFile) {
  const TemporaryFolder folder;
  const std::string keys =
      kTiny + " --optimizer sgd --learning_rate 1e6 --norm none --grad_clip 0 --warmup_iters 0 --max_iters 50";
  const Outcome outcome = run(folder, "train" + keys + " --out_dir run");
  ASSERT_EQ(outcome.code, 3) << outcome.err;
  const RunData data = read_run(folder / "run/run.h5");
  EXPECT_EQ(data.status, "diverged");
  const std::size_t N = data.step.size();
  ASSERT_GE(N, 2u);
  ASSERT_LT(N, 50u);
  EXPECT_FALSE(std::isfinite(data.loss[N - 1]) && std::isfinite(data.grad_norm[N - 1]))
      << "the step that failed is there";
  for (std::size_t s = 0; s + 1 < N; ++s)
    EXPECT_TRUE(std::isfinite(data.loss[s]) && std::isfinite(data.grad_norm[s])) << s;
  EXPECT_EQ(data.column("grad/norm").values.size(), N * data.params.size());
  EXPECT_EQ(data.column("residual/rms").values.size(), N * data.residual.size());
  EXPECT_FALSE(data.epochs.empty());

  // The update that ruined the weights was the last one of a shorter run: only its evaluation can tell.
  const std::string shorter = keys + " --out_dir shorter --max_iters " + std::to_string(N - 1);
  EXPECT_EQ(run(folder, "train" + shorter).code, 3);
  const RunData last = read_run(folder / "shorter/run.h5");
  EXPECT_EQ(last.status, "diverged");
  EXPECT_EQ(last.step.size(), N - 1);
  ASSERT_FALSE(last.evals.empty());
  EXPECT_FALSE(std::isfinite(last.evals.back().val_loss));
}

class DeadRuns : public ::testing::TestWithParam<const char*> {};

TEST_P(DeadRuns, EndAsDivergedAndSayWhere) {
  const TemporaryFolder folder;
  // SGD at 1e4: from step 2 the stream is infinite; RMSNorm makes it zero, the loss is ln V and the gradient 0.
  const std::string keys =
      " --n_layer 2 --n_head 2 --n_embd 32 --block_size 16 --batch_size 4 --threads 1 --data "
      "synthetic:grammar:tokens=20000"
      " --eval_interval 0 --max_iters 60 --warmup_iters 0 --decay_lr false --weight_decay 0 --grad_clip 0 --json "
      "--out_dir run --probe embed.tokens ";  // the judgement does not hang on what is probed
  const Outcome outcome = run(folder, "train" + keys + GetParam());
  ASSERT_EQ(outcome.code, 3) << outcome.out << outcome.err;
  const auto json = nlohmann::json::parse(outcome.out);
  EXPECT_EQ(json.at("status"), "diverged");
  const RunData data = read_run(folder / "run/run.h5");
  EXPECT_EQ(data.status, "diverged");
  EXPECT_EQ(data.attributes.at("diverged_step"), std::to_string(json.at("diverged_step").get<std::int64_t>()));
  EXPECT_EQ(data.attributes.at("diverged_where"), json.at("diverged_where"));
  EXPECT_FALSE(data.attributes.at("diverged_reason").empty());
}
INSTANTIATE_TEST_SUITE_P(Inputs, DeadRuns,
                         ::testing::Values("--optimizer sgd --learning_rate 1e4 --norm rmsnorm",
                                           "--optimizer sgd --learning_rate 1e4 --norm layernorm",
                                           "--learning_rate 1e6 --norm rmsnorm", "--init_gain 1e15 --norm rmsnorm",
                                           "--init_shift 1e20 --norm rmsnorm",
                                           "--optimizer sgd --learning_rate 1e4 --norm rmsnorm --norm_placement post"));

TEST(Divergence, IsNotATextOfOneCharacter) {
  const TemporaryFolder folder;
  std::ofstream(folder / "a.txt") << std::string(500, 'a');
  expect_done(folder,
              "train --n_layer 1 --n_head 2 --n_embd 16 --block_size 8 --batch_size 4 --threads 1 --data a.txt "
              "--eval_interval 0 --max_iters 10 --out_dir run");
  const RunData data = read_run(folder / "run/run.h5");
  EXPECT_EQ(data.grad_norm.back(), 0);
  EXPECT_FALSE(data.attributes.contains("diverged_reason"));
}

TEST(ExactEvaluation, ScoresEveryTargetAndSaysHowMany) {
  const TemporaryFolder folder;
  const std::string keys =
      " --n_layer 1 --n_head 2 --n_embd 16 --block_size 8 --batch_size 1 --threads 1 "
      "--eval_interval 0 --max_iters 3";
  const auto train = [&](std::size_t characters) {
    const std::string name = "v" + std::to_string(characters);
    std::ofstream text(folder / (name + ".txt"));
    for (std::size_t i = 0; i < characters; ++i) text << static_cast<char>('a' + (i * i + i / 7) % 17);
    text.close();
    expect_done(folder, "train" + keys + " --data " + name + ".txt --out_dir " + name);
    return read_run(folder / (name + "/run.h5")).attributes.at("val_targets");
  };
  EXPECT_EQ(train(149), "14");
  EXPECT_EQ(train(20), "1") << "two tokens, fewer than a window";
  const Outcome eval = run(folder, "eval v149 --json");
  ASSERT_EQ(eval.code, 0) << eval.err;
  EXPECT_EQ(nlohmann::json::parse(eval.out).at("tokens"), 14);
  EXPECT_DOUBLE_EQ(nlohmann::json::parse(eval.out).at("loss").get<double>(),
                   read_run(folder / "v149/run.h5").evals.back().val_loss);
}

TEST(BenchStep, PrintsTheLossOfTheLastStepAskedFor) {
  const TemporaryFolder folder;
  const std::string keys = kTiny + " --max_iters 6";
  expect_done(folder, "train" + keys + " --out_dir run");
  const Outcome bench = run(folder, "bench step --warmup 2 --steps 4 --json" + keys);
  ASSERT_EQ(bench.code, 0) << bench.err;
  EXPECT_FLOAT_EQ(nlohmann::json::parse(bench.out).at("loss").get<float>(),
                  static_cast<float>(read_run(folder / "run/run.h5").loss.back()));
}

TEST(Training, LearnsTowardsTheEntropyRateAndNotBelow) {
  const TemporaryFolder folder;
  const std::string keys =
      " --data synthetic:markov:tokens=60000 --n_layer 2 --n_head 2 --n_embd 32 --block_size 16 --batch_size 16 "
      "--max_iters 500"
      " --warmup_iters 20 --learning_rate 1e-2 --eval_interval 0 --threads 1";
  for (const std::string norm : {"layernorm", "rmsnorm"}) {
    expect_done(folder, "train" + keys + " --norm " + norm + " --out_dir " + norm);
    const RunData data = read_run(folder / (norm + "/run.h5"));
    const double floor = std::stod(data.attributes.at("entropy_rate"));
    const double first = data.loss.front(), last = data.evals.back().val_loss;
    EXPECT_TRUE(data.evals.back().exact);
    EXPECT_EQ(data.evals.back().step, 499);
    EXPECT_NEAR(first, std::log(32.0), 0.1);  // 32 tokens, each first as likely
    EXPECT_LT(last - floor, 0.6 * (first - floor)) << norm << ": two fifths of what can be learnt";
    EXPECT_GT(last, floor - 0.02) << norm;  // 6,000 tokens know their mean loss to about 0.01
  }
}

}  // namespace
}  // namespace normscope::train_test
