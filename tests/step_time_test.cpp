// ablate --time: the time of a step is measured in turns, kept round by round, and compared within rounds.
#include <nlohmann/json.hpp>

#include "cli_helpers.h"
#include "commands/commands.h"
#include <normscope/core/team.h>
#include "study/report.h"
#include "synthetic_study.h"

namespace normscope::cli_test {
namespace {

/// A made-up study whose arms took `first` and `second` seconds a step in each round.
ReportInput timed_study(const std::vector<double>& first, const std::vector<double>& second) {
  ReportInput input = testing::fake_study({});
  Study& study = input.study;
  study.step_times = {{{{"norm", "layernorm"}}, first}, {{{"norm", "rmsnorm"}}, second}};
  for (const Comparison& row : compare_step_times(study.axes, study.step_times)) study.comparisons.push_back(row);
  return input;
}

TEST(StepTime, RatiosAreTakenWithinRounds) {
  const Study study = timed_study({1, 2, 9, 9, 9}, {0.9, 1.8, 8.1, 1, 1}).study;
  const Comparison& row = study.comparisons.back();
  EXPECT_EQ(row.metric, "step_time_ratio");
  EXPECT_EQ(row.a.at("norm"), "layernorm");
  EXPECT_EQ(row.b.at("norm"), "rmsnorm");
  EXPECT_EQ(row.result.n, 5);
  EXPECT_NEAR(row.result.mean, 0.9, 1e-12) << "the ratio of the medians is 1 / 9";
  EXPECT_TRUE(compare_step_times(study.axes, {study.step_times.front()}).empty());
}

TEST(StepTime, TheWordsFollowTheRatio) {
  const std::vector<double> one(30, 0.010);
  std::vector<double> more(30, 0.012), same(30, 0.010);
  for (std::size_t i = 0; i < same.size(); ++i) same[i] *= i % 2 ? 1.01 : 0.99;
  const std::string slower =
      "A step with RMSNorm takes 1.200 times as long as with LayerNorm; with 95 % confidence between 1.200 and 1.200, "
      "30 rounds: slower.";
  EXPECT_NE(verdict_text(timed_study(one, more).study).find(slower), std::string::npos);
  EXPECT_NE(verdict_text(timed_study(more, one).study).find("30 rounds: faster"), std::string::npos);
  EXPECT_NE(verdict_text(timed_study(one, same).study).find("30 rounds: no difference shown"), std::string::npos);
}

TEST(StepTime, FileAndReportHaveTheRounds) {
  const TemporaryFolder folder;
  const ReportInput input = timed_study({0.010, 0.011}, {0.012, 0.013});
  const std::string text = study_to_json(input.study);
  const Study again = study_from_json(text, "study.json");
  EXPECT_EQ(again.comparisons.size(), input.study.comparisons.size());
  ASSERT_EQ(again.step_times.size(), 2u);
  EXPECT_EQ(again.step_times[1].seconds, (std::vector<double>{0.012, 0.013}));
  const std::string page = read_text(write_report(input, folder / "page", false));
  for (const char* part : {"Time per step, interleaved on one thread", "<td>10.500</td>", "in 2 rounds"})
    EXPECT_NE(page.find(part), std::string::npos) << part;
}

TEST(StepTime, TheJobStopsWhenAskedAndGivesTheCoresBack) {
  Config config;
  config.data = "synthetic:grammar";
  config.n_layer = 1, config.n_head = 2, config.n_embd = 16, config.block_size = 8, config.batch_size = 4;
  config.max_iters = 5;
  config.resolve();
  const int cores = available_cores();
  int during = 0;
  const auto seconds = time_arms({config, config}, 30, [&](int round) {
    during = available_cores();
    return round < 3;
  });
  ASSERT_EQ(seconds.size(), 2u);
  EXPECT_EQ(seconds[0].size(), 3u);
  EXPECT_EQ(seconds[1].size(), 3u);
  EXPECT_EQ(during, 1) << "the thread is not bound to one core";
  EXPECT_EQ(available_cores(), cores);
}

TEST(StepTime, AStudyMeasuresItWhenAsked) {
  const TemporaryFolder folder;
  EXPECT_NE(run(folder, "ablate --help").out.find("\n  --time "), std::string::npos);
  const std::string study =
      "ablate --data synthetic:grammar --train_tokens 4000 --n_head 2 --n_embd 16 --block_size 8 --batch_size 4 "
      "--threads 1 --max_iters 2 --seeds 1 --eval_interval 0 --quiet --n_layer 1,6 --out_dir s";
  const Outcome plain = run(folder, study + " --json");
  ASSERT_EQ(plain.code, 0) << plain.err;
  EXPECT_EQ(plain.out.find("step_time"), std::string::npos);
  const Outcome timed = run(folder, study + " --time --json");
  ASSERT_EQ(timed.code, 0) << timed.err;
  const auto json = nlohmann::json::parse(timed.out);
  const auto& times = json["step_times"];
  ASSERT_EQ(times.size(), 2u);
  EXPECT_EQ(times[0]["arm"]["n_layer"], 1);
  std::vector<double> ratios;
  for (std::size_t r = 0; r < 30; ++r)
    ratios.push_back(times[1]["seconds"].at(r).get<double>() / times[0]["seconds"].at(r).get<double>());
  EXPECT_EQ(times[0]["seconds"].size(), 30u);
  int rows = 0;
  for (const auto& row : json["comparisons"]) {
    if (row["metric"] != "step_time_ratio") continue;
    ++rows;
    EXPECT_EQ(row["a"]["n_layer"], 1);
    EXPECT_EQ(row["n"], 30);
    EXPECT_NEAR(row["mean"].get<double>(), median(ratios), 1e-9);
    EXPECT_GT(row["ci95"][0].get<double>(), 1.5) << "six layers take longer than one";
    EXPECT_LE(row["ci95"][0].get<double>(), row["mean"].get<double>());
    EXPECT_GE(row["ci95"][1].get<double>(), row["mean"].get<double>());
  }
  EXPECT_EQ(rows, 1);
  const Outcome later = run(folder, study);
  EXPECT_NE(later.out.find("Time per step, interleaved on one thread"), std::string::npos)
      << "what was measured stays" << later.err;
  EXPECT_NE(later.out.find("30 rounds: slower"), std::string::npos) << later.out;
  EXPECT_NE(read_text(folder / "s/report.html").find("interleaved on one thread"), std::string::npos);
}

}  // namespace
}  // namespace normscope::cli_test
