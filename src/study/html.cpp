#include "study/html.h"

#include <fmt/format.h>

namespace normscope {
namespace {

constexpr const char* kStyle = R"css(
:root { color-scheme: light; --ink: #1f2933; --muted: #616e7c; --line: #e4e7eb; --soft: #f5f7fa; --accent: #0072b2; }
* { box-sizing: border-box; }
body { margin: 0; background: #fff; color: var(--ink); line-height: 1.55; font-size: 16px;
       font-family: Inter, system-ui, -apple-system, "Segoe UI", Roboto, Helvetica, Arial, sans-serif; }
main { max-width: 1040px; margin: 0 auto; padding: 40px 28px 64px; }
h1 { font-size: 1.75rem; line-height: 1.25; margin: 0 0 .3rem; letter-spacing: -.01em; overflow-wrap: anywhere; }
h2 { font-size: 1.2rem; margin: 2.6rem 0 .6rem; padding-bottom: .3rem; border-bottom: 1px solid var(--line); }
p { margin: .5rem 0; } .muted { color: var(--muted); } .small { font-size: .875rem; }
.finding { background: var(--soft); border-left: 4px solid var(--accent); border-radius: 0 6px 6px 0;
           padding: .8rem 1.1rem; margin: 1.2rem 0; font-size: 1.06rem; }
.finding p { margin: .3rem 0; } .finding b { font-weight: 650; }
.warning { border-left-color: #d55e00; }
figure { margin: 1rem 0 1.8rem; } figure svg { display: block; width: 100%; height: auto; }
figcaption { color: var(--muted); font-size: .9rem; max-width: 78ch; margin-top: .3rem; }
figcaption a { color: var(--accent); text-decoration: none; white-space: nowrap; }
       figcaption a:hover { text-decoration: underline; }
.scroll { overflow-x: auto; margin: .8rem 0; }
table { border-collapse: collapse; width: 100%; font-size: .92rem; font-variant-numeric: tabular-nums; }
th, td { text-align: right; padding: .42rem .7rem; border-bottom: 1px solid var(--line); vertical-align: top; }
th:first-child, td:first-child { text-align: left; padding-left: 0; } th:last-child, td:last-child { padding-right: 0; }
th { color: var(--muted); font-weight: 600; font-size: .82rem; border-bottom-color: #cbd2d9; }
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
@media (max-width: 640px) { main { padding: 20px 14px 40px; } h1 { font-size: 1.35rem; } }
@media print { main { max-width: none; padding: 0; } figure, table, .finding { break-inside: avoid; }
       h2 { break-after: avoid; }
               body { font-size: 11pt; } }
)css";

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
  return out + "</tbody></table></div>\n";
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

std::string html_page(const std::string& title, const std::string& body) {
  return fmt::format(
      "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n"
      "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
      "<title>{}</title>\n<style>{}</style></head>\n<body><main>\n{}</main></body></html>\n",
      html_text(title), kStyle, body);
}

}  // namespace normscope
