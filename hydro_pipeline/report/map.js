// The map: the composite as a canvas in metres, the fields on top.

const METRES = content.frames.step * content.area.resolution;
const extent = [[-content.area.shape[0] * content.area.resolution, 0],
  [0, content.area.shape[1] * content.area.resolution]];
const canvas = document.createElement("canvas");
canvas.width = width;
canvas.height = height;

const map = L.map("map", {
  crs: L.CRS.Simple, preferCanvas: true, attributionControl: false, zoomSnap: 0,
  minZoom: -12, maxZoom: Math.log2(24 / content.area.resolution), zoomAnimation: !matchMedia("(prefers-reduced-motion: reduce)").matches,
  maxBounds: L.latLngBounds(extent).pad(0.5),
});
const box = document.getElementById("map");
box.style.setProperty("--aspect", content.area.shape[1] / content.area.shape[0]);
let fitted = null;
function fit() {
  map.invalidateSize({ animate: false });
  if (fitted === null || map.getZoom() === fitted) {
    map.fitBounds(extent, { animate: false });
    fitted = map.getZoom();
  }
}
fit();
new ResizeObserver(fit).observe(box);
L.control.scale({ imperial: false }).addTo(map);
const raster = L.svgOverlay(canvas, [[-height * METRES, 0], [0, width * METRES]]).addTo(map);
raster.getElement().style.imageRendering = "pixelated";

const outlines = content.fields.map((field, index) => {
  const polygon = L.polygon(
    field.parts.map((part) => part.map((ring) => ring.map(([x, y]) => [-y, x]))),
    { weight: 1.5, color: "#20302a", fillColor: "#888", fillOpacity: 0 });
  polygon.on("click", () => choose({ field: index }));
  polygon.bindTooltip(() => fieldText(index, state.day), { sticky: true });
  return polygon.addTo(map);
});

function fieldText(field, day) {
  const node = document.createElement("div");
  const name = document.createElement("strong");
  name.textContent = content.fields[field].id;
  const mean = value("mean", field, day), age = value("age", field, day);
  node.append(name, document.createElement("br"), mean === null
    ? "no value on this day"
    : `${content.title} ${mean.toFixed(2)}, ${percent(value("observed", field, day))} observed, ${ageText(age)}`);
  return node;
}
const ageText = (age) => age === null ? "" : age < 0.05 ? "all from this day" : `${age.toFixed(age < 10 ? 1 : 0)} days old`;

// A pixel's value at the pointer, where no field is.
const hover = L.tooltip({ sticky: true, direction: "top", className: "pixel" });
let shown = { ndvi: new Uint8Array(0), age: [] };
map.on("mousemove", ({ latlng }) => {
  const x = Math.floor(latlng.lng / METRES), y = Math.floor(-latlng.lat / METRES);
  const at = y * width + x;
  if (x < 0 || y < 0 || x >= width || y >= height || !shown.ndvi[at]) { hover.remove(); return; }
  const text = document.createElement("span");
  text.textContent = `${content.title} ${ndviOfClass(shown.ndvi[at]).toFixed(2)}, ${ageText(shown.age[at])}`;
  hover.setContent(text);
  hover.setLatLng(latlng).addTo(map);
});
map.on("mouseout", () => hover.remove());
outlines.forEach((polygon) => polygon.on("mousemove", (event) => { L.DomEvent.stopPropagation(event); hover.remove(); }));

let drawing = 0;
async function drawMap() {
  const turn = ++drawing;
  const made = await composite(state.day);
  if (turn !== drawing) return;
  shown = made;
  const byAge = state.layer === "age", ramp = byAge ? ramps.age : ramps.ndvi;
  const image = new ImageData(width, height);
  const words = new Uint32Array(image.data.buffer);
  const table = Uint32Array.from({ length: 256 }, (_, c) =>
    (255 << 24 | ramp.colours[3 * c + 2] << 16 | ramp.colours[3 * c + 1] << 8 | ramp.colours[3 * c]) >>> 0);
  const ageClass = Uint8Array.from({ length: dayCount + 1 }, (_, days) => classOf(ramps.age, days));
  for (let i = 0; i < words.length; i++) {
    if (made.ndvi[i]) words[i] = table[byAge ? ageClass[made.age[i]] : made.ndvi[i]];
  }
  canvas.getContext("2d").putImageData(image, 0, 0);
  canvas.style.opacity = state.layer === "fields" ? 0.45 : 1;
  drawOutlines();
  drawLegend(ramp, byAge);
  box.dataset.day = dayName(state.day);
}

function drawOutlines() {
  const ink = style("--outline"), filled = state.layer === "fields";
  outlines.forEach((polygon, field) => {
    const mean = value("mean", field, state.day), chosen = field === state.field;
    polygon.setStyle({
      color: chosen ? style("--chosen") : ink,
      weight: chosen ? 3.5 : 1.25,
      fillColor: mean === null ? "#999" : colourOf(ramps.ndvi, mean),
      fillOpacity: !filled ? 0 : mean === null ? 0.25 : 0.95,
    });
    if (chosen) polygon.bringToFront();
  });
}

// Round numbers from `low` to `high`, seven at most.
function ticksOf(low, high) {
  const step = [0.05, 0.1, 0.2, 0.5, 1, 2, 5].find((size) => (high - low) / size < 6.5);
  const ticks = [];
  for (let n = Math.ceil(low / step - 1e-9); n * step <= high + 1e-9; n++) ticks.push(Number((n * step).toFixed(2)));
  return ticks;
}

function drawLegend(ramp, byAge) {
  const bar = document.getElementById("legendbar"), context = bar.getContext("2d");
  const image = context.createImageData(255, 1);
  for (let c = 1; c < 256; c++) image.data.set([...ramp.colours.subarray(3 * c, 3 * c + 3), 255], 4 * (c - 1));
  context.putImageData(image, 0, 0);
  document.getElementById("legendname").textContent = byAge ? "Age, days" : state.layer === "fields" ? `Mean ${content.title} of the field` : content.title;
  const [low, high] = ramp.range, ticks = ticksOf(low, high);
  document.getElementById("ticks").replaceChildren(...ticks.map((tick) => {
    const mark = document.createElement("span");
    mark.textContent = byAge && tick === high ? `${tick}+` : tick;
    mark.style.left = `${(tick - low) / (high - low) * 100}%`;
    return mark;
  }));
}

function showField() {
  const bounds = outlines[state.field].getBounds();
  if (!map.getBounds().contains(bounds)) map.panInside(bounds.getCenter(), { padding: [60, 60] });
}
