// Two brands beside each other. Figures come from the totals.

import { clock, grouped, lasting, percent } from "./words.js";
import { byId, data, drawing, element, nameOf } from "./report.js";
import { bothMs, mergedSpans } from "./totals.js";

const UNITS = 1000;
const figure = (value, decimals = 2) => (value === null ? "–" : value.toFixed(decimals));
/** What is compared: words, value, how it is written, how a difference is written. */
const ROWS = [
  ["Seconds", (one) => one.ms / 1000, (value) => value.toFixed(2)],
  ["Share of time", (one, length) => one.ms / length, percent],
  ["Share of voice", (one) => one.voice / 1000, percent],
  ["Exposures", (one) => one.exposures, grouped],
  ["Longest, s", (one) => one.longest / 1000, (value) => value.toFixed(2)],
  ["Alone, s", (one) => one.solo / 1000, (value) => value.toFixed(2)],
  ["Mean size", (one) => one.size, percent],
  ["Largest", (one) => one.largest, percent],
  ["Prominence", (one) => one.prominence, figure],
  ["Visibility", (one) => one.visibility, figure],
  ["Clarity", (one) => one.clarity, figure],
  ["Quality", (one) => one.quality, figure],
  ["Confidence", (one) => one.confidence, figure],
];
let last = null;

const row = ([words, valueOf, write]) => {
  const [one, other] = ["compare-a", "compare-b"].map((id) => valueOf(last.brands[byId(id).value], last.length || 1));
  if (one === null && other === null) return "";
  const apart = (one ?? 0) - (other ?? 0), most = Math.max(one, other) || 1;
  const side = (value, brand) => {
    const fill = element("i");
    fill.style.width = `${(100 * (value ?? 0)) / most}%`;
    return element("td", { className: `n b${brand}` }, element("span", { className: "bar-of" }, fill), value === null ? "–" : write(value));
  };
  const sign = apart > 0 ? "+" : apart < 0 ? "−" : "";
  return element("tr", {}, element("th", { scope: "row" }, words), side(one, byId("compare-a").value), side(other, byId("compare-b").value),
    element("td", { className: "n" }, sign + write(Math.abs(apart))));
};

const strip = (brand) => {
  const scale = UNITS / data.duration;
  const path = mergedSpans(brand).map(([from, to]) => `M${(from * scale).toFixed(2)} .5H${Math.max(to * scale, from * scale + 1).toFixed(2)}`).join("");
  const made = drawing("svg", { viewBox: `0 0 ${UNITS} 1`, preserveAspectRatio: "none", class: `strip b${brand}`, role: "img" },
    drawing("path", { d: path }));
  made.setAttribute("aria-label", `When ${data.brands[brand]} is on screen`);
  return made;
};

const show = () => {
  const [a, b] = ["compare-a", "compare-b"].map((id) => Number(byId(id).value));
  const [one, other] = [last.brands[a], last.brands[b]], both = bothMs(a, b);
  byId("compare-head").replaceChildren(element("th", { scope: "col" }, ""),
    ...[a, b].map((brand) => element("th", { scope: "col", className: `n b${brand}` }, element("i", { className: "swatch" }), " ", nameOf(brand))),
    element("th", { scope: "col", className: "n" }, "Difference"));
  byId("compare-rows").replaceChildren(...ROWS.map(row));
  byId("compare-strips").replaceChildren(strip(a), strip(b));
  byId("compare-both").replaceChildren(
    `Both at once ${lasting(both)}; only `, nameOf(a), ` ${lasting(one.screen - both)}; only `, nameOf(b), ` ${lasting(other.screen - both)}.`,
    one.exposures && other.exposures ? ` First seen at ${clock(one.first)} and ${clock(other.first)}.` : "");
};

export const showCompare = (sum) => {
  last = sum;
  if (data.brands.length > 1) show();
};

export const startCompare = () => {
  byId("compare").hidden = data.brands.length < 2;
  if (data.brands.length < 2) return;
  ["compare-a", "compare-b"].forEach((id, place) => {
    const choice = byId(id);
    choice.append(...data.brands.map((name, value) => element("option", { value, dir: "auto" }, name)));
    choice.value = place;
    choice.onchange = show;
  });
  byId("compare-swap").onclick = () => {
    const [a, b] = [byId("compare-a"), byId("compare-b")];
    [a.value, b.value] = [b.value, a.value];
    show();
  };
};
