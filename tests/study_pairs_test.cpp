// What pairs of finished runs say, and study.json: no run is made.
#include <gtest/gtest.h>

#include <cmath>
#include <nlohmann/json.hpp>
#include <string>

#include "study/arms.h"
#include "study/study.h"
#include "tests/files.h"
#include "tests/synthetic_study.h"

namespace normscope {
namespace {

using testing::fake_study;
using testing::FakeStudy;

TEST(StudyPairs, JsonRoundTrip) {
  FakeStudy fake;
  fake.axes = {{"norm", {"layernorm", "rmsnorm"}}, {"n_layer", {"2", "4"}}};
  Study study = fake_study(fake).study;
  study.command = "normscope ablate --norm layernorm,rmsnorm";
  study.runs[0].val_loss = kNaN;
  study.comparisons = all_comparisons(study);
  const std::string text = study_to_json(study);
  const Study again = study_from_json(text, "study.json");
  EXPECT_EQ(study_to_json(again), text);
  EXPECT_EQ(again.axes, study.axes);
  EXPECT_EQ(again.runs[1].arm, study.runs[1].arm);
  EXPECT_TRUE(std::isnan(again.runs[0].val_loss));
}

TEST(StudyPairs, JsonHasTheFieldsOfTheInterface) {
  const auto json = nlohmann::json::parse(study_to_json(fake_study({}).study));
  EXPECT_EQ(json["format"], "normscope-study");
  EXPECT_EQ(json["axes"]["norm"], nlohmann::json({"layernorm", "rmsnorm"}));
  EXPECT_EQ(json["seeds"].size(), 3u);
  for (const char* key : {"config", "file", "status", "val_loss", "epoch_mean_grad_norm"}) {
    EXPECT_TRUE(json["runs"][0].contains(key)) << key;
  }
  std::set<std::string> metrics;
  for (const auto& row : json["comparisons"]) {
    metrics.insert(row["metric"].get<std::string>());
    EXPECT_EQ(row["a"]["norm"], "layernorm");
    EXPECT_EQ(row["b"]["norm"], "rmsnorm");
    EXPECT_EQ(row["n"], 3);
    EXPECT_LT(row["ci95"][0].get<double>(), row["mean"].get<double>() + 1e-12);
    if (row["metric"] == "epoch_mean_grad_norm_ratio") {
      EXPECT_NEAR(row["mean"].get<double>(), 1.12, 0.02);
    }
  }
  EXPECT_EQ(metrics, (std::set<std::string>{"val_loss", "epoch_mean_grad_norm_ratio"}));
  EXPECT_EQ(json["comparisons"].size(), 1u + 6u);
}

TEST(StudyPairs, NothingIsSaidAboutTimeThatWasNotMeasured) {
  const ReportInput input = fake_study({});
  auto json = nlohmann::ordered_json::parse(study_to_json(input.study));
  EXPECT_FALSE(json["runs"][0].contains("step_time_s"));
  for (auto& run : json["runs"]) run["step_time_s"] = 0.02;  // as older studies have it
  auto row = json["comparisons"][0];
  row["metric"] = "step_time_ratio";
  json["comparisons"].push_back(row);
  const Study old = study_from_json(json.dump(), "study.json");
  EXPECT_EQ(old.comparisons.size(), input.study.comparisons.size());
  EXPECT_EQ(study_to_json(old), study_to_json(input.study));
  const test_files::TemporaryFolder folder;
  const std::string page = test_files::read_text(write_report(input, folder / "page", false));
  for (const std::string& text : {verdict_text(input.study), verdict_text(old), page})
    for (const char* word :
         {"ms/step", "ms per step", "faster", "slower", "step time", "ime of a step", "times ratios"})
      EXPECT_EQ(text.find(word), std::string::npos) << word;
}

TEST(StudyPairs, BrokenJsonIsAUsageError) {
  EXPECT_THROW(study_from_json("{}", "x"), UsageError);
  EXPECT_THROW(study_from_json("not json", "x"), UsageError);
  EXPECT_THROW(study_from_json("{\"format\": \"normscope-study\", \"axes\": 3}", "x"), UsageError);
}

TEST(StudyPairs, OneSeedHasNoInterval) {
  FakeStudy fake;
  fake.seeds = 1;
  const Study study = fake_study(fake).study;
  EXPECT_NE(verdict_text(study).find("with one seed: no interval"), std::string::npos);
  const auto json = nlohmann::json::parse(study_to_json(study));
  EXPECT_TRUE(json["comparisons"][0]["ci95"][0].is_null());
}

TEST(StudyPairs, DivergedRunsLeaveTheirPairOut) {
  Study study = fake_study({}).study;
  study.runs[1].status = "diverged";
  const auto rows = compare_arms(study.axes, study.runs);
  EXPECT_EQ(rows.front().result.n, 2);
  EXPECT_EQ(rows.front().excluded, 1);
}

TEST(StudyPairs, LossesOverDifferentTargetsAreNotPaired) {
  RunData data = testing::fake_run({}, {{"norm", "layernorm"}}, 0, 1);
  EXPECT_EQ(summarize(data, {}).val_targets, 0) << "not known";
  data.attributes["val_tokens"] = "150";
  EXPECT_EQ(summarize(data, {}).val_targets, 128) << "an older version's whole windows of 64";
  data.attributes["val_targets"] = "149";
  EXPECT_EQ(summarize(data, {}).val_targets, 149);
  data.status = "diverged";
  EXPECT_EQ(summarize(data, {}).val_targets, 0) << "there is no loss";

  Study study = fake_study({}).study;
  EXPECT_NO_THROW(check_val_targets(study.runs)) << "none knows";
  for (StudyRun& run : study.runs) run.val_targets = 149;
  EXPECT_NO_THROW(check_val_targets(study.runs));
  EXPECT_EQ(study_from_json(study_to_json(study), "x").runs[1].val_targets, 149);
  study.runs[1].val_targets = 128;
  EXPECT_THROW(check_val_targets(study.runs), UsageError);
  study.runs[1].config["data"] = "other.txt";
  EXPECT_NO_THROW(check_val_targets(study.runs)) << "an axis of data compares splits of any length";
}

}  // namespace
}  // namespace normscope
