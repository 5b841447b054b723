#include "study/report_parts.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <cmath>
#include <functional>
#include <set>

#include "config/config_text.h"
#include "study/arms.h"
#include "core/decimal_text.h"
#include "study/figures.h"
#include "study/html.h"
#include "study/sentences.h"
#include "study/verdict.h"

namespace normscope {
namespace {

bool is_study(const ReportInput& input) { return !input.study.axes.empty(); }

const RunData* first_run(const ReportInput& input) {
  for (const RunData& run : input.runs) {
    if (!run.step.empty()) return &run;
  }
  return nullptr;
}

/// "-" becomes a true minus sign before a digit.
std::string typeset(const std::string& text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const bool minus = text[i] == '-' && i + 1 < text.size() && std::isdigit(static_cast<unsigned char>(text[i + 1]));
    out += minus ? "−" : std::string(1, text[i]);
  }
  return html_text(out);
}

std::string paragraph(const std::string& sentence, const char* kind = "") {
  if (sentence.empty()) return "";
  std::string text = typeset(sentence);
  for (const std::string_view word : {"no difference shown", "worse", "better"})
    if (const auto at = text.find(word); at != std::string::npos) {
      text.insert(at + word.size(), "</b>").insert(at, "<b>");
    }
  return fmt::format("<p{}>{}</p>\n", kind, text);
}

constexpr const char* kSmall = " class=\"muted small\"";

/// The pairs of the first axis, all of them; many can be folded away.
std::string finding_sentences(const Study& study) {
  constexpr std::size_t most = 12;
  std::string overview, out;
  for (const std::string& sentence : overview_sentences(study)) overview += paragraph(sentence);
  const auto pairs = first_pairs(study.axes);
  if (pairs.empty()) return "<p>Only one arm: nothing to compare.</p>\n";
  for (const ArmPair& pair : pairs) {
    const PairVerdict verdict = pair_verdict(study, pair);
    out += paragraph(verdict.finding);
    out += paragraph(verdict.gradient + (verdict.gradient.empty() ? "" : " ") + verdict.power, kSmall);
  }
  if (pairs.size() > most) out = html_details(fmt::format("All {} pairs", pairs.size()), out, true);
  return overview + out;
}

std::string value_or(const std::map<std::string, std::string>& config, const char* key) {
  const auto found = config.find(key);
  return found == config.end() ? "?" : found->second;
}

std::string run_sentence(const StudyRun& run, const RunData& data) {
  if (run.status == "diverged") {
    std::string signs;
    if (data.attributes.contains("diverged_reason"))
      signs = fmt::format(" It showed first at step {}, {}: {}.", value_or(data.attributes, "diverged_step"),
                          html_text(value_or(data.attributes, "diverged_where")),
                          html_text(value_or(data.attributes, "diverged_reason")));
    return fmt::format("<p><b>The run diverged</b> after {} steps; its file is complete up to that step.{}</p>\n",
                       data.step.size(), signs);
  }
  std::string out = fmt::format("<p>{} with {}: ", html_text(value_or(run.config, "arch")),
                                html_text(norm_label(value_or(run.config, "norm"))));
  if (std::isfinite(run.val_loss)) {
    out += fmt::format("<b>validation loss {:.4f} nats/token</b> ({:.3f} bits) after {} steps", run.val_loss,
                       run.val_loss / std::log(2.0), data.step.size());
  } else {
    out += fmt::format("<b>training loss {:.4f} nats/token</b> after {} steps, not evaluated yet", data.loss.back(),
                       data.step.size());
  }
  if (run.epoch_mean_grad_norm.size() > 1) {
    out += fmt::format("; mean gradient norm of the weight matrices {:.4g} in the first epoch and {:.4g} in the last",
                       run.epoch_mean_grad_norm.front(), run.epoch_mean_grad_norm.back());
  }
  return out + (run.status == "done" ? ".</p>\n" : fmt::format(" (status: {}).</p>\n", html_text(run.status)));
}

/// The colour and the line of an arm in the figures.
std::string swatch(const Ink& ink) {
  const std::string fill = ink.dash == 1 ? ink.color
                                         : fmt::format("repeating-linear-gradient(90deg,{} 0 {}px,#fff {}px {}px)",
                                                       ink.color, 6 - ink.dash, 6 - ink.dash, 8 - ink.dash);
  return fmt::format("<span class=\"swatch\" style=\"background:{}\"></span>", fill);
}

std::string arms_table(const Study& study) {
  std::vector<std::vector<std::string>> rows;
  const auto arms = arms_of(study.axes);
  for (std::size_t a = 0; a < arms.size(); ++a) {
    const auto runs = runs_of(study.runs, arms[a]);
    if (runs.empty()) continue;
    std::vector<double> train, norms;
    for (const StudyRun* run : runs) {
      if (run->status != "done") continue;
      train.push_back(run->train_loss);
      norms.push_back(run->epoch_mean_grad_norm.empty() ? kNaN : run->epoch_mean_grad_norm.back());
    }
    const auto cell = [](const Interval& value, const std::function<std::string(double)>& text) {
      if (value.n == 0) return std::string("–");
      return text(value.mean) + (value.has_interval() ? " ± " + text(value.high - value.mean) : "");
    };
    const auto loss = [](double value) { return number_text(value, 4); };
    const Interval norm = mean_interval(norms);
    rows.push_back({swatch(arm_ink(first_value(arms[a], study.axes))) + html_text(arm_label(arms[a], study.axes)),
                    arm_status(study.runs, arms[a]), cell(arm_loss(study.runs, arms[a]), loss),
                    cell(mean_interval(train), loss), cell(norm, gradient_format(norm.mean))});
  }
  return html_table({"arm", "runs", "validation loss (nats)", "training loss (nats)", "gradient norm, last epoch"},
                    rows);
}

/// One comparison: what is compared, how, and what pairing was worth.
std::vector<std::string> pair_row(const Study& study, const Comparison& row) {
  const PairFacts& f = row.facts;
  const bool loss = row.metric == kValLoss;
  const double effect = loss ? f.detectable : std::exp(f.detectable);
  const auto or_dash = [](double value, const std::string& text) { return std::isfinite(value) ? typeset(text) : "–"; };
  const auto number = [&](double value) { return or_dash(value, comparison_value(row, value)); };
  const Words names = pair_names(row.a, row.b, study.axes);
  const auto line = [](const std::string& html, std::size_t length) {
    return length > 30 ? html : "<span style=\"white-space:nowrap\">" + html + "</span>";
  };
  const std::string &shared = names.at("shared"), &a = names.at("a"), &b = names.at("b");
  std::string pair = line(html_text(b) + " <span class=\"muted\">against</span> " + html_text(a), a.size() + b.size());
  if (!shared.empty())
    pair = line("<span class=\"muted\">" + html_text(shared) + "</span>", shared.size()) + "<br>" + pair;
  std::vector<std::string> cells{pair};
  if (!loss) cells.push_back(std::to_string(row.epoch));
  const std::string pairs = row.excluded > 0 ? fmt::format("{} of {}", row.result.n, row.result.n + row.excluded)
                                             : std::to_string(row.result.n);
  for (const std::string& cell :
       {number(row.result.mean), number(row.result.low) + " to " + number(row.result.high), pairs,
        comparison_finding(row), or_dash(effect, significant_text(effect, loss ? 2 : 4)),
        or_dash(f.correlation, f.correlation > 0.9995 ? "> 0.999" : number_text(f.correlation, 3)),
        or_dash(f.unpaired, fmt::format("{:.0f}", f.unpaired))})
    cells.push_back("<span style=\"white-space:nowrap\">" + cell + "</span>");
  return cells;
}

std::string pairs_table(const Study& study) {
  std::vector<std::vector<std::string>> losses, norms;
  for (const ArmPair& pair : arm_pairs(study.axes)) {
    for (const Comparison* row : rows_of(study.comparisons, pair.a, pair.b, kValLoss))
      losses.push_back(pair_row(study, *row));
    const auto ratios = rows_of(study.comparisons, pair.a, pair.b, kGradRatio);
    for (std::int64_t e : shown_epochs(static_cast<std::int64_t>(ratios.size()), 6))
      if (const Comparison& row = *ratios[static_cast<std::size_t>(e - 1)]; row.result.n > 0)
        norms.push_back(pair_row(study, row));
  }
  if (losses.empty()) return "";
  const std::vector<std::string> last{"pairs", "finding", "smallest effect at 80 % power", "correlation within pairs",
                                      "unpaired seeds for this interval"};
  const auto table = [&](std::vector<std::string> head, const auto& rows) {
    head.insert(head.end(), last.begin(), last.end());
    return html_table(head, rows);
  };
  std::string out =
      "<h3>Validation loss of all pairs</h3>\n" + table({"pair", "difference (nats)", "95 % interval"}, losses);
  if (!norms.empty())
    out +=
        html_details("Gradient norm of all pairs by epoch", table({"pair", "epoch", "ratio", "95 % interval"}, norms));
  return out;
}

std::string interactions_html(const Study& study) {
  std::vector<std::vector<std::string>> rows = interaction_rows(study);
  if (rows.empty()) return "";
  for (auto& row : rows)
    for (std::string& cell : row) cell = typeset(cell);
  return "<h2>Dependence on the other axes</h2>\n" +
         paragraph(say(Sentence::interactions, {{"key", first_axis(study.axes)}})) + html_table(kInteractionHead, rows);
}

std::string times_html(const Study& study) {
  std::vector<std::vector<std::string>> arms;
  std::string pairs;
  std::size_t rounds = 0;
  for (const StepTimes& times : study.step_times) {
    rounds = std::max(rounds, times.seconds.size());
    arms.push_back({html_text(arm_label(times.arm, study.axes)), number_text(median(times.seconds) * 1e3, 3)});
  }
  for (const Comparison& row : study.comparisons) {
    if (row.metric != kTimeRatio) continue;
    pairs += paragraph(time_sentence(row, study.axes));
  }
  return fmt::format("<h2>{}</h2>\n", kTimeTitle) + html_table({"arm", "ms per step (median)"}, arms) + pairs +
         fmt::format(
             "<p class=\"muted small\">After training, one process measured all arms on one core in {} rounds; in each "
             "round every arm trained a block of at least 5 steps and 20 ms. A ratio is taken within a round; the "
             "table "
             "has the median of the rounds and its percentile bootstrap interval.</p>\n",
             rounds);
}

std::string epochs_text(const RunData& run, std::int64_t epochs) {
  if (epochs == 0) return "";
  const std::string label = epoch_label(run);
  if (label != "epoch") return fmt::format(", {} × {}", epochs, html_text(label));
  return fmt::format(", {} epoch{}", epochs, epochs == 1 ? "" : "s");
}

}  // namespace

std::string headline_html(const ReportInput& input) {
  std::string body;
  if (is_study(input)) {
    body = finding_sentences(input.study);
  } else if (const RunData* run = first_run(input); run && !input.study.runs.empty()) {
    body = run_sentence(input.study.runs.front(), *run);
  }
  std::set<std::string> open;
  for (const StudyRun& run : input.study.runs) {
    if (run.status != "done" && run.status != "diverged") open.insert(run.name.empty() ? run.file : run.name);
  }
  std::string out = "<div class=\"finding\">\n" + body + "</div>\n";
  if (!is_study(input)) return out;
  if (const std::string warning = seeds_warning(input.study); !warning.empty())
    out += "<div class=\"finding warning\">" + paragraph(warning) + "</div>\n";
  if (!open.empty()) {
    out += fmt::format(
        "<div class=\"finding warning\"><p>{} of {} runs are not finished; their pairs are excluded.</p></div>\n",
        open.size(), input.study.runs.size());
  }
  return out + paragraph(chance_sentence(input.study), kSmall) + interactions_html(input.study);
}

std::string subtitle_html(const ReportInput& input) {
  const RunData* run = first_run(input);
  if (!run) return "";
  const auto config = config_texts(run->config_json);
  const auto get = [&](const char* key) { return html_text(value_or(config, key)); };
  std::set<std::string> varies;
  for (const auto& [key, values] : input.study.axes) {
    if (values.size() > 1) varies.insert(key);
  }
  std::string model = varies.count("arch") ? "" : get("arch") + ", ";
  if (!varies.count("n_layer")) model += get("n_layer") + " blocks, ";
  if (!varies.count("n_embd")) model += "width " + get("n_embd") + ", ";
  std::int64_t epochs = 0;
  for (const EpochRow& row : run->epochs) epochs = std::max(epochs, row.epoch);
  return fmt::format("<p class=\"muted\">{}context {}, batch {}; data {}; {} steps{}{}{}</p>\n", model,
                     get("block_size"), get("batch_size"), get("data"), run->step.size(), epochs_text(*run, epochs),
                     unfinished_epoch(*run) ? " (the last one unfinished)" : "",
                     is_study(input) ? fmt::format("; {} {}", input.study.seeds.size(),
                                                   input.study.seeds.size() == 1 ? "seed" : "paired seeds")
                                     : "");
}

std::string tables_html(const ReportInput& input) {
  if (!is_study(input)) return "";
  std::string out = "<h2>Results</h2>\n" + arms_table(input.study);
  out += pairs_table(input.study);
  for (const std::string& sentence : method_sentences(input.study)) out += paragraph(sentence, kSmall);
  if (!input.study.step_times.empty()) out += times_html(input.study);
  return out;
}

std::string details_html(const ReportInput& input) {
  std::string out = "<h2>Reproduce</h2>\n";
  const RunData* run = first_run(input);
  std::string command = input.command.empty() ? input.study.command : input.command;
  if (command.empty() && run) command = run->command;
  out += "<pre>" + html_text(command.empty() ? "(the command was not recorded)" : command) + "</pre>\n";
  if (!run) return out;

  const auto config = config_texts(run->config_json);
  std::vector<std::pair<std::string, std::string>> pairs;
  for (const KeyInfo& key : config_keys()) {
    const auto found = config.find(key.name);
    if (found == config.end() || found->first == "out_dir" || found->first == "name") continue;
    std::string value = found->second;
    for (const auto& [axis, values] : input.study.axes) {
      if (axis != key.name) continue;
      value.clear();
      for (const std::string& v : values) value += (value.empty() ? "" : ",  ") + v;
    }
    if (found->first == "seed" && !input.study.seeds.empty()) {
      value.clear();
      for (std::uint64_t seed : input.study.seeds) value += (value.empty() ? "" : ", ") + std::to_string(seed);
    }
    pairs.emplace_back(found->first, value);
  }
  if (const auto block = config.find("block"); block != config.end() && block->second != "{}")
    pairs.emplace_back("block", block->second);
  out += html_details("Configuration", html_pairs(pairs));

  std::vector<std::pair<std::string, std::string>> environment;
  for (const char* key : {"version", "git_commit", "host", "cpu", "isa", "threads", "gemm_backend", "hdf5_version",
                          "started_at", "data_sha256", "tokenizer", "entropy_rate"}) {
    const auto found = run->attributes.find(key);
    if (found != run->attributes.end() && !found->second.empty()) environment.emplace_back(key, found->second);
  }
  out += html_details("Environment", html_pairs(environment));
  if (input.study.runs.size() > 1) {
    std::vector<std::vector<std::string>> rows;
    for (const StudyRun& one : input.study.runs) {
      rows.push_back({"<code>" + html_text(one.file) + "</code>", html_text(one.status), number_text(one.val_loss, 4)});
    }
    out += html_details(fmt::format("All {} runs", rows.size()),
                        html_table({"file", "status", "validation loss (nats)"}, rows));
  }
  return out;
}

}  // namespace normscope
