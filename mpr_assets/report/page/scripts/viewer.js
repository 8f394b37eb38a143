// One exposure looked at closely: its frame as it is stored, what is outlined there, what found it, and the way on to
// the next. It is opened by the address `#x17`, so that a link to it can be kept and sent.

import { clock, grouped, percent, plural } from "./words.js";
import { all, byId, columns, data, element, exposuresOf, foundBy, lengthMs, nameOf } from "./report.js";
import { passes } from "./filters.js";
import { alsoThere, closeUp, hasPicture, numberOf, shot, storedFrame } from "./frames.js";

const CLOSE_UP_RATIO = 4;
let at = -1;

const share = (value, decimals = 2) => (value === null || value === undefined ? null : (value / 1e6).toFixed(decimals));
const area = (column) => percent(columns[column][at] / 1e6);

/** What is known of the exposure: heading and words, those that are not measured left out. */
const facts = () => {
  const place = columns.frame[at], found = data.boxes[at];
  const inSeconds = (ms) => `${(ms / 1000).toFixed(2)} s`;
  const off = [columns.start_uncertainty_ms[at], columns.end_uncertainty_ms[at]];
  const counts = data.rules.slice(1).filter(([name]) => columns[`${name}_ms`][at] !== null)
    .map(([name, words]) => `${words}: ${inSeconds(columns[`${name}_ms`][at])}`).join(", ");
  return [
    ["On screen", `${clock(columns.start_ms[at], 2)} – ${clock(columns.end_ms[at], 2)}, ${inSeconds(lengthMs(at))}`],
    ["Edges", off.some(Boolean) ? `start ± ${grouped(off[0])} ms, end ± ${grouped(off[1])} ms` : null],
    ["Covered", columns.inferred_ms[at] ? `${inSeconds(columns.inferred_ms[at])} of it covered or missed, not counted as seen` : null],
    ["Frame", element("span", {}, `${clock(data.frames.timeline_ms[place], 2)}; in `, element("bdi", {}, data.sources[columns.source[at]]),
      ` at ${clock(data.frames.media_ms[place], 2)}`)],
    ["Found by", `${foundBy(columns.kinds[at])}, in ${[...new Set(found.map((box) => box[6]))].join(", ")}; ${plural(columns.detections[at], "detection")} on ${plural(columns.frames[at], "frame")}`],
    ["Confidence", `${share(columns.confidence[at])}, best ${share(columns.max_confidence[at])}`],
    ["Size", `${area("mean_area_share")} of the frame, at most ${area("max_area_share")}`],
    ["Place", columns.position[at] === null ? null : data.cells[columns.position[at]]],
    ["On", columns.placement[at] === null ? null : [data.placements[columns.placement[at]], data.reasons[columns.placement_reason[at]]].filter(Boolean).join(": ")],
    ["Prominence", share(columns.mean_prominence[at])],
    ["Visibility", share(columns.visibility[at])],
    ["Legibility", share(columns.legibility[at])],
    ["Clarity", share(columns.clarity[at])],
    ["Quality", share(columns.quality[at])],
    ["Alone", columns.solo_ms[at] === null ? null : `${inSeconds(columns.solo_ms[at])}; ${share(columns.clutter[at], 1)} other brands at once`],
    ["Counts", counts || null],
    ["Equivalent", data.currency === null || columns.media_equivalent[at] === null ? null : `${grouped(Math.round(columns.media_equivalent[at]))} ${data.currency}`],
  ].filter(([, words]) => words !== null);
};

const boxRow = ([, , , , confidence, by, stage, text], number) => {
  const row = element("li", { tabIndex: 0 }, element("b", {}, by), " ", text ? element("q", {}, element("bdi", {}, text)) : "",
    element("span", {}, ` ${(confidence / 100).toFixed(2)}, ${stage}`));
  const mark = (on) => () => {
    for (const box of all(`#look .own [data-box="${number}"]`)) box.classList.toggle("hot", on);
  };
  row.onpointerenter = row.onfocus = mark(true);
  row.onpointerleave = row.onblur = mark(false);
  row.onclick = () => showClose(number);
  return row;
};

const showClose = (number) => {
  if (!data.boxes[at].length) return byId("look-close").replaceChildren();
  byId("look-close").replaceChildren(closeUp(shot(at, { stored: true }), at, number, CLOSE_UP_RATIO));
};

/** The name as a shell takes it. */
const quoted = (name) => (/^[\w.\-]+$/.test(name) ? name : `'${name.replaceAll("'", "'\\''")}'`);

const fill = () => {
  const brand = columns.brand[at], own = exposuresOf(brand).filter((other) => passes[other]), here = own.indexOf(at);
  byId("look").className = `b${brand}`;
  byId("look-name").replaceChildren(element("i", { className: "swatch" }), nameOf(brand));
  byId("look-number").textContent = here < 0 ? `${numberOf(at)} of ${data.counts[brand]}` : `${here + 1} of ${own.length}`;
  byId("look-before").disabled = here <= 0;
  byId("look-after").disabled = here < 0 || here === own.length - 1;
  const note = byId("look-note"), link = byId("look-frame");
  note.textContent = "";
  link.href = storedFrame(at);
  link.hidden = false;
  byId("look-shot").replaceChildren(shot(at, {
    stored: true, others: true,
    loaded: (whether) => {
      link.hidden = !whether;
      if (!whether) note.textContent = hasPicture(at)
        ? "Seen as the page carries it: the stored frame is not to be had from here."
        : "The page carries no picture of this frame, and the stored one is not to be had from here: open the report where it is stored.";
    },
  }));
  showClose(0);
  byId("look-facts").replaceChildren(...facts().map(([name, words]) =>
    element("div", {}, element("dt", {}, name), element("dd", {}, words))));
  byId("look-boxes").replaceChildren(...data.boxes[at].map(boxRow));
  const others = alsoThere(at);
  byId("look-others").replaceChildren(...others.map((other) =>
    element("li", {}, element("a", { href: `#x${other}`, className: `b${columns.brand[other]}` }, element("i", { className: "swatch" }), nameOf(columns.brand[other])))));
  byId("look-others").parentElement.hidden = !others.length;
  byId("look-why").textContent =
    `mpr why ${quoted(data.timeline)} ${quoted(data.brands[brand])} --at ${clock(data.frames.timeline_ms[columns.frame[at]], 3)}`;
};

const fromAddress = () => {
  const named = /^#x(\d+)$/.exec(location.hash), dialog = byId("look");
  if (!named || !(Number(named[1]) < columns.brand.length)) return dialog.close();
  at = Number(named[1]);
  fill();
  if (!dialog.open) dialog.showModal();
};

/** Look at an exposure, by its number among all. */
export const openExposure = (number) => {
  history.replaceState(null, "", `#x${number}`);
  fromAddress();
};

const step = (by) => {
  const own = exposuresOf(columns.brand[at]).filter((other) => passes[other]), next = own[own.indexOf(at) + by];
  if (next !== undefined) openExposure(next);
};

export const startViewer = () => {
  const dialog = byId("look");
  byId("look-before").onclick = () => step(-1);
  byId("look-after").onclick = () => step(1);
  byId("look-end").onclick = () => dialog.close();
  byId("look-outlines").onchange = (event) => dialog.classList.toggle("plain", !event.target.checked);
  byId("look-copy").onclick = async (event) => {
    await navigator.clipboard.writeText(byId("look-why").textContent);
    event.target.textContent = "Copied";
    setTimeout(() => { event.target.textContent = "Copy"; }, 1500);
  };
  dialog.addEventListener("close", () => history.replaceState(null, "", location.pathname + location.search));
  dialog.addEventListener("click", (event) => { if (event.target === dialog) dialog.close(); });
  dialog.addEventListener("keydown", (event) => {
    const does = { ArrowRight: () => step(1), ArrowLeft: () => step(-1), b: () => byId("look-outlines").click() }[event.key];
    if (!does || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    does();
  });
  addEventListener("hashchange", fromAddress);
  fromAddress();
};
