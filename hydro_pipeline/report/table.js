// The fields as a table that sorts by any column.

const HEADS = [
  { name: "Field", get: (f) => content.fields[f].id, text: (v) => v },
  { name: content.title, get: (f, d) => value("mean", f, d), text: (v) => v.toFixed(2), swatch: true },
  { name: "Δ 7 d", title: `Change of ${content.title} over 7 days`, get: (f, d) => change(f, d, 7), text: signed },
  { name: "Δ 30 d", title: `Change of ${content.title} over 30 days`, get: (f, d) => change(f, d, 30), text: signed },
  { name: "Observed", title: "Share of the field that was observed on the day", get: (f, d) => value("observed", f, d), text: percent },
  { name: "Age", title: "Mean age of the values, days", get: (f, d) => value("age", f, d), text: (v) => v.toFixed(1) },
  { name: "Planted", title: "Days since planting", get: (f, d) => { const n = d - dayOf(content.fields[f].planted); return n < 0 ? null : n; }, text: (v) => `${v} d` },
];
const order = { by: 0, descending: false };
const compare = new Intl.Collator("en", { numeric: true }).compare;

function signed(v) {
  const text = Math.abs(v).toFixed(2);
  return text === "0.00" ? "0.00" : (v < 0 ? "−" : "+") + text;
}

function makeTable() {
  document.getElementById("heads").append(...HEADS.map((head, by) => {
    const cell = document.createElement("th"), button = document.createElement("button");
    cell.scope = "col";
    button.type = "button";
    button.textContent = head.name;
    if (head.title) button.title = head.title;
    button.addEventListener("click", () => {
      order.descending = order.by === by ? !order.descending : by > 0 && by < 4;
      order.by = by;
      drawTable();
    });
    cell.append(button);
    return cell;
  }));
  document.getElementById("search").addEventListener("input", drawTable);
  const body = document.getElementById("rows");
  body.addEventListener("click", ({ target }) => {
    const row = target.closest("tr");
    if (row) choose({ field: Number(row.dataset.field) });
  });
  body.addEventListener("keydown", (event) => {
    const row = event.target.closest("tr"), { key } = event;
    const to = key === "ArrowDown" ? row.nextElementSibling : key === "ArrowUp" ? row.previousElementSibling : null;
    if (key === "Enter" || key === " ") choose({ field: Number(row.dataset.field) });
    else if (to) {
      choose({ field: Number(to.dataset.field) });
      document.querySelector("#rows tr[aria-selected=true]").focus();
    } else return;
    event.preventDefault();
  });
}

function drawTable() {
  const wanted = document.getElementById("search").value.trim().toLowerCase();
  const { get } = HEADS[order.by], sign = order.descending ? -1 : 1;
  const rows = content.fields.map((_, field) => [field, get(field, state.day)])
    .filter(([field]) => content.fields[field].id.toLowerCase().includes(wanted))
    .sort(([f, a], [g, b]) => a === null || b === null
      ? (a === null) - (b === null) || f - g
      : sign * (order.by ? a - b : compare(a, b)) || f - g);
  document.querySelectorAll("#heads th").forEach((cell, by) =>
    cell.setAttribute("aria-sort", by !== order.by ? "none" : order.descending ? "descending" : "ascending"));
  document.getElementById("rows").replaceChildren(...rows.map(([field], place) => {
    const row = document.createElement("tr");
    row.dataset.field = field;
    row.setAttribute("aria-selected", field === state.field);
    row.tabIndex = field === state.field || (place === 0 && !rows.some(([f]) => f === state.field)) ? 0 : -1;
    for (const head of HEADS) {
      const cell = document.createElement("td"), v = head.get(field, state.day);
      cell.textContent = v === null ? "–" : head.text(v);
      if (head.text === signed && v !== null && Math.abs(v) >= 0.005) cell.className = v < 0 ? "down" : "up";
      if (head.swatch && v !== null) {
        const swatch = document.createElement("i");
        swatch.style.background = colourOf(ramps.ndvi, v);
        cell.prepend(swatch);
      }
      row.append(cell);
    }
    return row;
  }));
}

function markRow() {
  document.querySelectorAll("#rows tr").forEach((row) => {
    const chosen = Number(row.dataset.field) === state.field;
    row.setAttribute("aria-selected", chosen);
    row.tabIndex = chosen ? 0 : -1;
    if (chosen) row.scrollIntoView({ block: "nearest" });
  });
}
