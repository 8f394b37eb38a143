// The evidence of each brand: cards of the exposures that pass, a few first and then all, and a table of them. The cards
// that the page has without scripts are kept; others are made when they are looked at.

import { clock, lasting, percent, plural, seconds } from "./words.js";
import { all, columns, data, element, exposuresOf, foundBy, lengthMs, nameOf } from "./report.js";
import { passes } from "./filters.js";
import { closeUp, hasPicture, isSharp, numberOf, shot } from "./frames.js";

const FEW = 6, MORE = 24;
const HEADINGS = ["#", "From", "To", "Seconds", "Confidence", "Size", "Found by", "Source", "Source from"];
const NUMBERS = new Set([0, 1, 2, 3, 4, 5, 8]);
/** Articles in sight or nearly: the cards of others are not made yet. */
const near = new Set();
/** For each brand: the cards by the numbers of their exposures, and how many are wanted beyond those of the page. */
const kept = data.brands.map(() => ({ cards: new Map(), wanted: 0 }));

const cellsOf = (at) => [
  numberOf(at), clock(columns.start_ms[at], 3), clock(columns.end_ms[at], 3), seconds(lengthMs(at), 3),
  (columns.confidence[at] / 1e6).toFixed(2), percent(columns.mean_area_share[at] / 1e6),
  foundBy(columns.kinds[at]), data.sources[columns.source[at]], clock(columns.media_start_ms[at], 3),
];

const fillTable = (details) => {
  const place = details.querySelector(".scroll"), brand = Number(details.closest("[data-brand]").dataset.brand);
  const cell = (words, column) => element("td", { className: NUMBERS.has(column) ? "n" : "" },
    column === 0 ? element("a", { href: `#x${words[1]}` }, String(words[0])) : element("bdi", {}, words));
  const row = (at) => element("tr", {}, ...cellsOf(at).map((words, column) => cell(column ? words : [words, at], column)));
  place.replaceChildren(element("table", {},
    element("thead", {}, element("tr", {}, ...HEADINGS.map(
      (words, column) => element("th", { scope: "col", className: NUMBERS.has(column) ? "n" : "" }, words)))),
    element("tbody", {}, ...exposuresOf(brand).filter((at) => passes[at]).map(row))));
};

const fact = (name, ...words) => element("div", {}, element("dt", {}, name), element("dd", {}, ...words));

const madeCard = (at) => {
  const place = columns.frame[at], box = data.boxes[at][0];
  const picture = hasPicture(at) ? shot(at) : element("p", { className: "gone" }, "Click to load the stored frame");
  return element("figure", { "data-exposure": at, tabIndex: -1 },
    element("a", { className: "open", href: `#x${at}` }, picture),
    box && isSharp(at) ? closeUp(shot(at), at, 0, 480 / 108) : "",
    element("figcaption", {},
      element("p", { className: "when" },
        element("b", {}, `${clock(columns.start_ms[at])} – ${clock(columns.end_ms[at])}`), " ", element("span", {}, lasting(lengthMs(at)))),
      element("dl", {},
        fact("Picture", `${clock(data.frames.timeline_ms[place], 2)}; in `, element("bdi", {}, data.sources[columns.source[at]]), ` at ${clock(data.frames.media_ms[place], 2)}`),
        fact("Found by", foundBy(columns.kinds[at])),
        box?.[7] ? fact("Read as", "“", element("bdi", {}, box[7]), "”") : "",
        fact("Confidence", `${(columns.confidence[at] / 1e6).toFixed(2)}, best ${(columns.max_confidence[at] / 1e6).toFixed(2)}; ${percent(columns.mean_area_share[at] / 1e6)} of the frame`))));
};

/** The cards that are to be seen: those of the page that pass, or as many of all as were asked for. */
const chosen = (brand) => {
  const { cards, wanted } = kept[brand], passing = exposuresOf(brand).filter((at) => passes[at]);
  if (wanted) return [passing.slice(0, wanted), passing.length];
  const own = passing.filter((at) => cards.get(at)?.dataset.own);
  return [own.length ? own : passing.slice(0, FEW), passing.length];
};

const fillCards = (article) => {
  const brand = Number(article.dataset.brand), { cards } = kept[brand], place = article.querySelector(".cards");
  const [numbers, count] = chosen(brand);
  for (const at of numbers) if (!cards.has(at)) cards.set(at, madeCard(at));
  const wanted = numbers.map((at) => cards.get(at));
  if (wanted.length !== place.children.length || wanted.some((card, index) => card !== place.children[index])) place.replaceChildren(...wanted);
  const more = article.querySelector(".more"), left = count - numbers.length;
  more.hidden = left <= 0;
  more.textContent = kept[brand].wanted ? `${Math.min(MORE, left)} more of ${left}` : `Evidence of all ${count} exposures`;
};

export const showEvidence = (sum) => {
  for (const article of all("article.brand")) {
    const one = sum.brands[article.dataset.brand], details = article.querySelector("details.all");
    article.hidden = !one.exposures;
    if (article.hidden) continue;
    article.querySelector("header p").textContent = `${plural(one.exposures, "exposure")}, ${lasting(one.screen)}`;
    if (near.has(article)) fillCards(article);
    details.firstElementChild.textContent = `${one.exposures === 1 ? "The exposure" : `All ${plural(one.exposures, "exposure")}`} as a table`;
    if (details.open) fillTable(details);
  }
};

export const startEvidence = () => {
  const watch = new IntersectionObserver((entries) => {
    for (const { target, isIntersecting } of entries) {
      if (!isIntersecting) near.delete(target);
      else if (!near.has(target)) {
        near.add(target);
        fillCards(target);
      }
    }
  }, { rootMargin: "800px" });
  for (const article of all("article.brand")) {
    const brand = Number(article.dataset.brand);
    for (const card of all("figure", article)) {
      card.dataset.own = "1";
      kept[brand].cards.set(Number(card.dataset.exposure), card);
    }
    article.querySelector(".more").onclick = () => {
      kept[brand].wanted = (kept[brand].wanted || kept[brand].cards.size) + MORE;
      fillCards(article);
    };
    watch.observe(article);
    const details = article.querySelector("details.all");
    details.addEventListener("toggle", () => { if (details.open) fillTable(details); });
  }
};
