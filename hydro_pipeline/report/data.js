// Content of the page, and the law of the composite applied to its pictures.

const content = JSON.parse(document.getElementById("content").textContent);
const DAY_MS = 86400000;
const FIRST = Date.parse(content.first);
const dayCount = content.days.length;
const fieldCount = content.fields.length;
const NUMBERS = { int16: Int16Array, uint16: Uint16Array, uint8: Uint8Array };

const dayName = (day) => new Date(FIRST + day * DAY_MS).toISOString().slice(0, 10);
const dayOf = (name) => Math.round((Date.parse(name) - FIRST) / DAY_MS);
const percent = (share) => `${Math.round(share * 100)} %`;

function bytesOf(base64) {
  const text = atob(base64), bytes = new Uint8Array(text.length);
  for (let i = 0; i < bytes.length; i++) bytes[i] = text.charCodeAt(i);
  return bytes;
}

// Numbers packed by rows of `width`: zlib, each the difference to the one before.
async function unpack(base64, dtype, width) {
  const stream = new Blob([bytesOf(base64)]).stream().pipeThrough(new DecompressionStream("deflate"));
  const numbers = new NUMBERS[dtype](await new Response(stream).arrayBuffer());
  for (let row = 0; row < numbers.length; row += width) {
    for (let i = row + 1; i < row + width; i++) numbers[i] += numbers[i - 1];
  }
  return numbers;
}

// Statistics: value(name, field, day) is a number, or null where there is none.
const columns = {};
async function loadSeries() {
  await Promise.all(Object.entries(content.series).map(async ([name, column]) => {
    columns[name] = { ...column, numbers: await unpack(column.data, column.dtype, dayCount) };
  }));
}
function value(name, field, day) {
  if (day < 0 || day >= dayCount) return null;
  const column = columns[name];
  const number = column.numbers[field * dayCount + day];
  return number === column.none ? null : number * column.unit;
}
function change(field, day, back) {
  const now = value("mean", field, day), then = value("mean", field, day - back);
  return now === null || then === null ? null : now - then;
}
function medianOfFields(day) {
  const means = new Float64Array(fieldCount);
  let count = 0;
  for (let field = 0; field < fieldCount; field++) {
    const mean = value("mean", field, day);
    if (mean !== null) means[count++] = mean;
  }
  const known = means.subarray(0, count).sort(), half = count >> 1;
  if (!count) return null;
  return count % 2 ? known[half] : (known[half - 1] + known[half]) / 2;
}

// Composite of a day: per pixel the newest picture up to it that has a value, not older than
// allowed. `ndvi` holds classes (0: none), `age` days.
const pictures = new Map();
const observedDays = Object.keys(content.frames.days).map(Number).sort((a, b) => a - b);
const [height, width] = content.frames.shape;
async function picture(day) {
  if (!pictures.has(day)) pictures.set(day, unpack(content.frames.days[day], "uint8", width));
  return pictures.get(day);
}
async function composite(day) {
  const ndvi = new Uint8Array(width * height), age = new Uint16Array(width * height);
  const open = new Uint32Array(ndvi.length);
  let count = open.length;
  for (let i = 0; i < count; i++) open[i] = i;
  for (let k = observedDays.length - 1; k >= 0 && count; k--) {
    const since = day - observedDays[k];
    if (since < 0) continue;
    if (content.maxAge !== null && since > content.maxAge) break;
    const seen = await picture(observedDays[k]);
    let left = 0;
    for (let n = 0; n < count; n++) {
      const i = open[n];
      if (seen[i]) { ndvi[i] = seen[i]; age[i] = since; } else open[left++] = i;
    }
    count = left;
  }
  return { ndvi, age };
}

// Colours: 256 classes over a range; 0 is no value.
const ramps = Object.fromEntries(Object.entries(content.ramps).map(([name, { range, colours }]) =>
  [name, { range, colours: bytesOf(colours) }]));
function classOf(ramp, x) {
  const [low, high] = ramp.range;
  return Math.round(1 + 254 * Math.min(1, Math.max(0, (x - low) / (high - low))));
}
function colourOf(ramp, x) {
  const at = 3 * classOf(ramp, x);
  return `rgb(${ramp.colours[at]},${ramp.colours[at + 1]},${ramp.colours[at + 2]})`;
}
const ndviOfClass = (c) => ramps.ndvi.range[0] + (c - 1) / 254 * (ramps.ndvi.range[1] - ramps.ndvi.range[0]);
