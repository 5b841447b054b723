#include "study/html.h"

#include <fmt/format.h>

#include <cmath>
#include <cstdlib>
#include <nlohmann/json.hpp>

#include "study/figure.h"
#include "study/page_script.h"

namespace normscope {
namespace {

constexpr const char* kStyle = R"css(
:root { color-scheme: light dark; --page: #fff; --ink: #1f2933; --muted: #616e7c; --line: #e4e7eb; --soft: #f5f7fa;
        --accent: #0072b2; --strong: #cbd2d9; --warning: #d55e00; }
@media (prefers-color-scheme: dark) { :root { --page: #15191e; --ink: #e4e7eb; --muted: #9aa5b1; --line: #323f4b;
        --soft: #1f262d; --accent: #62b5f0; --strong: #52606d; --warning: #ff7f2a; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--page); color: var(--ink); line-height: 1.55; font-size: 16px;
       font-family: Inter, system-ui, -apple-system, "Segoe UI", Roboto, Helvetica, Arial, sans-serif; }
main { max-width: 1040px; margin: 0 auto; padding: 40px 28px 64px; }
h1 { font-size: 1.75rem; line-height: 1.25; margin: 0 0 .3rem; letter-spacing: -.01em; overflow-wrap: anywhere; }
h2 { font-size: 1.2rem; margin: 2.6rem 0 .6rem; padding-bottom: .3rem; border-bottom: 1px solid var(--line); }
p { margin: .5rem 0; } .muted { color: var(--muted); } .small { font-size: .875rem; }
.finding { background: var(--soft); border-left: 4px solid var(--accent); border-radius: 0 6px 6px 0;
           padding: .8rem 1.1rem; margin: 1.2rem 0; font-size: 1.06rem; }
.finding p { margin: .3rem 0; } .finding b { font-weight: 650; }
.warning { border-left-color: var(--warning); }
figure { margin: 1rem 0 1.8rem; } figure svg { display: block; width: 100%; height: auto; }
a { color: var(--accent); }
.contents { margin: 1.2rem 0; font-size: .92rem; } .contents a { text-decoration: none; margin-right: 1.1rem;
       white-space: nowrap; line-height: 1.9; } .contents a:hover { text-decoration: underline; }
.data { margin: -.4rem 0 1rem; } .data a { text-decoration: none; margin-right: .6rem; }
.tip { position: fixed; z-index: 9; max-width: 90vw; background: var(--ink); color: var(--page); border-radius: 4px;
       padding: .3rem .55rem; font-size: .82rem; line-height: 1.35; white-space: pre-line; pointer-events: none; }
figcaption { color: var(--muted); font-size: .9rem; max-width: 78ch; margin-top: .3rem; }
figcaption a { color: var(--accent); text-decoration: none; white-space: nowrap; }
       figcaption a:hover { text-decoration: underline; }
.scroll { overflow-x: auto; margin: .8rem 0; }
table { border-collapse: collapse; width: 100%; font-size: .92rem; font-variant-numeric: tabular-nums; }
th, td { text-align: right; padding: .42rem .7rem; border-bottom: 1px solid var(--line); vertical-align: top; }
th:first-child, td:first-child { text-align: left; padding-left: 0; } th:last-child, td:last-child { padding-right: 0; }
th { color: var(--muted); font-weight: 600; font-size: .82rem; border-bottom-color: var(--strong); }
.pairs td { text-align: left; padding: .22rem .7rem .22rem 0; overflow-wrap: anywhere; }
.pairs td, pre, code { font-size: .84rem;
       font-family: ui-monospace, SFMono-Regular, Menlo, Consolas, "DejaVu Sans Mono", monospace; }
.pairs td:first-child { color: var(--muted); white-space: nowrap; width: 16rem; }
pre { background: var(--soft); border-radius: 6px; padding: .8rem 1rem; white-space: pre-wrap;
       overflow-wrap: anywhere; margin: .6rem 0; }
details { border: 1px solid var(--line); border-radius: 6px; padding: .55rem .9rem; margin: .7rem 0; }
summary { cursor: pointer; font-weight: 600; } details[open] summary { margin-bottom: .5rem; }
.swatch { display: inline-block; width: .8em; height: .8em; border-radius: 2px; margin-right: .45em;
       vertical-align: -.04em; }
.narrow { display: none; }
@media (max-width: 640px) { main { padding: 20px 14px 40px; } h1 { font-size: 1.35rem; }
       .narrow { display: block; color: var(--muted); font-size: .82rem; } figure svg { width: 760px; }
       .pairs td:first-child { width: auto; } .data { margin-top: 0; } }
@media print { main { max-width: none; padding: 0; } figure, table, .finding { break-inside: avoid; }
       h2 { break-after: avoid; }
               body { font-size: 11pt; } }
)css";

/// A cell's HTML as text, with a plain minus sign.
std::string plain_text(const std::string& html) {
  static constexpr std::pair<const char*, const char*> kEntities[] = {
      {"&lt;", "<"}, {"&gt;", ">"}, {"&quot;", "\""}, {"&#39;", "'"}, {"&mdash;", "—"}, {"&amp;", "&"}, {"−", "-"}};
  std::string out;
  for (std::size_t i = 0; i < html.size();) {
    if (html[i] == '<') {
      i = std::min(html.find('>', i), html.size() - 1) + 1;
      continue;
    }
    std::size_t taken = 0;
    for (const auto& [entity, text] : kEntities)
      if (html.compare(i, std::string(entity).size(), entity) == 0) out += text, taken = std::string(entity).size();
    if (taken == 0) out += html[i], taken = 1;
    i += taken;
  }
  return out;
}

std::string data_link(const std::string& label, const std::string& type, const std::string& text) {
  std::string url;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    const bool plain = std::isalnum(byte) || std::string("-_.!*():,;@/=+$[]{}").find(c) != std::string::npos;
    url += plain ? std::string(1, c) : fmt::format("%{:02X}", byte);
  }
  return fmt::format("<a download=\"table.{}\" href=\"data:{};charset=utf-8,{}\">{}</a>",
                     type.substr(type.find('/') + 1), type, url, label);
}

/// The table as CSV (RFC 4180) and as JSON (a list of objects). An empty first cell repeats the one above.
std::string downloads(const std::vector<std::string>& head, const std::vector<std::vector<std::string>>& rows) {
  std::string csv;
  const auto add = [&](const std::string& text, bool last) {
    std::string quoted;
    for (const char c : text) quoted += c == '"' ? "\"\"" : std::string(1, c);
    csv += text.find_first_of(",\"\r\n") == std::string::npos ? text : "\"" + quoted + "\"";
    csv += last ? "\r\n" : ",";
  };
  for (std::size_t c = 0; c < head.size(); ++c) add(head[c], c + 1 == head.size());
  nlohmann::ordered_json json = nlohmann::ordered_json::array();
  std::string first;
  for (const auto& row : rows) {
    nlohmann::ordered_json object = nlohmann::ordered_json::object();
    for (std::size_t c = 0; c < row.size() && c < head.size(); ++c) {
      std::string text = plain_text(row[c]);
      if (c == 0) first = text = text.empty() ? first : text;
      char* end = nullptr;
      const double value = std::strtod(text.c_str(), &end);
      const bool number = !text.empty() && *end == 0 && std::isfinite(value);
      object[head[c]] = number ? nlohmann::ordered_json(value) : nlohmann::ordered_json(text);
      add(text, c + 1 == head.size());
    }
    json.push_back(object);
  }
  return "<p class=\"data small\">" + data_link("CSV", "text/csv", csv) + " " +
         data_link("JSON", "application/json", json.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace)) +
         "</p>\n";
}

/// Gives each <h2> an id; returns the links to them.
std::string contents(std::string* body) {
  std::string links;
  std::size_t count = 0;
  const std::string open = "<h2>";
  for (auto at = body->find(open); at != std::string::npos; at = body->find(open, at + 1)) {
    const auto end = body->find("</h2>", at);
    if (end == std::string::npos) break;
    const std::string id = fmt::format("part-{}", ++count),
                      text = body->substr(at + open.size(), end - at - open.size());
    links += fmt::format("<a href=\"#{}\">{}</a>\n", id, text);
    body->replace(at, open.size(), fmt::format("<h2 id=\"{}\">", id));
  }
  return count < 2 ? "" : "<nav class=\"contents\" aria-label=\"Contents\">\n" + links + "</nav>\n";
}

}  // namespace

std::string html_text(const std::string& text) {
  std::string out;
  for (char c : text) {
    switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '"':
        out += "&quot;";
        break;
      case '\'':
        out += "&#39;";
        break;
      default:
        out += c;
    }
  }
  return out;
}

std::string html_table(const std::vector<std::string>& head, const std::vector<std::vector<std::string>>& rows) {
  std::string out = "<div class=\"scroll\"><table><thead><tr>";
  for (const std::string& cell : head) out += "<th scope=\"col\">" + html_text(cell) + "</th>";
  out += "</tr></thead><tbody>\n";
  for (const auto& row : rows) {
    out += "<tr>";
    for (const std::string& cell : row) out += "<td>" + cell + "</td>";
    out += "</tr>\n";
  }
  return out + "</tbody></table></div>\n" + downloads(head, rows);
}

std::string html_pairs(const std::vector<std::pair<std::string, std::string>>& pairs) {
  std::string out = "<table class=\"pairs\"><tbody>\n";
  for (const auto& [key, value] : pairs) {
    out += fmt::format("<tr><td>{}</td><td>{}</td></tr>\n", html_text(key), html_text(value));
  }
  return out + "</tbody></table>\n";
}

std::string html_details(const std::string& summary, const std::string& body, bool open) {
  return fmt::format("<details{}><summary>{}</summary>\n{}</details>\n", open ? " open" : "", html_text(summary), body);
}

std::string html_page(const std::string& title, std::string body) {
  const std::string links = contents(&body);
  // Before the first part: behind what was found.
  body.insert(std::min(body.find("<h2 id"), body.size()), links);
  return fmt::format(
      "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n"
      "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
      "<title>{}</title>\n<style>{}@media screen and (prefers-color-scheme: dark) "
      "{{\n{}}}\n</style></head>\n<body><main>\n"
      "{}</main>\n<script>{}</script></body></html>\n",
      html_text(title), kStyle, dark_inks(), body, kScript);
}

}  // namespace normscope
