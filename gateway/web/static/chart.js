// Draws a supply's past and its forecast with uPlot from the JSON in data-chart. Without it the server's sketch stays.
const charts = new Map();
const probe = document.createElement("i");
probe.hidden = true;

// A token's colour as the browser computes it: canvas knows neither var() nor light-dark().
function colour(token) {
  probe.style.color = `var(${token})`;
  document.body.append(probe);
  const computed = getComputedStyle(probe).color;
  probe.remove();
  return computed;
}
const alpha = (rgb, a) => rgb.replace(/rgba?\(([^)]+)\)/, (_, parts) => `rgba(${parts.split(",").slice(0, 3).join(",")},${a})`);
const font = size => `500 ${size}px "Instrument Sans", system-ui, sans-serif`;

const counted = { piece: "pieces", page: "pages", h: "hours", d: "days", wash: "washes", cup: "cups", cycle: "cycles" };
const singular = { h: "hour", d: "day" };

// `bare`: an axis of counted things says figures alone.
function speak(value, unit, bare = false) {
  const larger = { g: "kg", ml: "l", Wh: "kWh" }[unit];
  if (larger && Math.abs(value) >= 1000) [value, unit] = [value / 1000, larger];
  const figure = value.toLocaleString("en-GB", { maximumFractionDigits: Math.abs(value) >= 10 || counted[unit] ? 0 : 1 });
  if (unit === "%") return `${figure}\u202f%`;
  if (!counted[unit]) return `${figure}\u00a0${unit}`;
  return bare ? figure : `${figure}\u00a0${figure === "1" ? singular[unit] ?? unit : counted[unit]}`;
}

// What is worth looking at: two weeks back, and ahead until it is surely empty (10 to 45 days).
function framed(chart) {
  const now = chart.x[chart.now_index];
  const first = Math.max(0, chart.x.findIndex(x => x >= now - 14 * 86400));
  let last = chart.high.findIndex((value, k) => k > chart.now_index && value !== null && value <= 0);
  last = last < 0 ? chart.x.length - 1 : last + 1;
  const least = chart.x.findIndex(x => x >= now + 10 * 86400), most = chart.x.findIndex(x => x > now + 45 * 86400);
  last = Math.min(Math.max(last, least), most < 0 ? chart.x.length - 1 : most);
  const cut = list => list.slice(first, last + 1);
  return { ...chart, x: cut(chart.x), history: cut(chart.history), low: cut(chart.low), likely: cut(chart.likely), high: cut(chart.high), now_index: chart.now_index - first };
}

function draw(el) {
  charts.get(el)?.destroy();
  el.replaceChildren();
  const s = framed(JSON.parse(el.dataset.chart));
  const zone = el.dataset.zone, now = s.now_index, narrow = el.clientWidth < 480, ratio = devicePixelRatio;
  const c = Object.fromEntries(["muted", "line", "water", "low", "low-ink", "plan", "surface", "out", "out-ink"].map(name => [name, colour(`--${name}`)]));
  const date = (t, options) => new Date(t * 1000).toLocaleDateString("en-GB", { timeZone: zone, ...options });
  // Past the moment it is empty a line would only crawl along the axis.
  const ended = (list, by = list) => list.map((value, k) => k > now + 1 && by[k - 1] !== null && by[k - 1] <= 0 ? null : value);

  const label = (g, text, x, y, fill) => {
    g.lineJoin = "round"; g.lineWidth = 4 * ratio; g.strokeStyle = c.surface; g.strokeText(text, x, y); g.fillStyle = fill; g.fillText(text, x, y);
  };
  const marks = u => {
    const g = u.ctx, { left, top, width, height } = u.bbox;
    const X = v => Math.round(u.valToPos(v, "x", true)), Y = v => Math.round(u.valToPos(v, "y", true));
    const upright = (x, stroke, dash) => {
      g.strokeStyle = stroke; g.lineWidth = ratio; g.setLineDash(dash); g.beginPath(); g.moveTo(x + .5, top + 18 * ratio); g.lineTo(x + .5, top + height); g.stroke(); g.setLineDash([]);
    };
    g.save(); g.font = font(12 * ratio); g.textBaseline = "alphabetic";
    if (s.reorder !== null) {
      const y = Y(s.reorder);
      g.strokeStyle = c.low; g.lineWidth = 1.5 * ratio; g.setLineDash([5 * ratio, 4 * ratio]); g.beginPath(); g.moveTo(left, y); g.lineTo(left + width, y); g.stroke(); g.setLineDash([]);
      g.textAlign = "right"; label(g, `Reorder point ${speak(s.reorder, s.unit)}`, left + width, y - 7 * ratio, c["low-ink"]);
    }
    const x0 = X(s.x[now]), coming = s.delivery_x > s.x[now] && s.delivery_x <= s.x.at(-1), xd = coming ? X(s.delivery_x) : 0;
    const near = coming && xd - x0 < 48 * ratio;
    upright(x0, c.muted, []); g.textAlign = near ? "right" : "center"; label(g, "Today", near ? x0 + 4 * ratio : x0, top + 11 * ratio, c.muted);
    if (coming) { upright(xd, c.plan, [2 * ratio, 3 * ratio]); g.textAlign = "left"; label(g, "Delivery", Math.max(xd - 4 * ratio, x0 + 10 * ratio), top + 11 * ratio, c.plan); }
    if (s.empty_from_x && s.empty_from_x < s.x.at(-1)) {
      const open = !s.empty_to_x || s.empty_to_x > s.x.at(-1);
      const xa = Math.max(X(s.empty_from_x), x0), xb = open ? left + width : Math.max(X(s.empty_to_x), xa + 6 * ratio), y = top + height, h = 6 * ratio;
      g.fillStyle = c.out; g.beginPath(); g.roundRect(xa, y - h / 2, xb - xa, h, h / 2); g.fill();
      const wide = g.measureText("Runs empty").width, after = xb + 8 * ratio + wide < left + width;
      g.textAlign = after ? "left" : "right"; label(g, "Runs empty", after ? xb + 8 * ratio : xb, y - 8 * ratio, c["out-ink"]);
    }
    const level = s.likely[now] ?? s.history[now];
    if (level !== null) { g.beginPath(); g.arc(x0, Y(level), 5 * ratio, 0, 7); g.fillStyle = c.surface; g.fill(); g.lineWidth = 2.5 * ratio; g.strokeStyle = c.water; g.stroke(); }
    g.restore();
  };
  const read = u => {
    const i = u.cursor.idx, readout = el.parentElement.querySelector(".readout");
    if (i == null || !readout) return;
    const said = v => v === null || v === undefined ? "not known" : speak(v, s.unit);
    const words = i < now ? said(s.history[i]) : i === now ? `${said(s.history[i])} now` : `${said(s.likely[i])} likely, ${said(s.low[i])} to ${said(s.high[i])}`;
    readout.textContent = `${date(s.x[i], { weekday: "short", day: "numeric", month: "short" })}: ${words}`;
  };
  const invisible = { stroke: "transparent", width: 0, points: { show: false } };
  const u = new uPlot({
    width: el.clientWidth, height: el.clientHeight, padding: [8, 22, 0, 0], legend: { show: false },
    cursor: { y: false, drag: { x: false, y: false }, points: { size: 8, fill: (_, i) => i < 3 ? c.water : "transparent", stroke: () => "transparent" } },
    scales: { x: { time: true, range: [s.x[0], s.x.at(-1)] }, y: { range: [0, s.top] } },
    bands: [{ series: [4, 3], fill: alpha(c.water, .28) }],
    series: [{}, { stroke: c.water, width: 2.5, points: { show: false } }, { stroke: c.water, width: 2, dash: [2, 5], cap: "round", points: { show: false } }, invisible, invisible],
    axes: [
      { stroke: c.muted, font: font(12), grid: { show: false }, ticks: { show: false }, gap: 8, size: 30, space: narrow ? 62 : 84, values: (_, ticks) => ticks.map(t => date(t, { day: "numeric", month: "short" })) },
      { stroke: c.muted, font: font(12), grid: { stroke: c.line, width: 1 }, ticks: { show: false }, gap: 8, size: (_, said) => Math.max(54, 16 + 7 * Math.max(0, ...(said ?? []).map(text => text.length))), space: 44, values: (_, ticks) => ticks.map(v => v > s.capacity * 1.02 && s.unit === "%" ? "" : speak(v, s.unit, true)) },
    ],
    hooks: { draw: [marks], setCursor: [read] },
  }, [s.x, s.history, ended(s.likely), ended(s.low, s.high), ended(s.high)], el);
  charts.set(el, u);
  watch.observe(el);
  renew.observe(el, { attributeFilter: ["data-chart"] });
}

function drawNew() {
  for (const [el, u] of charts) if (!el.isConnected) { u.destroy(); charts.delete(el); }
  document.querySelectorAll(".chart").forEach(el => charts.has(el) || draw(el));
}
const drawAll = () => document.querySelectorAll(".chart").forEach(draw);

// The box is watched, not the window, and given time to settle: a turning phone fires bursts of odd sizes.
let settling;
const watch = new ResizeObserver(() => {
  clearTimeout(settling);
  settling = setTimeout(() => charts.forEach((u, el) => el.isConnected && el.clientWidth > 120 && (u.width !== el.clientWidth || u.height !== el.clientHeight) && draw(el)), 120);
});
const renew = new MutationObserver(changes => new Set(changes.map(change => change.target)).forEach(draw));

document.addEventListener("keydown", event => {
  const el = event.target.closest?.(".chart"), u = el && charts.get(el), step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
  if (!u || !step) return;
  event.preventDefault();
  const now = JSON.parse(el.dataset.chart).now_index, from = u.cursor.idx ?? Math.min(now, u.data[0].findIndex((_, k) => u.data[2][k] != null));
  const i = Math.max(0, Math.min(u.data[0].length - 1, from + step));
  u.setCursor({ left: u.valToPos(u.data[0][i], "x"), top: 10 });
});
document.addEventListener("htmx:after:swap", drawNew);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", drawAll);
document.fonts.ready.then(drawAll);
