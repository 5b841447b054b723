// label: train
// Pairing: runs that differ in an axis share, for a seed, their batches and every initial value of the same path and
// shape.
#include <map>

#include "train_helpers.h"

namespace normscope::train_test {
namespace {

using Arrays = std::map<std::string, Array>;

Arrays dump(const TemporaryFolder& folder, const std::string& keys) {
  const Outcome outcome = run(folder, "dump" + kTiny + " --out dump.h5 --overwrite " + keys);
  EXPECT_EQ(outcome.code, 0) << outcome.err;
  const ArrayFileReader file(folder / "dump.h5");
  Arrays arrays;
  for (const std::string& name : file.names()) arrays[name] = file.read(name);
  return arrays;
}

struct Shared {
  int same = 0, scaled = 0, different = 0;
};
/// Compares /params of the same path and shape; `factor`: what residual projections of b are multiplied by.
Shared compare(const Arrays& a, const Arrays& b, double factor = 1) {
  Shared shared;
  for (const auto& [name, x] : a) {
    const auto found = b.find(name);
    if (!name.starts_with("params/") || found == b.end() || found->second.shape != x.shape) continue;
    if (name.ends_with(".gain") || name.ends_with(".bias")) continue;  // constants
    if (found->second.bytes == x.bytes) {
      ++shared.same;
      continue;
    }
    const auto p = numbers(x), q = numbers(found->second);
    bool scaled = name.ends_with("proj.weight");
    for (std::size_t i = 0; i < p.size(); ++i)
      scaled = scaled && std::abs(q[i] - factor * p[i]) <= 1e-6 * std::abs(p[i]);
    ++(scaled ? shared.scaled : shared.different);
  }
  return shared;
}

TEST(Pairing, ArmsOfAnyAxisShareInitialValuesAndBatches) {
  const TemporaryFolder folder;
  const Arrays base = dump(folder, "--norm layernorm");
  struct Arm {
    const char* keys;
    int same;
  };
  // 2 blocks of 6 matrices, 2 embeddings
  for (const Arm& arm : {Arm{"--norm rmsnorm", 14}, Arm{"--norm none", 14}, Arm{"--norm layernorm:bias=false", 14},
                         Arm{"--norm dyt", 14}, Arm{"--norm_placement post", 14}, Arm{"--bias true", 14},
                         Arm{"--tie_weights false", 14}, Arm{"--learning_rate 1 --optimizer sgd", 14},
                         Arm{"--dropout 0.5", 14}, Arm{"--arch llama --n_inner 64", 11 /* no positions, no fc */}}) {
    const Arrays other = dump(folder, arm.keys);
    const Shared shared = compare(base, other);
    EXPECT_EQ(shared.same, arm.same) << arm.keys;
    EXPECT_EQ(shared.different + shared.scaled, 0) << arm.keys;
    EXPECT_EQ(base.at("tokens").bytes, other.at("tokens").bytes) << arm.keys;
    EXPECT_EQ(base.at("targets").bytes, other.at("targets").bytes) << arm.keys;
  }
}

TEST(Pairing, DepthScalesTheSameDraws) {
  const TemporaryFolder folder;
  const Arrays two = dump(folder, "--n_layer 2"), eight = dump(folder, "--n_layer 8");
  const Shared shared = compare(two, eight, 0.5);  // 1/sqrt(16) over 1/sqrt(4)
  EXPECT_EQ(shared.same, 10);
  EXPECT_EQ(shared.scaled, 4) << "two residual projections in each of the two blocks";
  EXPECT_EQ(shared.different, 0);
  EXPECT_EQ(two.at("tokens").bytes, eight.at("tokens").bytes);
}

TEST(Pairing, PrecisionsShareDrawsUpToRounding) {
  const TemporaryFolder folder;
  const Arrays f = dump(folder, ""), d = dump(folder, "--dtype float64");
  for (const auto& [name, x] : f) {
    if (!name.starts_with("params/")) continue;
    const auto p = numbers(x), q = numbers(d.at(name));
    for (std::size_t i = 0; i < p.size(); ++i) ASSERT_EQ(p[i], static_cast<double>(static_cast<float>(q[i]))) << name;
  }
  EXPECT_EQ(f.at("tokens").bytes, d.at("tokens").bytes);
}

TEST(Pairing, AnotherSeedIsAnotherRun) {
  const TemporaryFolder folder;
  const Arrays one = dump(folder, "--seed 1"), two = dump(folder, "--seed 2");
  const Shared shared = compare(one, two);
  EXPECT_EQ(shared.same + shared.scaled, 0);
  EXPECT_EQ(shared.different, 14);
  EXPECT_NE(one.at("tokens").bytes, two.at("tokens").bytes);
}

TEST(Pairing, BatchesComeInTheSameOrderAtEveryStep) {
  const TemporaryFolder folder;
  for (const std::string sampler : {"shuffle", "random"}) {
    std::vector<std::vector<std::uint8_t>> seen;
    for (const std::string step : {"0", "1", "5", "6", "17"}) {  // 6 steps an epoch
      const std::string keys = "--only tokens,targets --sampler " + sampler + " --step " + step;
      const Arrays a = dump(folder, keys + " --norm layernorm --n_layer 2"),
                   b = dump(folder, keys + " --norm rmsnorm --n_layer 4");
      EXPECT_EQ(a.at("tokens").bytes, b.at("tokens").bytes) << sampler << " " << step;
      const auto x = numbers(a.at("tokens")), y = numbers(a.at("targets"));
      for (std::size_t i = 0; i < x.size(); ++i)
        ASSERT_TRUE(i % 8 == 7 || y[i] == x[i + 1]) << "targets are the tokens shifted by one";
      for (const auto& other : seen) EXPECT_NE(other, a.at("tokens").bytes) << sampler << " " << step;
      seen.push_back(a.at("tokens").bytes);
    }
  }
}

TEST(Pairing, TheDumpedBatchIsTheOneTrainingSees) {
  // The loss of training step 0 and of a dump of step 0 agree; and `dump --step` follows: at learning rates too small
  // to move a weight, every step's loss is that of its dump.
  const TemporaryFolder folder;
  const std::string keys = kTiny + " --max_iters 8 --learning_rate 1e-12 --min_lr 0 --weight_decay 0 --eval_interval 0";
  expect_done(folder, "train" + keys + " --out_dir run");
  const RunData data = read_run(folder / "run/run.h5");
  for (const std::size_t step : {0u, 3u, 6u, 7u}) {
    const Arrays d = dump(folder, keys + " --only loss --step " + std::to_string(step));
    EXPECT_NEAR(numbers(d.at("loss"))[0], data.loss[step], 1e-6) << step;
  }
}

}  // namespace
}  // namespace normscope::train_test
