// The evidence of each brand: its cards, and a table of all its exposures, made when it is first looked at.

import { clock, lasting, percent, plural } from "./words.js";
import { all, byId, columns, data, element, firstOf, foundBy } from "./report.js";
import { onFilter, passes } from "./filters.js";

const HEADINGS = ["#", "From", "To", "Seconds", "Confidence", "Size", "Found by", "Source", "Source from"];
const NUMBERS = new Set([0, 1, 2, 3, 4, 5, 8]);

const cellsOf = (at) => [
  at - firstOf[columns.brand[at]] + 1, clock(columns.start[at], 3), clock(columns.end[at], 3),
  (columns.length[at] / 1000).toFixed(3), (columns.confidence[at] / 1e6).toFixed(2), percent(columns.size[at] / 1e6),
  foundBy(columns.kinds[at]), data.sources[columns.source[at]], clock(columns.media[at], 3),
];

const fill = (details) => {
  const brand = Number(details.closest("[data-brand]").dataset.brand), place = details.querySelector(".scroll");
  if (place.firstChild) return;
  const row = (at) => element("tr", { "data-exposure": at, hidden: !passes[at] }, ...cellsOf(at).map(
    (words, column) => element("td", { className: NUMBERS.has(column) ? "n" : "" }, String(words))));
  const numbers = Array.from({ length: data.counts[brand] }, (_, index) => firstOf[brand] + index);
  place.append(element("table", {},
    element("thead", {}, element("tr", {}, ...HEADINGS.map(
      (words, column) => element("th", { scope: "col", className: NUMBERS.has(column) ? "n" : "" }, words)))),
    element("tbody", {}, ...numbers.map(row))));
};

/** Go to the evidence of an exposure: its card, or its row where it has none. */
export const openExposure = (at) => {
  const article = byId(`brand-${columns.brand[at]}`);
  let target = article.querySelector(`figure[data-exposure="${at}"]`);
  if (!target) {
    const details = article.querySelector("details.all");
    details.open = true;
    fill(details);
    target = details.querySelector(`tr[data-exposure="${at}"]`);
    target.tabIndex = -1;
  }
  for (const shown of all(".chosen")) shown.classList.remove("chosen");
  target.classList.add("chosen");
  article.scrollIntoView({ behavior: "instant" });
  target.scrollIntoView({ block: "center", behavior: "instant" });
  target.focus({ preventScroll: true });
};

export const showEvidence = (sum) => {
  for (const article of all("article.brand")) {
    const one = sum.brands[article.dataset.brand];
    article.hidden = !one.exposures;
    if (article.hidden) continue;
    const parts = all("[data-exposure]", article);
    for (const part of parts) part.hidden = !passes[part.dataset.exposure];
    const shown = parts.filter((part) => part.tagName === "FIGURE" && !part.hidden).length;
    article.querySelector("header p").textContent = `${plural(one.exposures, "exposure")}, ${lasting(one.ms)}`
      + (shown && shown < one.exposures ? `; ${shown} shown` : "");
  }
};

export const startEvidence = () => {
  for (const details of all("details.all")) details.addEventListener("toggle", () => { if (details.open) fill(details); });
};
