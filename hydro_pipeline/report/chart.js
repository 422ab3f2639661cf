// One field's series: carried line, observed points, planting date, the day that is shown.

const MOSTLY = 0.5;
const seconds = Array.from({ length: dayCount }, (_, day) => (FIRST + day * DAY_MS) / 1000);
let chart = null, medians = null;

function seriesOf(field) {
  const mean = [], full = [], part = [], p10 = [], p90 = [];
  for (let day = 0; day < dayCount; day++) {
    const m = value("mean", field, day), seen = value("observed", field, day) ?? 0;
    mean.push(m);
    full.push(seen >= MOSTLY ? m : null);
    part.push(seen > 0 && seen < MOSTLY ? m : null);
    p10.push(value("p10", field, day));
    p90.push(value("p90", field, day));
  }
  medians ??= seconds.map((_, day) => medianOfFields(day));
  return [seconds, p90, p10, medians, mean, part, full];
}

function marks(u) {
  const { ctx, bbox } = u;
  const line = (at, colour, dash, label) => {
    if (at < u.scales.x.min || at > u.scales.x.max) return;
    const x = Math.round(u.valToPos(at, "x", true)) + 0.5;
    ctx.save();
    ctx.strokeStyle = ctx.fillStyle = colour;
    ctx.lineWidth = 1.5 * devicePixelRatio;
    ctx.setLineDash(dash.map((d) => d * devicePixelRatio));
    ctx.beginPath();
    ctx.moveTo(x, bbox.top);
    ctx.lineTo(x, bbox.top + bbox.height);
    ctx.stroke();
    if (label) {
      ctx.font = `${11 * devicePixelRatio}px system-ui, sans-serif`;
      ctx.textAlign = "left";
      ctx.fillText(label, x + 4 * devicePixelRatio, bbox.top + 11 * devicePixelRatio);
    }
    ctx.restore();
  };
  const planted = Date.parse(content.fields[state.field].planted) / 1000;
  line(planted, style("--planted"), [5, 4], "planted");
  line(seconds[state.day], style("--chosen"), [], "");
}

function dateText(tick, withYear) {
  const date = new Date(tick * 1000);
  const text = date.toLocaleDateString("en-GB", { day: "numeric", month: "short", timeZone: "UTC" });
  return withYear || (date.getUTCMonth() === 0 && date.getUTCDate() < 8) ? `${text}\n${date.getUTCFullYear()}` : text;
}

function chartOptions(box) {
  const axis = { stroke: () => style("--muted"), grid: { stroke: () => style("--grid"), width: 1 }, ticks: { stroke: () => style("--grid") }, font: "12px system-ui, sans-serif" };
  const dates = (_, ticks) => ticks.map((tick, at) => dateText(tick, at === 0));
  const points = (fill) => ({ show: true, size: 7, width: 1.5, stroke: () => style("--line"), fill: () => style(fill) });
  return {
    width: box.clientWidth,
    height: Math.max(220, Math.min(320, innerHeight * 0.36)),
    tzDate: (ts) => uPlot.tzDate(new Date(ts * 1000), "Etc/UTC"),
    legend: { show: false },
    cursor: { drag: { x: true, y: false }, points: { show: false } },
    scales: { y: { range: (_, low, high) => [Math.min(0, (low ?? 0) - 0.02), Math.max(0.9, (high ?? 0) + 0.04)] } },
    axes: [{ ...axis, values: dates }, { ...axis, size: 44, values: (_, ticks) => ticks.map((t) => t.toFixed(1)) }],
    series: [
      {},
      { stroke: "transparent", points: { show: false } },
      { stroke: "transparent", points: { show: false } },
      { stroke: () => style("--muted"), width: 1, dash: [4, 4], points: { show: false } },
      { stroke: () => style("--line"), width: 1.75, points: { show: false } },
      { stroke: "transparent", paths: () => null, points: points("--panel") },
      { stroke: "transparent", paths: () => null, points: points("--line") },
    ],
    bands: [{ series: [1, 2], fill: () => style("--band") }],
    hooks: {
      draw: [marks],
      setCursor: [(u) => readout(u.cursor.idx ?? state.day)],
      ready: [(u) => u.over.addEventListener("click", () => u.cursor.idx !== null && choose({ day: u.cursor.idx }))],
    },
  };
}

function drawChart() {
  if (!fieldCount) return;
  const box = document.getElementById("chart");
  const field = content.fields[state.field];
  document.getElementById("fieldname").textContent = `Field ${field.id}`;
  const data = seriesOf(state.field);
  if (chart) chart.setData(data);
  else {
    chart = new uPlot(chartOptions(box), data, box);
    new ResizeObserver(() => {
      if (box.clientWidth !== chart.width) chart.setSize({ width: box.clientWidth, height: chart.height });
    }).observe(box);
  }
  box.dataset.field = field.id;
  box.dataset.observed = data[6].filter((v) => v !== null).length;
  readout(state.day);
}

function readout(day) {
  const field = state.field, mean = value("mean", field, day), planted = dayOf(content.fields[field].planted);
  const since = day - planted;
  document.getElementById("readout").textContent = `${dayName(day)}: ` + (mean === null
    ? since < 0 ? `before planting on ${content.fields[field].planted}` : "no value"
    : `${content.title} ${mean.toFixed(2)} (10th to 90th percentile ${value("p10", field, day).toFixed(2)} to ${value("p90", field, day).toFixed(2)}), ` +
      `${percent(value("observed", field, day))} observed, ${ageText(value("age", field, day))}, ${since} days after planting`);
}
