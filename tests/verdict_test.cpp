// The sentences in which a study's numbers are put, and the numbers that they need.
#include <gtest/gtest.h>
#include <normscope/core/error.h>

#include <cmath>
#include <functional>
#include <nlohmann/json.hpp>
#include <string>

#include "core/text.h"
#include "study/report.h"
#include "study/sentences.h"
#include "study/sweep.h"
#include "study/verdict.h"
#include "tests/files.h"
#include "tests/messages.h"
#include "tests/synthetic_study.h"

namespace normscope {
namespace {

using messages::expect_says;
using testing::fake_study;
using testing::FakeStudy;

const Axes kNorms{{"norm", {"layernorm", "rmsnorm"}}};

/// A study without files: the loss of each run from its arm and seed; NaN: it diverged.
Study made_study(const Axes& axes, int seeds, const std::function<double(const Arm&, int)>& loss) {
  Study study;
  study.axes = axes;
  for (int s = 0; s < seeds; ++s) {
    study.seeds.push_back(static_cast<std::uint64_t>(s));
    for (const Arm& arm : arms_of(axes)) {
      StudyRun run;
      run.arm = arm;
      run.seed = static_cast<std::uint64_t>(s);
      run.val_loss = loss(arm, s);
      run.status = std::isfinite(run.val_loss) ? "done" : "diverged";
      study.runs.push_back(run);
    }
  }
  study.comparisons = all_comparisons(study);
  return study;
}

Comparison loss_row(const Interval& result) {
  Comparison row{{{"norm", "layernorm"}}, {{"norm", "rmsnorm"}}, kValLoss, 0, result, 0, {}};
  row.facts.base = 1.9;
  return row;
}

TEST(Verdict, ADifferenceIsSaidWithItsSizeItsSenseAndItsInterval) {
  EXPECT_EQ(loss_sentence(loss_row({5, 0, 0.0066, 0.004, 0.0019, 0.0113}), kNorms),
            "RMSNorm's validation loss is 0.0066 nats higher than LayerNorm's (0.35 %, worse); with 95 % confidence "
            "between 0.0019 and 0.0113, 5 seeds.");
  EXPECT_EQ(loss_sentence(loss_row({5, 0, -0.0066, 0.004, -0.0113, -0.0019}), kNorms),
            "RMSNorm's validation loss is 0.0066 nats lower than LayerNorm's (0.35 %, better); with 95 % confidence "
            "between 0.0019 and 0.0113, 5 seeds.");
}

TEST(Verdict, NothingIsClaimedThatTheIntervalDoesNotShow) {
  const std::string text = loss_sentence(loss_row({5, 0, -0.0031, 0.01, -0.0102, 0.0040}), kNorms);
  expect_says(text, {"0.0031 nats lower than", "between -0.0102 and +0.0040, which includes 0: no difference shown"});
  for (const char* word : {"better", "worse"}) EXPECT_EQ(text.find(word), std::string::npos);
  expect_says(loss_sentence(loss_row({1, 0, 0.5}), kNorms), {"with one seed: no interval"});
  Comparison some = loss_row({2, 1, 0.1, 0.01, 0.05, 0.15});
  some.excluded = 1;
  expect_says(loss_sentence(some, kNorms), {"2 seeds. 1 pair excluded: a run diverged or is not finished."});
}

TEST(Verdict, ASentenceNeedsAllItsWords) {
  EXPECT_EQ(say(Sentence::pairs_left_out, {{"count", "2 pairs"}}),
            "2 pairs excluded: a run diverged or is not finished.");
  EXPECT_THROW(say(Sentence::pairs_left_out, {}), Error);
  EXPECT_EQ(counted(1, "seed") + counted(2, "seed"), "1 seed2 seeds");
}

TEST(Verdict, PowerAndPairingAreSaid) {
  // scipy's numbers of statistics_test.cpp
  const double a[] = {2.51, 2.55, 2.49, 2.60, 2.53}, b[] = {2.52, 2.553, 2.502, 2.608, 2.531};
  const Study study =
      made_study(kNorms, 5, [&](const Arm& arm, int s) { return (arm.at("norm") == "rmsnorm" ? b : a)[s]; });
  expect_says(verdict_text(study),
              {"5 seeds are enough to show a difference of 0.0078 nats or more (80 % power at the 5 % level)",
               "(r = 0.994); without pairing, 398 seeds per arm would be needed", "1 interval of 95 %"});
  EXPECT_EQ(verdict_text(study).find("seeds only"), std::string::npos);
  const auto row = nlohmann::json::parse(study_to_json(study))["comparisons"][0];
  EXPECT_NEAR(row["p"], 0.030960716449216875, 1e-12);
  EXPECT_NEAR(row["smallest_effect"], 0.007835289995819592, 1e-8);
  EXPECT_EQ(row["unpaired_seeds"], 398);
}

TEST(Verdict, FewSeedsAreWarnedAbout) {
  const auto loss = [](const Arm& arm, int s) { return 2 + 0.01 * s * (arm.at("norm") == "rmsnorm" ? 1.1 : 1); };
  expect_says(seeds_warning(made_study(kNorms, 3, loss)), {"3 seeds only"});
  EXPECT_EQ(seeds_warning(made_study(kNorms, 4, loss)), "");
  expect_says(seeds_warning(made_study(kNorms, 1, loss)), {"One seed gives no interval"});
}

/// Three epochs whose p is 0.03 each: every interval excludes 1, none stands after Holm's correction.
TEST(Verdict, EpochsAreCorrectedByHolm) {
  Study study = made_study(kNorms, 2, [](const Arm&, int) { return 2.0; });
  const double spread =
      std::tan(M_PI * 0.03 / 2);  // two pairs, Cauchy: p = 2/pi atan(spread) for sd = spread mean sqrt 2
  for (StudyRun& run : study.runs) {
    const bool second = run.arm.at("norm") == "rmsnorm";
    const double log_ratio = 0.1 * (run.seed == 0 ? 1 + spread : 1 - spread);
    run.epoch_mean_grad_norm.assign(3, second ? std::exp(log_ratio) : 1.0);
  }
  const auto rows = compare_arms(study.axes, study.runs);
  ASSERT_EQ(rows.size(), 4u);
  for (std::size_t e = 1; e < rows.size(); ++e) {
    EXPECT_NEAR(rows[e].facts.p, 0.03, 1e-9);
    EXPECT_NEAR(rows[e].p_holm, 0.09, 1e-9);
    EXPECT_FALSE(rows[e].result.includes(1));
    EXPECT_EQ(comparison_finding(rows[e]), "no difference shown");
  }
  for (StudyRun& run : study.runs) run.epoch_mean_grad_norm.resize(1);
  EXPECT_EQ(comparison_finding(compare_arms(study.axes, study.runs)[1]), "higher") << "one epoch needs no correction";
}

TEST(Verdict, ChanceCountsEveryInterval) {
  const Study study = fake_study({}).study;  // one loss and six epochs
  EXPECT_EQ(chance_sentence(study),
            "This report has 7 intervals of 95 %. If nothing made a difference, about 0.35 of them would exclude "
            "'no difference' by chance.");
  FakeStudy grid;
  grid.axes = {{"norm", {"layernorm", "rmsnorm"}}, {"n_layer", {"2", "4"}}};
  expect_says(chance_sentence(fake_study(grid).study), {"has 30 intervals"});  // 4 x 7, 1 interaction, 1 mean
}

const Axes kGrid{{"norm", {"layernorm", "rmsnorm"}}, {"norm_placement", {"pre", "post"}}, {"n_layer", {"2", "4"}}};

/// RMSNorm adds 0.1, and 0.3 more with post: the interaction is 0.3, that with n_layer 0 on average.
double interacting_loss(const Arm& arm, int seed) {
  const bool rms = arm.at("norm") == "rmsnorm", post = arm.at("norm_placement") == "post",
             deep = arm.at("n_layer") == "4";
  return 2 + 0.5 * seed + 0.7 * post + 0.05 * deep + rms * (0.1 + 0.3 * post) + 0.001 * (rms && post ? seed * seed : 0);
}

TEST(Verdict, InteractionsSayWhetherTheEffectDependsOnTheOthers) {
  const Study study = made_study(kGrid, 3, interacting_loss);
  const auto found = interactions(study.axes, study.runs);
  ASSERT_EQ(found.size(), 2u);
  EXPECT_EQ(found[0].axis, "norm_placement");
  EXPECT_EQ(found[0].result.n, 3);
  EXPECT_NEAR(found[0].result.mean, 0.3 + 0.001 * 5 / 3, 1e-12);
  EXPECT_NEAR(found[0].result.sd, 0.001 * std::sqrt(13.0 / 3), 1e-12);  // of 0, 1, 4
  EXPECT_NEAR(found[1].result.mean, 0, 1e-12);
  const auto rows = interaction_rows(study);
  ASSERT_EQ(rows.size(), 2u);
  EXPECT_EQ(rows[0][0], "RMSNorm − LayerNorm");
  EXPECT_EQ(rows[0][1], "pre → post");
  EXPECT_EQ(rows[0][4], "depends on norm_placement");
  EXPECT_EQ(rows[1][1], "L2 → L4");
  EXPECT_EQ(interactions(kNorms, study.runs).size(), 0u) << "there is no other axis";
  const auto json = nlohmann::json::parse(study_to_json(study))["interactions"];
  EXPECT_EQ(json[0]["to"], "post");
  EXPECT_EQ(json[1]["to"], 4);
}

TEST(Verdict, ASeedWithADivergedRunLeavesTheInteraction) {
  const Study study = made_study(kGrid, 4, [](const Arm& arm, int seed) {
    return seed == 3 && arm.at("n_layer") == "4" ? kNaN : interacting_loss(arm, seed);
  });
  EXPECT_EQ(interactions(study.axes, study.runs)[0].result.n, 3);
  EXPECT_EQ(interactions(study.axes, study.runs)[0].result.excluded, 1);
}

TEST(Verdict, TheOthersAreAveragedOver) {
  const Study study = made_study(kGrid, 3, interacting_loss);
  const auto effects = main_effects(study.axes, study.runs);
  ASSERT_EQ(effects.size(), 1u);
  EXPECT_NEAR(effects[0].result.mean, 0.1 + 0.15 + 0.0005 * 5 / 3, 1e-12);
  expect_says(verdict_text(study),
              {"Averaged over the 4 combinations of norm_placement and n_layer: RMSNorm's validation "
               "loss is 0.2508 nats higher than LayerNorm's"});
}

TEST(Verdict, TheFirstAxisIsComparedAndNamesAreShort) {
  const Study study = made_study(kGrid, 3, interacting_loss);
  const std::string text = verdict_text(study);
  expect_says(text, {"pre L2: RMSNorm's", "post L2: RMSNorm's", "pre L4: RMSNorm's", "post L4: RMSNorm's",
                     "LayerNorm, L2: post's", "RMSNorm, pre: L4's"});
  EXPECT_LT(text.find("post L4: RMSNorm's"), text.find("LayerNorm, L2: post's"));
  EXPECT_EQ(arm_label(study.runs[3].arm, kGrid), "RMSNorm, post L2");
  EXPECT_EQ(context_label(study.runs[3].arm, kGrid), "post L2");
  const Axes turned{kGrid[2], kGrid[0], {"dropout", {"0"}}};
  EXPECT_EQ(first_axis(turned), "n_layer");
  EXPECT_EQ(arm_label({{"norm", "none"}, {"n_layer", "2"}, {"dropout", "0"}}, turned), "L2 no norm")
      << "what does not vary has no place in a name";
  EXPECT_EQ(value_label("learning_rate", "0.1"), "lr 0.1");
  EXPECT_EQ(value_label("final_norm", "rmsnorm"), "final_norm rmsnorm") << "not the model's norm";
  EXPECT_EQ(value_label("tie_weights", "true"), "tie_weights true");
}

const Axes kSweep{{"norm", {"layernorm", "none"}}, {"learning_rate", {"0.1", "0.01", "1"}}};

/// LayerNorm is best at 0.1; none diverges at 1, and at 0.1 with one seed of two.
double sweep_loss(const Arm& arm, int seed) {
  const std::string rate = arm.at("learning_rate");
  if (arm.at("norm") == "none" && (rate == "1" || (rate == "0.1" && seed == 1))) return kNaN;
  return 3 + 0.1 * seed + (rate == "0.1" ? -1 : 0);
}

TEST(Verdict, DivergedArmsAreAFinding) {
  const Study study = made_study(kSweep, 2, sweep_loss);
  const std::string text = verdict_text(study);
  expect_says(text, {"lr 1: LayerNorm trains, no norm diverges in 2 of 2 runs.",
                     "lr 0.1: LayerNorm trains, no norm diverges in 1 of 2 runs.",
                     "LayerNorm: lowest validation loss 2.0500 nats at learning rate 0.1; no run diverges.",
                     "no norm: lowest validation loss 3.0500 nats at learning rate 0.01, the lowest rate tried, so the "
                     "best one may lie beyond it; runs diverge at 0.1 (1 of 2 runs) and 1 (2 of 2 runs)."});
  for (const char* gone : {"validation loss -", "no pair of finished", "Averaged over"})
    EXPECT_EQ(text.find(gone), std::string::npos) << gone;
  const Study all = made_study(kSweep, 2, [](const Arm&, int) { return kNaN; });
  expect_says(verdict_text(all), {"lr 1: LayerNorm diverges in 2 of 2 runs, no norm in 2 of 2 runs.",
                                  "LayerNorm: no learning rate has a finished run"});
}

TEST(Verdict, SweepLinesGoFromLowToHighRates) {
  const auto lines = sweep_lines(made_study(kSweep, 2, sweep_loss));
  ASSERT_EQ(lines.size(), 2u);
  EXPECT_EQ(lines[1].label, "no norm");
  ASSERT_EQ(lines[1].points.size(), 3u);
  EXPECT_EQ(lines[1].points[0].text, "0.01");
  EXPECT_DOUBLE_EQ(lines[1].points[0].low, 3);
  EXPECT_DOUBLE_EQ(lines[1].points[0].high, 3.1);
  EXPECT_EQ(lines[1].points[1].diverged, 1);
  EXPECT_EQ(lines[1].points[1].loss.n, 1);
  EXPECT_EQ(lines[1].points[2].loss.n, 0);
  EXPECT_TRUE(sweep_lines(fake_study({}).study).empty());
}

/// What `compare` and `ablate` print stands in the report word for word.
TEST(Verdict, TheReportSaysWhatTheTerminalSays) {
  FakeStudy fake;
  fake.axes = {{"norm", {"layernorm", "rmsnorm"}}, {"n_layer", {"2", "4"}}};
  const ReportInput input = fake_study(fake);
  const test_files::TemporaryFolder folder;
  const std::string page = test_files::read_text(write_report(input, folder / "page", false));
  const auto plain = [](std::string text) {
    for (const auto& [from, to] :
         {std::pair("<b>", ""), std::pair("</b>", ""), std::pair("−", "-"), std::pair("&#39;", "'")})
      for (auto at = text.find(from); at != std::string::npos; at = text.find(from))
        text.replace(at, std::string(from).size(), to);
    return text;
  };
  const std::string html = plain(page), text = verdict_text(input.study);
  std::vector<std::string> sentences = overview_sentences(input.study);
  for (const ArmPair& pair : first_pairs(input.study.axes)) {
    const PairVerdict verdict = pair_verdict(input.study, pair);
    sentences.insert(sentences.end(), {verdict.finding, verdict.power});
  }
  for (const std::string& one : method_sentences(input.study)) sentences.push_back(one);
  sentences.insert(sentences.end(), {seeds_warning(input.study), chance_sentence(input.study)});
  EXPECT_EQ(sentences.size(), 1u + 4u + 2u + 2u);
  for (const std::string& sentence : sentences) {
    ASSERT_FALSE(sentence.empty());
    EXPECT_NE(text.find(sentence), std::string::npos) << sentence;
    EXPECT_NE(html.find(sentence), std::string::npos) << sentence;
  }
}

}  // namespace
}  // namespace normscope
