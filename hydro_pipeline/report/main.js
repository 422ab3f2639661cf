// What is chosen, and everything that follows it.

const state = { day: dayCount - 1, field: 0, layer: "fields" };
const slider = document.getElementById("slider");
let styles = getComputedStyle(document.documentElement);
function style(name) { return styles.getPropertyValue(name).trim(); }

function choose(change) {
  const before = { ...state };
  Object.assign(state, change);
  const day = state.day !== before.day, field = state.field !== before.field;
  if (day) { showDay(); drawTable(); }
  if (field) { drawChart(); markRow(); showField(); }
  if (day && chart) { chart.redraw(false); readout(state.day); }
  if (day || state.layer !== before.layer) drawMap(); else if (field) drawOutlines();
}

function showDay() {
  const { outcome, observed, scenes, refused } = content.days[state.day];
  slider.value = state.day;
  slider.setAttribute("aria-valuetext", dayName(state.day));
  document.getElementById("day").textContent = dayName(state.day);
  const names = scenes.map(([id, share]) => `${id} (${percent(share)})`).join(", ");
  const made = outcome === "no scene" || outcome === "refused" ? `${outcome}: all carried`
    : outcome === "all cloud" ? `all cloud: all carried; ${names}`
    : `${percent(observed)} of the area observed, from ${names}`;
  document.getElementById("scenes").textContent = refused ? `${made}; ${refused} scenes refused` : made;
  document.getElementById("earlier").disabled = !(observedDays[0] < state.day);
  document.getElementById("later").disabled = !(observedDays.at(-1) > state.day);
  drawStrip();
}

function drawStrip() {
  const strip = document.getElementById("strip"), ratio = devicePixelRatio;
  strip.width = strip.clientWidth * ratio;
  strip.height = strip.clientHeight * ratio;
  const context = strip.getContext("2d");
  const inset = 8 * ratio, step = (strip.width - 2 * inset) / Math.max(1, dayCount - 1);
  const bar = Math.max(1, Math.min(10 * ratio, step * 0.8));
  content.days.forEach(({ observed, outcome }, day) => {
    const tall = outcome === "no scene" ? 0 : Math.max(2 * ratio, observed * strip.height);
    context.fillStyle = style(day === state.day ? "--chosen" : outcome === "all cloud" ? "--muted" : "--line");
    context.fillRect(inset + day * step - bar / 2, strip.height - tall, bar, tall);
  });
}

function showWords() {
  const { name, crs, resolution, shape } = content.area;
  document.getElementById("title").textContent = `${content.title} of ${name}`;
  document.querySelectorAll(".variable").forEach((node) => { node.textContent = content.title; });
  const km = shape.map((pixels) => (pixels * resolution / 1000).toFixed(1));
  document.getElementById("summary").textContent = `${fieldCount} fields · ${dayCount} days, ${dayName(0)} to ${dayName(dayCount - 1)} · ` +
    `${observedDays.length} with an observation · ${km[1]} × ${km[0]} km at ${resolution} m, ${crs}`;
  if (content.notices.length) {
    const notice = document.getElementById("notice");
    notice.textContent = content.notices.join(" · ");
    notice.hidden = false;
  }
  document.getElementById("first").textContent = dayName(0);
  document.getElementById("last").textContent = dayName(dayCount - 1);
  const count = content.warnings.length;
  const box = document.getElementById("warnings");
  box.querySelector("summary").textContent = count ? `${count} data warning${count > 1 ? "s" : ""}` : "No data warnings";
  box.classList.toggle("some", count > 0);
  box.querySelector("ul").replaceChildren(...content.warnings.map((text) => {
    const item = document.createElement("li");
    item.textContent = text;
    return item;
  }));
}

function listen() {
  slider.max = dayCount - 1;
  slider.addEventListener("input", () => choose({ day: Number(slider.value) }));
  document.getElementById("earlier").addEventListener("click", () => choose({ day: observedDays.findLast((d) => d < state.day) }));
  document.getElementById("later").addEventListener("click", () => choose({ day: observedDays.find((d) => d > state.day) }));
  document.getElementById("layers").addEventListener("change", ({ target }) => choose({ layer: target.value }));
  addEventListener("resize", drawStrip);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
    styles = getComputedStyle(document.documentElement);
    drawStrip();
    drawOutlines();
    if (chart) chart.redraw(false);
  });
}

async function start() {
  showWords();
  listen();
  makeTable();
  await Promise.all([loadSeries(), composite(state.day)]);
  showDay();
  drawTable();
  drawChart();
  await drawMap();
  document.body.dataset.ready = "true";
}
start();
