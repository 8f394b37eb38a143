// The key figures, the table of brands with its sums, and tables that sort. Figures come from the totals.

import { clock, grouped, lasting, percent, plural, seconds } from "./words.js";
import { all, byId, data, exposureCount, foundBy, lengthMs } from "./report.js";
import { isFiltered } from "./filters.js";

/** As many decimals of a second as show every length whole, so that a column adds up as it stands. */
const decimals = [1, 2].find((count) => data.exposures.start_ms.every((_, at) => (lengthMs(at) * 10 ** count) % 1000 === 0)) || 3;
const figure = (value) => [value ?? -1, value === null ? "–" : value.toFixed(2)];

/** Of each column by its name in the heading: a value to sort by, and words. */
const CELLS = {
  seconds: (one) => [one.ms, seconds(one.ms, decimals)],
  share: (one, length) => [one.ms / length, percent(one.ms / length)],
  voice: (one) => [one.voice, `${(one.voice / 10).toFixed(1)} %`],
  exposures: (one) => [one.exposures, grouped(one.exposures)],
  longest: (one) => [one.longest, seconds(one.longest, decimals)],
  solo: (one) => [one.solo, seconds(one.solo, decimals)],
  first: (one) => [one.first, clock(one.first)],
  last: (one) => [one.last, clock(one.last)],
  size: (one) => [one.size, percent(one.size)],
  largest: (one) => [one.largest, percent(one.largest)],
  position: (one) => [one.position, one.position || "–"],
  placement: (one) => {
    const [share, name] = one.placed?.[0] || [0, "–"], part = Math.round(100 * share);
    return [name, share && part < 100 ? `${name} ${part} %` : name];
  },
  prominence: (one) => figure(one.prominence),
  visibility: (one) => figure(one.visibility),
  clarity: (one) => figure(one.clarity),
  quality: (one) => figure(one.quality),
  confidence: (one) => figure(one.confidence),
  by: (one) => [foundBy(one.kinds), foundBy(one.kinds)],
  equivalent: (one) => [one.equivalent ?? -1, one.equivalent === null ? "–" : grouped(Math.round(one.equivalent))],
};

export const showFigures = (sum) => {
  byId("f-brands").textContent = grouped(sum.shown.length);
  byId("f-exposures").textContent = grouped(sum.exposures);
  byId("f-any").textContent = lasting(sum.any);
  byId("f-any-share").textContent = `${percent(sum.any / (sum.length || 1))} of the ${sum.length < data.duration ? "sources" : "timeline"}`;
  byId("f-length").textContent = lasting(sum.length);
  byId("matching").textContent = isFiltered()
    ? `${grouped(sum.exposures)} of ${plural(exposureCount, "exposure")}, ${grouped(sum.shown.length)} of ${plural(data.brands.length, "brand")}`
    : "";
};

export const showBrands = (sum) => {
  const table = byId("brand-table"), names = all("thead th", table).map((head) => head.dataset.column);
  for (const row of table.tBodies[0].rows) {
    const one = sum.brands[row.dataset.brand];
    row.hidden = !one.exposures;
    if (row.hidden) continue;
    names.forEach((name, place) => {
      if (!CELLS[name]) return;
      const [value, words] = CELLS[name](one, sum.length || 1), cell = row.cells[place];
      cell.dataset.v = value;
      cell.lastChild.data = words;
      if (name === "position") {
        all("rect", cell).forEach((rect, place) => rect.setAttribute("fill-opacity", one.inCells ? one.inCells[place].toFixed(2) : "0"));
      }
      if (name === "share") cell.querySelector("rect").setAttribute("width", `${100 * value}%`);
    });
  }
  const put = (id, words) => { byId(id).textContent = words; };
  put("sum-seconds", seconds(sum.ms, decimals));
  put("sum-voice", sum.ms ? "100.0 %" : "");
  put("sum-exposures", grouped(sum.exposures));
  if (byId("sum-equivalent")) put("sum-equivalent", sum.equivalent ? grouped(Math.round(sum.equivalent)) : "–");
  put("any-seconds", seconds(sum.any, decimals));
  put("any-share", percent(sum.any / (sum.length || 1)));
};

const sortable = (table) => {
  const heads = [...table.tHead.rows[0].cells], body = table.tBodies[0];
  heads.forEach((head, column) => {
    const button = document.createElement("button"), numbers = head.classList.contains("n");
    const valueOf = (row) => (numbers ? Number(row.cells[column].dataset.v) : row.cells[column].textContent.trim());
    button.type = "button";
    button.append(...head.childNodes);
    head.appendChild(button);
    button.onclick = () => {
      const down = head.getAttribute("aria-sort") ? head.getAttribute("aria-sort") === "ascending" : numbers;
      heads.forEach((other) => other.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", down ? "descending" : "ascending");
      const rows = [...body.rows].map((row) => [valueOf(row), row]);
      rows.sort(([a], [b]) => (numbers ? a - b : a.localeCompare(b)) * (down ? -1 : 1));
      body.append(...rows.map(([, row]) => row));
    };
  });
};

export const startTables = () => {
  all("table.sortable").forEach(sortable);
  const table = byId("brand-table"), choices = all("#columns input");
  for (const choice of choices) choice.onchange = () => { table.dataset.shows = choice.value; };
  if (table) table.dataset.shows = "time";
};
