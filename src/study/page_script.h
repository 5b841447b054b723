#pragma once
// The page's script: shows the value under the pointer from the numbers beside each figure (hover.h).

namespace normscope {

inline constexpr const char* kScript = R"js(
(() => {
  const tip = document.createElement('div');
  tip.className = 'tip';
  tip.hidden = true;
  document.body.append(tip);
  const show = v => v === null || v === undefined ? 'no number' : String(Number(v.toPrecision(4))).replace('-', '−');
  const scale = (v, low, high, log) => log ? Math.log(v / low) / Math.log(high / low) : (v - low) / (high - low);
  const back = (t, low, high, log) => log ? low * Math.pow(high / low, t) : low + t * (high - low);
  const text = (panel, px, py) => {
    const [l, r, t, b, x0, x1, y0, y1, lx, ly] = panel.frame;
    if (px < l - 6 || px > r + 6 || py < t - 6 || py > b + 6) return '';
    const x = back((px - l) / (r - l), x0, x1, lx), y = back((b - py) / (b - t), y0, y1, ly);
    if (panel.z) {
      const row = Math.round(y), column = Math.round((x - panel.x0) / panel.dx);
      if (!panel.z[row] || panel.z[row][column] === undefined) return '';
      return `${panel.rows[row]}, ${panel.x} ${show(panel.x0 + column * panel.dx)}\n${panel.unit}: ${show(panel.z[row][column])}`;
    }
    let best = null;
    for (const s of panel.series) s.x.forEach((sx, i) => {
      if (s.y[i] === null) return;
      const dx = l + scale(sx, x0, x1, lx) * (r - l) - px, dy = b - scale(s.y[i], y0, y1, ly) * (b - t) - py;
      const d = dx * dx + dy * dy;
      if (!best || d < best.d) best = {d, s, i};
    });
    if (!best || best.d > 1600) return '';
    const x_text = panel.names ? panel.names[Math.round(best.s.x[best.i])] : `${panel.x} ${show(best.s.x[best.i])}`;
    return `${best.s.name ? best.s.name + '\n' : ''}${x_text}: ${show(best.s.y[best.i])}`;
  };
  for (const figure of document.querySelectorAll('figure')) {
    const data = figure.querySelector('script'), svg = figure.querySelector('svg');
    if (!data || !svg) continue;
    const panels = JSON.parse(data.textContent).panels;
    const move = event => {
      const box = svg.getBoundingClientRect(), view = svg.viewBox.baseVal;
      const px = (event.clientX - box.left) * view.width / box.width;
      const py = (event.clientY - box.top) * view.height / box.height;
      const found = panels.map(panel => text(panel, px, py)).find(Boolean);
      tip.hidden = !found;
      if (!found) return;
      tip.textContent = found;
      const x = Math.min(event.clientX + 14, innerWidth - tip.offsetWidth - 6);
      const above = event.clientY + 18 + tip.offsetHeight > innerHeight;
      const y = above ? event.clientY - tip.offsetHeight - 10 : event.clientY + 18;
      tip.style.left = `${Math.max(4, x)}px`;
      tip.style.top = `${y}px`;
    };
    svg.addEventListener('pointermove', move);
    svg.addEventListener('pointerdown', move);
    svg.addEventListener('pointerleave', () => { tip.hidden = true; });
  }
})();
)js";

}  // namespace normscope
