// Which figures a study has and what stands in them, as values: gnuplot draws nothing here.
#include <gtest/gtest.h>

#include <cmath>
#include <set>
#include <string>

#include "study/contexts.h"
#include "study/figures.h"
#include "tests/synthetic_study.h"

namespace normscope {
namespace {

using testing::fake_study;
using testing::FakeStudy;

const Axes kGrid{{"norm", {"layernorm", "rmsnorm"}}, {"norm_placement", {"pre", "post"}}, {"n_layer", {"2", "4"}}};

template <typename Figure>
Figure figure_of(const std::vector<FigureItem>& items, const std::string& name) {
  for (const FigureItem& item : items)
    if (const auto* figure = std::get_if<Figure>(&item.figure); figure && figure->name == name) return *figure;
  throw Error("no figure " + name);
}

std::vector<std::string> titles(const auto& figure) {
  std::vector<std::string> out;
  for (const auto& panel : figure.panels) out.push_back(panel.title);
  return out;
}

TEST(StudyFigures, OtherAxesMakeSmallMultiples) {
  FakeStudy fake;
  fake.axes = kGrid;
  const auto items = study_figures(fake_study(fake));
  const std::vector<std::string> contexts{"pre L2", "post L2", "pre L4", "post L4"};
  for (const char* name : {"gradient_norm", "gradient_norm_ratio", "loss", "loss_difference"}) {
    const auto& figure = figure_of<CurveFigure>(items, name);
    EXPECT_EQ(titles(figure), contexts) << name;
    EXPECT_EQ(figure.columns, 2u) << name;
    EXPECT_TRUE(figure.same_y) << name;
  }
  const auto& norms = figure_of<CurveFigure>(items, "gradient_norm");
  ASSERT_EQ(norms.legend.size(), 2u) << "the first axis alone";
  EXPECT_EQ(norms.legend[1].label, "RMSNorm");
  for (const Panel& panel : norms.panels) {
    ASSERT_EQ(panel.series.size(), 2u);
    EXPECT_EQ(panel.series[1].color, norms.legend[1].color);
  }
  EXPECT_EQ(figure_of<CurveFigure>(items, "gradient_norm_ratio").panels[0].ylabel, "RMSNorm / LayerNorm");
  const auto& depth = figure_of<CurveFigure>(items, "depth_profile");
  EXPECT_EQ(depth.panels.size(), 8u);
  EXPECT_EQ(depth.panels[2].title, "post L2: Residual gradient against depth");
  EXPECT_EQ(depth.panels[2].series.size(), 2u);
  EXPECT_EQ(titles(figure_of<MapFigure>(items, "weight_map_ratio")),
            (std::vector<std::string>{"RMSNorm, pre L2", "RMSNorm, post L2", "RMSNorm, pre L4", "RMSNorm, post L4"}));
}

TEST(StudyFigures, TheFirstAxisOfTheUserIsCompared) {
  FakeStudy fake;
  fake.axes = {kGrid[2], kGrid[0]};
  const auto items = study_figures(fake_study(fake));
  const auto& ratio = figure_of<CurveFigure>(items, "gradient_norm_ratio");
  EXPECT_EQ(titles(ratio), (std::vector<std::string>{"LayerNorm", "RMSNorm"}));
  EXPECT_EQ(ratio.panels[0].ylabel, "L4 / L2");
}

TEST(StudyFigures, OneAxisStandsSideBySide) {
  const auto& figure = figure_of<CurveFigure>(study_figures(fake_study({})), "gradient_norm");
  EXPECT_EQ(titles(figure),
            (std::vector<std::string>{"Mean gradient norm of the weight matrices", "RMSNorm / LayerNorm"}));
}

TEST(StudyFigures, ADivergedArmIsNamedAndDrawnInMapsOnly) {
  FakeStudy fake;
  fake.axes = {kGrid[0], kGrid[1]};
  ReportInput input = fake_study(fake);
  for (StudyRun& run : input.study.runs)
    if (run.arm.at("norm") == "layernorm" && run.arm.at("norm_placement") == "post") run.status = "diverged";
  input.study.comparisons = all_comparisons(input.study);
  const auto items = study_figures(input);
  const auto& norms = figure_of<CurveFigure>(items, "gradient_norm");
  ASSERT_EQ(norms.panels.size(), 2u);
  EXPECT_EQ(norms.panels[1].note, "LayerNorm diverged");
  ASSERT_EQ(norms.panels[1].series.size(), 1u);
  EXPECT_EQ(norms.panels[1].series[0].color, arm_ink(1).color) << "RMSNorm keeps its colour";
  EXPECT_EQ(titles(figure_of<CurveFigure>(items, "gradient_norm_ratio")), std::vector<std::string>{"pre"});
  EXPECT_EQ(titles(figure_of<MapFigure>(items, "weight_map")),
            (std::vector<std::string>{"LayerNorm, pre", "RMSNorm, pre", "LayerNorm, post (diverged)", "RMSNorm, post"}))
      << "a map shows where it happened";
  EXPECT_EQ(titles(figure_of<MapFigure>(items, "weight_map_ratio")), std::vector<std::string>{"RMSNorm, pre"});
}

TEST(StudyFigures, AMapShowsTheStepsOfAnArmThatDivergedEarly) {
  ReportInput input = fake_study({});
  for (std::size_t i = 0; i < input.runs.size(); ++i) {
    if (input.study.runs[i].arm.at("norm") != "rmsnorm") continue;
    input.study.runs[i].status = "diverged";
    for (auto* column : {&input.runs[i].step, &input.runs[i].epoch}) column->resize(7);  // in the first epoch
  }
  const auto items = study_figures(input);
  const auto& map = figure_of<MapFigure>(items, "weight_map");
  EXPECT_EQ(titles(map), (std::vector<std::string>{"LayerNorm", "RMSNorm (diverged)"}));
  const std::vector<double>& row = map.panels.at(1).z.at(0);
  ASSERT_EQ(row.size(), 6u) << "the columns are the epochs of the longest run";
  EXPECT_TRUE(std::isfinite(row[0]));
  EXPECT_TRUE(std::isnan(row[1]));
}

TEST(StudyFigures, ACombinationWithoutARunHasNoPanel) {
  FakeStudy fake;
  fake.axes = {kGrid[0], kGrid[1]};
  ReportInput input = fake_study(fake);
  for (StudyRun& run : input.study.runs)
    if (run.arm.at("norm_placement") == "post") run.status = "diverged";
  const auto items = study_figures(input);
  EXPECT_EQ(titles(figure_of<CurveFigure>(items, "gradient_norm")), std::vector<std::string>{"pre"});
  EXPECT_EQ(figure_of<CurveFigure>(items, "depth_profile").panels.size(), 2u);
  EXPECT_NE(items.front().caption.find("No run is finished at post."), std::string::npos) << items.front().caption;
}

TEST(StudyFigures, EveryArmHasAnInkOfItsOwn) {
  std::set<std::string> colours;
  std::set<std::pair<std::string, int>> inks;
  for (std::size_t a = 0; a < 48; ++a) {
    const Ink ink = arm_ink(a);
    if (a < 12) colours.insert(ink.color);
    inks.insert({ink.color, ink.dash});
  }
  EXPECT_EQ(colours.size(), 12u);
  EXPECT_EQ(inks.size(), 48u);
}

TEST(StudyFigures, LossAgainstLearningRateMarksWhatDiverged) {
  FakeStudy fake;
  fake.axes = {{"norm", {"layernorm", "none"}}, {"learning_rate", {"0.001", "0.01", "0.1"}}};
  ReportInput input = fake_study(fake);
  EXPECT_EQ(figure_of<CurveFigure>(study_figures(input), "learning_rate").legend.size(), 2u);
  for (StudyRun& run : input.study.runs)
    if (run.arm.at("norm") == "none" && run.arm.at("learning_rate") == "0.1") run.status = "diverged";
  const CurveFigure figure = figure_of<CurveFigure>(study_figures(input), "learning_rate");
  ASSERT_EQ(figure.legend.size(), 3u);
  EXPECT_EQ(figure.legend[2].label, "at least one run diverged");
  EXPECT_TRUE(figure.legend[2].cross);
  ASSERT_EQ(figure.panels[0].series.size(), 3u);
  const Series &good = figure.panels[0].series[0], &bad = figure.panels[0].series[1],
               &cross = figure.panels[0].series[2];
  EXPECT_EQ(good.x, (std::vector<double>{0.001, 0.01, 0.1}));
  EXPECT_EQ(bad.x, (std::vector<double>{0.001, 0.01}));
  EXPECT_LT(good.low[0], good.high[0]);
  EXPECT_TRUE(cross.crosses);
  EXPECT_EQ(cross.x, std::vector<double>{0.1});
  EXPECT_EQ(cross.color, bad.color);
  int width = 0, height = 0;
  const std::string script = curve_script(figure, &width, &height);
  EXPECT_NE(script.find("set logscale x"), std::string::npos);
  EXPECT_NE(script.find("'0.001' 0.001, '0.01' 0.01, '0.1' 0.1"), std::string::npos) << "a tic at each rate";
  EXPECT_NE(script.find("w points pt 2"), std::string::npos);
}

/// Two cells, three seeds: the first is 2, 2.1, 2.2 times its partner, the second 0.5, 1 and 2 times.
TEST(StudyFigures, RatioMapsMarkTheCellsThatExcludeOne) {
  MapFigure base;
  base.name = "map";
  base.panels.resize(2);
  const std::vector<RunGroup> groups{{"LayerNorm", {}, {1, 2, 3}, 0, "LayerNorm"},
                                     {"RMSNorm", {}, {3, 2, 1}, 0, "LayerNorm"}};
  const std::vector<std::vector<std::vector<std::vector<double>>>> maps{
      {{{1, 1}}, {{10, 1}}, {{100, 1}}}, {{{220, 2}}, {{21, 1}}, {{2, 0.5}}}};  // the second in reverse order of seeds
  std::vector<FigureItem> items;
  add_ratio_map(base, groups, maps, "heading", "What", &items);
  ASSERT_EQ(items.size(), 1u);
  const auto& figure = figure_of<MapFigure>(items, "map_ratio");
  ASSERT_EQ(figure.panels.size(), 1u);
  EXPECT_NEAR(figure.panels[0].z[0][0], std::log2(std::cbrt(2 * 2.1 * 2.2)), 1e-12);
  EXPECT_NEAR(figure.panels[0].z[0][1], 0, 1e-12);
  EXPECT_EQ(figure.panels[0].marks[0], (std::vector<bool>{true, false}));
  EXPECT_NE(items[0].caption.find("1 of 2 cells, of which about 0.1 would"), std::string::npos) << items[0].caption;
  int width = 0, height = 0;
  EXPECT_NE(map_script(figure, &width, &height).find("$k0 u 1:2 w points"), std::string::npos);
}

}  // namespace
}  // namespace normscope
