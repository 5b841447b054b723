// The report's page: contents, tables to download, dark mode, values under the pointer, names, colours, size.
#include <gtest/gtest.h>
#include "study/report.h"

#include <cmath>
#include <nlohmann/json.hpp>
#include <regex>
#include <set>

#include "study/figure.h"
#include "study/figures.h"
#include "study/html.h"
#include "tests/files.h"
#include "tests/synthetic_study.h"

namespace normscope {
namespace {

using test_files::read_text;
using testing::fake_study;
using testing::FakeStudy;

std::vector<std::string> all_matches(const std::string& text, const std::string& pattern) {
  std::vector<std::string> out;
  const std::regex regex(pattern);
  for (std::sregex_iterator it(text.begin(), text.end(), regex), end; it != end; ++it) out.push_back((*it)[1]);
  return out;
}

std::string page_of(const ReportInput& input) {
  const test_files::TemporaryFolder folder;
  return read_text(write_report(input, folder.path().string(), false));
}

std::string decoded(const std::string& url) {
  std::string out;
  for (std::size_t i = 0; i < url.size(); ++i) {
    if (url[i] != '%') {
      out += url[i];
      continue;
    }
    out += static_cast<char>(std::stoi(url.substr(i + 1, 2), nullptr, 16));
    i += 2;
  }
  return out;
}

/// Rows of cells, quotes undone.
std::vector<std::vector<std::string>> csv_rows(const std::string& text) {
  std::vector<std::vector<std::string>> rows{{""}};
  bool quoted = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (c == '"' && quoted && i + 1 < text.size() && text[i + 1] == '"') {
      rows.back().back() += text[++i];
    } else if (c == '"') {
      quoted = !quoted;
    } else if (c == ',' && !quoted) {
      rows.back().emplace_back();
    } else if (c == '\n' && !quoted) {
      rows.push_back({""});
    } else if (c != '\r' || quoted) {
      rows.back().back() += c;
    }
  }
  rows.pop_back();
  return rows;
}

/// What both files of each table say is the same; returns the tables as JSON.
std::vector<nlohmann::ordered_json> tables_of(const std::string& page) {
  std::vector<nlohmann::ordered_json> out;
  std::vector<std::string> csv, json;
  const auto links = [&](const std::string& start) {
    std::vector<std::string> found;
    for (auto at = page.find(start); at != std::string::npos; at = page.find(start, at + 1)) {
      const auto begin = at + start.size();
      found.push_back(decoded(page.substr(begin, page.find('"', begin) - begin)));
    }
    return found;
  };
  csv = links("data:text/csv;charset=utf-8,");
  json = links("data:application/json;charset=utf-8,");
  EXPECT_EQ(csv.size(), json.size());
  for (std::size_t t = 0; t < std::min(csv.size(), json.size()); ++t) {
    const auto rows = csv_rows(csv[t]);
    const auto table = nlohmann::ordered_json::parse(json[t]);
    EXPECT_EQ(rows.size(), table.size() + 1);
    for (std::size_t r = 1; r < rows.size(); ++r) {
      EXPECT_EQ(rows[r].size(), rows[0].size());
      for (std::size_t c = 0; c < rows[r].size(); ++c) {
        const auto& value = table.at(r - 1).at(rows[0][c]);
        if (value.is_number())
          EXPECT_EQ(std::stod(rows[r][c]), value.get<double>());
        else
          EXPECT_EQ(rows[r][c], value.get<std::string>());
      }
    }
    out.push_back(table);
  }
  return out;
}

TEST(ReportPage, TheContentsNameEveryPartAndResolve) {
  const std::string page = page_of(fake_study({}));
  const auto links = all_matches(page, "<a href=\"#([^\"]*)\"");
  const auto parts = all_matches(page, "<h2 id=\"([^\"]*)\"");
  EXPECT_GE(parts.size(), 5u);
  EXPECT_EQ(links, parts);
  EXPECT_EQ(page.find("<h2>"), std::string::npos) << "a part without a link";
}

TEST(ReportPage, EachTableIsThereAsCsvAndJson) {
  const std::string page = page_of(fake_study({}));
  const auto tables = tables_of(page);
  EXPECT_EQ(tables.size(), all_matches(page, "<(thead)>").size());
  ASSERT_GE(tables.size(), 2u);
  EXPECT_EQ(tables[0].size(), 2u) << "one row an arm";
  EXPECT_EQ(page.find("<td></td></tr>\n<tr><td>pair"), std::string::npos);
}

TEST(ReportPage, CellsOfATableSurviveTheDownload) {
  const std::string table = html_table(
      {"name", "value"}, {{html_text("a,\"b\" & <c> 100% é"), "−0.25"}, {"", "<b>two\nlines</b>"}, {"x", "1e-3"}});
  const auto tables = tables_of(table);
  ASSERT_EQ(tables.size(), 1u);
  EXPECT_EQ(tables[0][0]["name"], "a,\"b\" & <c> 100% é");
  EXPECT_EQ(tables[0][0]["value"], -0.25);
  EXPECT_EQ(tables[0][1]["name"], "a,\"b\" & <c> 100% é") << "an empty first cell repeats the one above";
  EXPECT_EQ(tables[0][1]["value"], "two\nlines");
  EXPECT_EQ(tables[0][2]["value"], 1e-3);
}

TEST(ReportPage, ADarkPageHasADarkInkForEveryInkOfItsFigures) {
  const std::string page = page_of(fake_study({}));
  const auto dark = page.rfind("@media screen and (prefers-color-scheme: dark)");
  ASSERT_NE(dark, std::string::npos);
  const std::string rules = page.substr(dark, page.find("</style>") - dark);
  std::set<std::string> inks;
  for (const std::string& ink : all_matches(page, "stroke='(rgb\\([^)]*\\))'")) inks.insert(ink);
  for (const std::string& ink : all_matches(page, "<use [^>]*color='([^']*)'")) inks.insert(ink);
  for (const std::string& ink : all_matches(page, "<text[^>]*fill=\"(rgb[^\"]*)\"")) inks.insert(ink);
  inks.erase("rgb( 32,  42,  52)");  // dots on the cells of maps, which are as light on a dark page
  EXPECT_GE(inks.size(), 4u);
  for (std::string ink : inks) {
    if (ink == "#FFFFFF") ink = "#ffffff";
    EXPECT_NE(rules.find("=\"" + ink + "\" i]"), std::string::npos) << ink << " has no dark ink";
  }
}

TEST(ReportPage, FiguresCarryTheNumbersUnderThePointer) {
  const ReportInput input = fake_study({});
  const std::string page = page_of(input);
  std::size_t figures = 0, curves = 0, maps = 0;
  const std::string start = "<script type=\"application/json\">";
  for (auto at = page.find(start); at != std::string::npos; at = page.find(start, at + 1), ++figures) {
    const auto begin = at + start.size();
    const auto data = nlohmann::json::parse(page.substr(begin, page.find("</script>", begin) - begin));
    ASSERT_FALSE(data.at("panels").empty());
    for (const auto& panel : data["panels"]) {
      const auto& frame = panel.at("frame");
      ASSERT_EQ(frame.size(), 10u);
      EXPECT_GT(frame[0].get<int>(), 40) << "the labels of the axis stand there";
      EXPECT_GT(frame[1].get<int>(), frame[0].get<int>() + 150);
      EXPECT_LE(frame[1].get<int>(), 960);
      EXPECT_GT(frame[3].get<int>(), frame[2].get<int>() + 50);
      EXPECT_LT(frame[4], frame[5]);
      EXPECT_LT(frame[6], frame[7]);
      maps += panel.contains("z");
      curves += panel.contains("series");
    }
  }
  EXPECT_EQ(figures, all_matches(page, "<(figure) ").size());
  EXPECT_GE(curves, 4u);
  EXPECT_GE(maps, 4u);
  EXPECT_EQ(page.find("<title>", page.find("<svg")), std::string::npos) << "gnuplot's own names would pop up";
}

TEST(ReportPage, PointsOfTheStreamHaveNames) {
  const ReportInput input = fake_study({});
  const std::string page = page_of(input);
  for (const char* name : {">embedding<", ">0 attention<", ">3 mlp<", ">final norm<"})
    EXPECT_NE(page.find(name), std::string::npos) << name;
  EXPECT_EQ(page.find("residual point"), std::string::npos);
}

TEST(ReportPage, APointKeepsItsPlaceInAShallowerModel) {
  FakeStudy deep, shallow;
  shallow.blocks = 2;
  const RunData a = fake_run(deep, {{"norm", "layernorm"}}, 0, 1), b = fake_run(shallow, {{"norm", "rmsnorm"}}, 1, 1);
  EXPECT_EQ(point_labels(a).back(), "final norm");
  EXPECT_EQ(point_labels(b).size(), 6u);
  const auto items = depth_figures({{"deep", {&a}}, {"shallow", {&b}}});
  const auto& panel = std::get<CurveFigure>(items.at(0).figure).panels.at(0);
  EXPECT_EQ(panel.x_names, point_labels(a));
  const auto& y = panel.series.at(1).y;
  ASSERT_EQ(y.size(), 10u);
  EXPECT_TRUE(std::isfinite(y[4])) << "1 mlp";
  EXPECT_TRUE(std::isnan(y[5])) << "2 attention";
  EXPECT_TRUE(std::isfinite(y[9])) << "final norm";
}

TEST(ReportPage, NamesUnderAnAxisKeepTheirDistanceAndEndWithTheLast) {
  Panel panel;
  for (int i = 0; i < 26; ++i) panel.x_names.push_back("name" + std::to_string(i));
  Series curve;
  for (int i = 0; i < 26; ++i) curve.x.push_back(i), curve.y.push_back(i);
  panel.series = {curve};
  CurveFigure figure;
  figure.panels = {panel, panel};
  int width, height;
  const std::string script = curve_script(figure, &width, &height);
  const auto at = script.find("set xtics rotate");
  ASSERT_NE(at, std::string::npos);
  const std::string tics = script.substr(at, script.find('\n', at) - at);
  EXPECT_EQ(tics.find("'name1' "), std::string::npos);
  for (const char* name : {"'name0' 0", "'name2' 2", "'name25' 25"})
    EXPECT_NE(tics.find(name), std::string::npos) << name;
  EXPECT_EQ(tics.find("'name24'"), std::string::npos);
}

MapFigure map_of_panels(std::vector<MapPanel> panels) {
  MapFigure figure;
  figure.name = "map";
  figure.rows = {"0", "1"};
  figure.panels = std::move(panels);
  return figure;
}

TEST(ReportPage, DivergedPanelsDoNotSetTheColours) {
  MapFigure figure = map_of_panels({{"good", {{1, 2}, {3, 4}}}, {"bad", {{-17, 19}, {NAN, 19}}}});
  figure.off_scale = {"bad"};
  const ColorScale scale = color_scale(figure);
  EXPECT_EQ(scale.low, 1);
  EXPECT_EQ(scale.high, 4);
  EXPECT_TRUE(scale.cut);
  EXPECT_TRUE(scale.gaps);
  figure.off_scale = {"good", "bad"};
  EXPECT_EQ(color_scale(figure).high, 19) << "with no other panel they do";
  EXPECT_FALSE(color_scale(map_of_panels({{"good", {{1, 2}, {3, 4}}}})).cut);
}

TEST(ReportPage, DifferencesOfRoundingDoNotFillTheColours) {
  const ColorScale scale = color_scale(map_of_panels({{"a", {{1.916970, 1.916985}, {1.916985, 1.916990}}}}));
  EXPECT_NEAR(scale.high - scale.low, 0.0192, 1e-4);
  EXPECT_FALSE(scale.cut);
  const ColorScale negative = color_scale(map_of_panels({{"a", {{-2, -2}}}}));
  EXPECT_LT(negative.low, -2);
  EXPECT_GT(negative.high, -2);
}

TEST(ReportPage, OneOutlierDoesNotSetTheColours) {
  std::vector<double> row;
  for (int i = 0; i < 1000; ++i) row.push_back(i / 1000.0);
  row[500] = 1e9;
  const ColorScale scale = color_scale(map_of_panels({{"a", {row, row}}}));
  EXPECT_LT(scale.high, 1);
  EXPECT_TRUE(scale.cut);
}

TEST(ReportPage, TheCaptionSaysThatColoursEndAndWhatIsHatched) {
  ReportInput input = fake_study({});
  for (RunData& run : input.runs)
    if (run.command.find("rmsnorm") != std::string::npos) {
      run.status = "diverged";
      for (std::size_t i = 0; i < run.columns[0].values.size(); ++i) run.columns[0].values[i] = i > 900 ? NAN : 1e19F;
    }
  const std::string page = page_of(input);
  EXPECT_NE(page.find("of arms that did not all diverge"), std::string::npos);
  EXPECT_NE(page.find("Hatched: no finite value"), std::string::npos);
  EXPECT_NE(page.find("url(#gpPat"), std::string::npos) << "nothing is hatched";
  EXPECT_EQ(page_of(fake_study({})).find("Hatched"), std::string::npos) << "nothing to explain";
}

TEST(ReportPage, ARunThatEndedEarlyKeepsItsSteps) {
  FakeStudy fake;
  fake.epochs = 1;
  fake.steps_per_epoch = 80;
  const RunData whole = fake_run(fake, {}, 0, 1);
  fake.steps_per_epoch = 20;
  const RunData part = fake_run(fake, {}, 0, 1);
  EXPECT_EQ(model_of({{"part", {&part}}, {"whole", {&whole}}}), &whole);
  const Columns columns = columns_in(part, map_columns(whole));
  EXPECT_EQ(columns.count, 40u);
  EXPECT_EQ(columns.of_step.front(), 0u);
  EXPECT_EQ(columns.of_step.back(), 9u) << "step 19 of bins of two";
}

TEST(ReportPage, TicksHaveAllTheirDigits) {
  EXPECT_EQ(linear_ticks("y", 1005.8, 1006.2, 6), "set format y '%.5h'; set ytics 0.1\n");
  EXPECT_EQ(linear_ticks("y", 0, 1, 6), "set format y '%.2h'; set ytics 0.2\n");
  EXPECT_EQ(linear_ticks("cb", -8, -1, 10), "set format cb '%.1h'; set cbtics 1\n");
  EXPECT_EQ(linear_ticks("y", 0, 120, 6), "set format y '%.3h'; set ytics 20\n");
  for (const std::string& label : all_matches(page_of(fake_study({})), "<tspan[^>]*>(0[0-9]+\\.?[0-9]*)</tspan>"))
    ADD_FAILURE() << "a tick with leading zeros: " << label;
}

TEST(ReportPage, FortyEightArmsHaveDifferentInks) {
  std::set<std::pair<std::string, int>> inks;
  std::set<std::string> colors;
  for (std::size_t arm = 0; arm < 48; ++arm) inks.emplace(arm_ink(arm).color, arm_ink(arm).dash);
  for (std::size_t arm = 0; arm < 8; ++arm) colors.insert(arm_ink(arm).color);
  EXPECT_EQ(inks.size(), 48u);
  EXPECT_EQ(colors.size(), 8u);
  EXPECT_NE(arm_ink(0).dash, arm_ink(1).dash) << "lines that cover each other must show";
}

TEST(ReportPage, CellsAndDotsOfOneLookBecomeOnePath) {
  const std::string kept =
      "<polygon fill = 'red' fill-opacity = '0.18' points = '1,5 3,5 3,2 1,2 '/>\n"
      "<polygon fill = 'red' points = '1,5 3,6 3,2 1,2 '/>\n"
      "<use xlink:href='#gpPt0' transform='translate(1,2) scale(3)' color='red'/>\n";
  EXPECT_EQ(join_cells("<polygon fill = 'red' points = '1.00,5.00 3.00,5.00 3.00,2.00 1.00,2.00 '/>\n"
                       "<polygon fill = 'red' points = '2.99,5.00 5.00,5.00 5.00,2.00 2.99,2.00 '/>\n"
                       "<polygon fill = 'red' points = '7.00,5.00 9.00,5.00 9.00,2.00 7.00,2.00 '/>\n" +
                       kept +
                       "<use xlink:href='#gpPt6' transform='translate(1.5,2) scale(3)' color='red'/>\n"
                       "<use xlink:href='#gpPt6' transform='translate(4,2) scale(3)' color='red'/>\n"),
            "<path fill='none' stroke=\"red\" stroke-width=\"3\" d='M1 3.5h4M7 3.5h2'/>\n" + kept +
                "<path fill='none' stroke='red' stroke-width='6' stroke-linecap='round' d='M1.5 2h0M4 2h0'/>\n");
}

TEST(ReportPage, TwentyFourRunsOfTwelveLayersStayUnderThreeMegabytes) {
  FakeStudy fake;
  fake.axes = {{"norm", {"layernorm", "rmsnorm", "dyt", "none"}}, {"norm_placement", {"pre", "post"}}};
  fake.blocks = 12;
  fake.epochs = 2;
  fake.steps_per_epoch = 60;  // maps of 40 bins
  EXPECT_LT(page_of(fake_study(fake)).size(), 3'000'000u);
}

}  // namespace
}  // namespace normscope
