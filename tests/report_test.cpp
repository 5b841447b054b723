// Reports from made-up runs: well-formed figures, a page that needs no network, errors of gnuplot.
#include <gtest/gtest.h>
#include "study/report.h"

#include <algorithm>
#include <filesystem>

#include "study/figure.h"
#include "study/html.h"
#include "tests/files.h"
#include "tests/synthetic_study.h"

namespace normscope {
namespace {

namespace fs = std::filesystem;
using test_files::read_text;
using testing::fake_run;
using testing::fake_study;
using testing::FakeStudy;

class ReportTest : public ::testing::Test {
 protected:
  test_files::TemporaryFolder temporary_;
  const fs::path folder_ = temporary_.path();
};

/// Every SVG of a folder is well-formed XML, every PNG has its signature; returns how many figures there are.
std::size_t check_figures(const fs::path& folder) {
  std::size_t count = 0;
  for (const auto& entry : fs::directory_iterator(folder)) {
    if (entry.path().extension() == ".svg") {
      const std::string command = "python3 -c 'import sys, xml.dom.minidom; xml.dom.minidom.parse(sys.argv[1])' '" +
                                  entry.path().string() + "'";
      EXPECT_EQ(std::system(command.c_str()), 0) << entry.path();
      ++count;
    } else {
      EXPECT_EQ(read_text(entry.path()).substr(1, 3), "PNG") << entry.path();
    }
  }
  return count;
}

void expect_self_contained(const std::string& html) {
  for (const char* outside : {"http://", "https://", "src=", "@import", "url(http"}) {
    EXPECT_EQ(html.find(outside), std::string::npos) << outside;
  }
  EXPECT_EQ(html.find("Warning"), std::string::npos);
}

TEST(Figures, LabelALogarithmicAxisThatHoldsNoTwoPowersOfTen) {
  const auto ticks = [](double low, double high) {
    Series curve;
    curve.x = {0, 1};
    curve.y = {low, high};
    Panel panel;
    panel.series = {curve};
    panel.log_y = true;
    CurveFigure figure;
    figure.panels = {panel};
    int width, height;
    const std::string script = curve_script(figure, &width, &height);
    const auto at = script.find("set ytics");
    return script.substr(at, script.find('\n', at) - at);
  };
  EXPECT_EQ(ticks(0.1, 100), "set ytics autofreq");  // the range is a quarter wider at both ends
  EXPECT_EQ(ticks(0.02, 0.09), "set ytics (0.02, 0.05, 0.1)");
  EXPECT_EQ(ticks(3, 4), "set ytics (3, 4, 5)");
  EXPECT_EQ(ticks(1.25, 1.5), "set ytics (1, 1.2, 1.4, 1.6, 1.8)");
  EXPECT_EQ(ticks(0, 90), "set ytics (80, 90, 100)") << "zero has no place on it";
}

TEST(Figures, OnlyTheAxesThatAPanelNamesAreLogarithmic) {
  Panel plain;
  plain.series.emplace_back();
  plain.series[0].x = {0, 1};
  plain.series[0].y = {0.1, 100};
  Panel logarithmic = plain;
  logarithmic.log_y = true;
  CurveFigure figure;
  Panel both = logarithmic;
  both.log_x = true;
  figure.panels = {plain, logarithmic, both, plain};
  int width, height;
  const std::string script = curve_script(figure, &width, &height);
  std::string scales;  // of each panel, in order
  for (std::size_t at = 0, end; at < script.size(); at = end + 1) {
    end = script.find('\n', at);
    const std::string line = script.substr(at, end - at);
    if (line == "unset logscale")
      scales += "| ";
    else if (const auto scale = line.find("set logscale"); scale != std::string::npos)
      scales += line.substr(scale + 13) + " ";
  }
  EXPECT_EQ(scales, "| | y | x y | ");
}

TEST_F(ReportTest, AStudyHasItsFiguresAndFindings) {
  const std::string path = write_report(fake_study({}), folder_.string(), false);
  EXPECT_EQ(path, (folder_ / "report.html").string());
  const std::string html = read_text(path);
  expect_self_contained(html);
  const std::size_t figures = check_figures(folder_ / "figures");
  EXPECT_GE(figures, 5u);
  std::size_t inlined = 0;
  for (auto at = html.find("<svg"); at != std::string::npos; at = html.find("<svg", at + 1)) ++inlined;
  EXPECT_EQ(inlined, figures);
  for (const char* text : {"RMSNorm&#39;s validation loss is", "normscope ablate --norm layernorm,rmsnorm --seeds 3",
                           "entropy rate", "smallest to largest of 3 seeds", "95 % interval"}) {
    EXPECT_NE(html.find(text), std::string::npos) << text;
  }
}

TEST_F(ReportTest, NothingIsOverwrittenUnasked) {
  ReportInput input = fake_study({});
  input.runs.clear();
  write_report(input, folder_.string(), false);
  EXPECT_THROW(write_report(input, folder_.string(), false), UsageError);
  EXPECT_NO_THROW(write_report(input, folder_.string(), true));
}

TEST_F(ReportTest, FewEpochsManyArmsOddNames) {
  FakeStudy fake;
  fake.axes = {{"norm", {"layernorm:bias=false+eps=1e-6", "rms_norm^2{x}@&~'`date`\\", "<b>\"no\"</b>"}},
               {"n_layer", {"2", "4"}}};
  fake.seeds = 2;
  fake.epochs = 1;
  fake.steps_per_epoch = 12;
  fake.unfinished = true;
  const std::string html = read_text(write_report(fake_study(fake), folder_.string(), false));
  expect_self_contained(html);
  EXPECT_GE(check_figures(folder_ / "figures"), 6u);
  EXPECT_NE(html.find("&lt;b&gt;&quot;no&quot;"), std::string::npos);
  EXPECT_EQ(html.find("<b>\"no\""), std::string::npos);
  EXPECT_NE(html.find("`date`"), std::string::npos) << "a name was run as a command or lost";
  EXPECT_NE(html.find("unfinished"), std::string::npos);
}

TEST_F(ReportTest, ManyEpochsDeepModel) {
  FakeStudy fake;
  fake.seeds = 2;
  fake.epochs = 12;
  fake.blocks = 12;
  fake.steps_per_epoch = 3;
  write_report(fake_study(fake), folder_.string(), false);
  EXPECT_GE(check_figures(folder_ / "figures"), 5u);
}

TEST_F(ReportTest, ASingleRun) {
  FakeStudy fake;
  fake.epochs = 2;
  ReportInput input;
  input.title = "Run a & b";
  input.runs = {fake_run(fake, {{"norm", "rmsnorm"}}, 0, 7)};
  input.runs[0].epoch_label = "pseudo-epoch (10 steps)";
  input.study.runs = {summarize(input.runs[0], {})};
  const std::string html = read_text(write_report(input, folder_.string(), false));
  expect_self_contained(html);
  EXPECT_GE(check_figures(folder_ / "figures"), 4u);
  for (const char* text : {"Run a &amp; b", "nats/token", "pseudo-epoch (10 steps)", "Learning rate"}) {
    EXPECT_NE(html.find(text), std::string::npos) << text;
  }
}

/// Adds a column of every axis but points: 1, 2, 3, ... divided by 1000.
void add_statistics(RunData* run) {
  run->blocks = {"0", "1", "2", "3"};
  run->heads = {"0.attn.0", "0.attn.1"};
  run->norms = {"blocks.0.attn_norm"};
  for (const auto& [name, axis] : {std::pair("grad/zero_fraction", Axis::params),
                                   std::pair("nonfinite/count", Axis::one), std::pair("branch/ratio", Axis::blocks),
                                   std::pair("attn/entropy", Axis::heads), std::pair("norm/gain", Axis::norms)}) {
    const std::size_t width = run->names_of(axis).size();
    Matrix matrix{{.name = name,
                   .path = std::string("/stats/") + name,
                   .axis = axis,
                   .unit = "1",
                   .long_name = std::string("made-up numbers of ") + name},
                  width,
                  {}};
    for (std::size_t i = 0; i < run->step.size() * width; ++i)
      matrix.values.push_back(static_cast<float>(i + 1) / 1000);
    run->columns.push_back(matrix);
  }
}

TEST_F(ReportTest, StatisticsOfEveryAxis) {
  ReportInput input = fake_study({});
  for (std::size_t i = 1; i < input.runs.size(); ++i) add_statistics(&input.runs[i]);  // the first was made without
  const std::string html = read_text(write_report(input, folder_.string(), false));
  expect_self_contained(html);
  EXPECT_GE(check_figures(folder_ / "figures"), 10u);
  EXPECT_NE(html.find("Further statistics, last values"), std::string::npos);
  for (const Matrix& matrix : input.runs[1].columns) {
    if (!matrix.info.is_added()) continue;
    std::string file = "stats_" + matrix.info.name + ".svg";
    std::replace(file.begin(), file.end(), '/', '_');
    EXPECT_TRUE(std::filesystem::exists(folder_ / "figures" / file)) << file;
    EXPECT_NE(html.find(matrix.info.name + ": last values"), std::string::npos);
  }
  EXPECT_NE(html.find("<td>0.06</td>"), std::string::npos) << "nonfinite/count of the last of 60 steps";
}

TEST_F(ReportTest, RunsWithGapsStillDraw) {
  ReportInput input = fake_study({});
  for (float& value : input.runs[0].columns[0].values) value = NAN;  // nothing probed
  for (RunData& run : input.runs) std::fill(run.columns[1].values.begin(), run.columns[1].values.end(), NAN);
  input.runs[1].evals.clear();
  input.study.runs[1].status = "diverged";
  input.runs[2] = RunData{};
  input.study.runs[2].status = "pending";
  input.study.comparisons = compare_arms(input.study.axes, input.study.runs);
  const std::string html = read_text(write_report(input, folder_.string(), false));
  EXPECT_NE(html.find("1 of 6 runs are not finished"), std::string::npos);
  EXPECT_GE(check_figures(folder_ / "figures"), 5u);
}

TEST_F(ReportTest, GnuplotMissingOrFailing) {
  ReportInput input = fake_study({});
  input.gnuplot = (folder_ / "no-such-gnuplot").string();
  try {
    write_report(input, folder_.string(), false);
    FAIL();
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("gnuplot-nox"), std::string::npos) << error.what();
    EXPECT_EQ(error.code(), ExitCode::runtime);
  }
  try {
    draw("gnuplot", "plot 'no such file'\n", 100, 100, "broken", folder_.string());
    FAIL();
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("No data in plot"), std::string::npos) << error.what();
  }
  EXPECT_FALSE(fs::exists(folder_ / "report.html"));
}

TEST_F(ReportTest, WrongPathsAreUsageErrors) {
  EXPECT_THROW(write_report((folder_ / "missing").string(), "", false), UsageError);
  EXPECT_THROW(write_report(folder_.string(), "", false), UsageError);
}

TEST_F(ReportTest, TextIsEscaped) {
  EXPECT_EQ(html_text("<a href='x'>&\""), "&lt;a href=&#39;x&#39;&gt;&amp;&quot;");
  EXPECT_EQ(gp_text("a_b^c@{d}'e\n"), "a\\_b\\^c\\@\\{d\\}''e ");
  EXPECT_EQ(gp_fit("short", 500, 13), "short");
  EXPECT_NE(gp_fit(std::string(200, 'x'), 100, 13).find("…"), std::string::npos);
}

}  // namespace
}  // namespace normscope
