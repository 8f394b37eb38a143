// The key figures, the table of brands with its sums, and tables that sort. Figures come from the totals.

import { clock, grouped, lasting, percent, plural, seconds } from "./words.js";
import { all, byId, columns, data, foundBy } from "./report.js";
import { isFiltered } from "./filters.js";

/** As many decimals of a second as show every length whole, so that a column adds up as it stands. */
const decimals = [1, 2, 3].find((count) => columns.length.every((ms) => (ms * 10 ** count) % 1000 === 0)) || 3;

const cellsOf = (one, length) => [
  [one.ms, seconds(one.ms, decimals)],
  [one.ms / length, percent(one.ms / length)],
  [one.voice, `${(one.voice / 10).toFixed(1)} %`],
  [one.exposures, grouped(one.exposures)],
  [one.longest, seconds(one.longest, decimals)],
  [one.size, percent(one.size)],
  [one.largest, percent(one.largest)],
  [one.confidence, one.confidence.toFixed(2)],
  [one.first, clock(one.first)],
  [one.last, clock(one.last)],
  [foundBy(one.kinds), foundBy(one.kinds)],
];

export const showFigures = (sum) => {
  byId("f-brands").textContent = grouped(sum.shown.length);
  byId("f-exposures").textContent = grouped(sum.exposures);
  byId("f-any").textContent = lasting(sum.any);
  byId("f-any-share").textContent = `${percent(sum.any / (sum.length || 1))} of the ${sum.length < data.duration ? "sources" : "timeline"}`;
  byId("f-length").textContent = lasting(sum.length);
  byId("matching").textContent = isFiltered()
    ? `${grouped(sum.exposures)} of ${plural(columns.length.length, "exposure")}, ${grouped(sum.shown.length)} of ${plural(data.brands.length, "brand")}`
    : "";
};

export const showBrands = (sum) => {
  const table = byId("brand-table");
  for (const row of table.tBodies[0].rows) {
    const one = sum.brands[row.dataset.brand];
    row.hidden = !one.exposures;
    if (row.hidden) continue;
    cellsOf(one, sum.length || 1).forEach(([value, words], place) => {
      const cell = row.cells[place + 1];
      cell.dataset.v = value;
      cell.lastChild.data = words;
      if (place === 1) cell.querySelector("rect").setAttribute("width", `${100 * value}%`);
    });
  }
  const [added, any] = table.tFoot.rows;
  added.cells[1].textContent = seconds(sum.ms, decimals);
  added.cells[3].textContent = sum.ms ? "100.0 %" : "";
  added.cells[4].textContent = grouped(sum.exposures);
  any.cells[1].textContent = seconds(sum.any, decimals);
  any.cells[2].textContent = percent(sum.any / (sum.length || 1));
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

export const startTables = () => all("table.sortable").forEach(sortable);
