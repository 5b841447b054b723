// label: train
// arch mlp on the linear teacher: the same commands train, resume, compare and report it.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include <normscope/data/corpus.h>

#include "train_helpers.h"

namespace normscope::train_test {
namespace {

TEST(Teacher, LabelsEachSampleByItsLargestScoreAndFollowsTheSeed) {
  const Corpus a = load_corpus({.data = "synthetic:teacher", .seed = 1}),
               b = load_corpus({.data = "synthetic:teacher", .seed = 2});
  EXPECT_EQ(a.train_samples.count(), 1024);
  EXPECT_EQ(a.val_samples.count(), 4096);
  EXPECT_EQ(a.shape().features, 20);
  EXPECT_EQ(a.shape().classes, 10);
  EXPECT_NE(a.sha256, b.sha256);
  // A linear teacher's labels are those of a linear model: the perceptron rule finds it.
  std::vector<double> w(10 * 20);
  int wrong = 0;
  for (int pass = 0; pass < 300; ++pass) {
    wrong = 0;
    for (std::size_t n = 0; n < 300; ++n) {
      const double* x = &a.train_samples.features[n * 20];
      std::size_t best = 0;
      double largest = -1e300;
      for (std::size_t k = 0; k < 10; ++k) {
        double score = 0;
        for (std::size_t i = 0; i < 20; ++i) score += w[k * 20 + i] * x[i];
        if (score > largest) largest = score, best = k;
      }
      const auto label = static_cast<std::size_t>(a.train_samples.labels[n]);
      if (best == label) continue;
      ++wrong;
      for (std::size_t i = 0; i < 20; ++i) w[label * 20 + i] += x[i], w[best * 20 + i] -= x[i];
    }
    if (wrong == 0) break;
  }
  EXPECT_EQ(wrong, 0);
}

TEST(Mlp, LearnsTheTeacherAndWritesTheRunFile) {
  const TemporaryFolder folder;
  const Outcome outcome = run(folder, "train --preset m1 --n_layer 2 --json --out_dir r");
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  const auto json = nlohmann::json::parse(outcome.out);
  EXPECT_EQ(json.at("steps"), 160);                    // 10 epochs of 16 steps
  EXPECT_LT(json.at("val_loss").get<double>(), 1.5);   // guessing: ln 10 = 2.30
  EXPECT_GT(json.at("accuracy").get<double>(), 0.45);  // guessing: 0.1
  const RunData data = read_run(folder / "r/run.h5");
  EXPECT_EQ(data.epochs.size(), 10u);
  EXPECT_EQ(data.tokens.front(), 64);
  std::vector<std::string> names;
  for (const ParamInfo& p : data.params) names.push_back(p.name);
  EXPECT_EQ(names, (std::vector<std::string>{"blocks.0.fc.weight", "blocks.1.fc.weight", "head.weight"}));
  EXPECT_EQ(data.params[0].shape, (std::vector<std::int64_t>{64, 20}));
  EXPECT_EQ(data.residual, (std::vector<std::string>{"residual.0", "residual.1", "residual.2"}));
}

TEST(Mlp, ResumesWithTheSameBits) {
  const TemporaryFolder folder;
  expect_done(folder, "train --preset m2 --epochs 4 --out_dir whole --quiet");
  expect_done(folder, "train --preset m2 --epochs 2 --out_dir half --quiet");
  expect_done(folder, "train --out_dir half --init_from resume --epochs 4 --quiet");
  expect_same_run(folder / "whole", folder / "half", false);  // the shorter run was evaluated in between
}

TEST(Mlp, ResumesBatchNormWithTheSameBits) {
  const TemporaryFolder folder;
  const std::string norm = " --norm batchnorm --gradient_accumulation_steps 2 --quiet";
  expect_done(folder, "train --preset m1 --epochs 4 --out_dir whole" + norm);
  expect_done(folder, "train --preset m1 --epochs 2 --out_dir half" + norm);
  expect_done(folder, "train --out_dir half --init_from resume --epochs 4 --quiet");
  expect_same_run(folder / "whole", folder / "half", false);  // the shorter run was evaluated in between
  const ArrayFileReader checkpoint(checkpoint_of(folder / "whole"));
  for (const double mean : numbers(checkpoint.read("buffers/blocks.3.norm.running_mean"))) EXPECT_NE(mean, 0);
}

TEST(Mlp, TrainsEveryNormOverChannelsBatchAndWeights) {
  const TemporaryFolder folder;
  expect_done(folder,
              "ablate --preset m1 --epochs 2 --norm batchnorm,groupnorm:groups=8,weightnorm,none --seeds 2 --out_dir s "
              "--quiet");
  EXPECT_TRUE(std::filesystem::exists(folder / "s/report.html"));
  const auto refused = [&](const std::string& arguments, const std::string& reason) {
    const Outcome outcome = run(folder, "train --preset m1 --epochs 1 --out_dir no --quiet " + arguments);
    EXPECT_EQ(outcome.code, 2) << arguments;
    EXPECT_NE(outcome.err.find(reason), std::string::npos) << outcome.err;
  };
  refused("--norm groupnorm:groups=7", "7 does not divide the width 64");
  refused("--norm instancenorm", "exactly 0");
  refused("--norm batchnorm --batch_size 1", "1 row");
}

TEST(Mlp, IsComparedAndReportedLikeAnyModel) {
  const TemporaryFolder folder;
  expect_done(folder, "ablate --preset m1 --epochs 2 --norm layernorm,rmsnorm,none --seeds 2 --out_dir s --quiet");
  EXPECT_TRUE(std::filesystem::exists(folder / "s/report.html"));
  expect_done(folder, "dump --preset m1 --out d.h5");
  const ArrayFileReader dump(folder / "d.h5");
  EXPECT_EQ(dump.read("features").shape, (std::vector<std::int64_t>{64, 20}));
  EXPECT_EQ(dump.read("logits").shape, (std::vector<std::int64_t>{64, 10}));
}

}  // namespace
}  // namespace normscope::train_test
