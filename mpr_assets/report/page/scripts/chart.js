// The chart: which part of the timeline is seen, pointing and keys. The rows are elements, so that names can be read out,
// found, and reached with Tab; what is in them is drawn, by `drawing`.

import { clock, percent } from "./words.js";
import { all, byId, clamp, columns, data, element, exposuresOf, firstOf, foundBy, lengthMs, nameOf } from "./report.js";
import { passes } from "./filters.js";
import { mergedSpans } from "./totals.js";
import { cleared, drawAxis, drawBars, drawLines, firstAfter, ink, readColours, rowOf, rowsOf, view } from "./drawing.js";
import { hasPicture, shot } from "./frames.js";
import { onColours } from "./theme.js";

const LEAST_MS = Math.max(1, Math.min(500, data.duration));
const GLIDE_MS = 160;
let lanes, shown, frame = 0, glide = null, pointedAt = -1;

const draw = () => {
  frame = 0;
  if (glide) {
    const part = Math.min(1, (performance.now() - glide.since) / GLIDE_MS), eased = 1 - (1 - part) ** 3;
    view.from = glide.from + (glide.toFrom - glide.from) * eased;
    view.to = glide.to + (glide.toTo - glide.to) * eased;
    if (part < 1) redraw(); else glide = null;
  }
  const chart = byId("chart"), canvas = byId("bars");
  const [pen, width, height] = cleared(canvas);
  const scale = width / (view.to - view.from), row = ink.row, scrolled = chart.scrollTop, bar = ink.bar;
  drawLines(pen, data.cuts, height, scale, width, ink.line, 1);
  drawLines(pen, data.chunks.slice(1).map(([start]) => start), height, scale, width, ink.soft, 2);
  const first = Math.max(0, Math.floor(scrolled / row) - 1), last = Math.min(shown.length, first + Math.ceil(height / row) + 3);
  for (let place = first; place < last; place++) {
    drawBars(pen, shown[place], place * row - Math.max(0, scrolled - ink.above) + (row - bar) * ink.drop, bar, scale, width);
  }
  drawAxis(scale);
  chart.classList.toggle("zoomed", view.to - view.from < data.duration);
  const seen = byId("window");
  if (seen) {
    seen.style.left = `${(100 * view.from) / data.duration}%`;
    seen.style.width = `${(100 * (view.to - view.from)) / data.duration}%`;
  }
};
const redraw = () => { frame ||= requestAnimationFrame(draw); };

/** Heights that only change with the window. */
const measure = () => {
  const chart = byId("chart"), head = chart.querySelector(".head"), style = getComputedStyle(byId("lanes"));
  ink.row = parseFloat(style.getPropertyValue("--row"));
  ink.bar = ink.row * .5;
  ink.drop = parseFloat(style.getPropertyValue("--drop"));
  ink.above = parseFloat(style.paddingTop);
  const room = chart.clientHeight - head.offsetHeight, whole = shown.length * ink.row + 2 * ink.above;
  byId("bars").style.height = `${Math.max(1, Math.min(room, whole))}px`;
  byId("bars").style.top = `${head.offsetHeight}px`;
  byId("bars").style.marginBottom = byId("bars").style.height.replace(/^/, "-");
  redraw();
};

const target = () => (glide ? [glide.toFrom, glide.toTo] : [view.from, view.to]);

/** Show this part of the timeline, as far as it goes; smoothly where that helps to follow. */
const show = (from, to, smooth = true) => {
  const span = clamp(to - from, LEAST_MS, data.duration), start = clamp(from, 0, data.duration - span);
  if (smooth && !matchMedia("(prefers-reduced-motion: reduce)").matches) {
    glide = { since: performance.now(), from: view.from, to: view.to, toFrom: start, toTo: start + span };
  } else {
    glide = null;
    [view.from, view.to] = [start, start + span];
  }
  redraw();
};
const zoom = (wish, around, smooth) => {
  const [from, to] = target(), middle = around ?? (from + to) / 2;
  const factor = clamp(wish, LEAST_MS / (to - from), data.duration / (to - from));
  show(middle - (middle - from) * factor, middle + (to - middle) * factor, smooth);
};

const timeAt = (x) => {
  const area = byId("bars").getBoundingClientRect();
  return view.from + ((x - area.left) / area.width) * (view.to - view.from);
};
const placeOf = (ms) => {
  const area = byId("bars").getBoundingClientRect();
  return area.left + ((ms - view.from) / (view.to - view.from)) * area.width;
};

const zoomByHand = (chart) => {
  byId("zoom-in").onclick = () => zoom(.5);
  byId("zoom-out").onclick = () => zoom(2);
  byId("zoom-all").onclick = () => show(0, data.duration);
  chart.addEventListener("wheel", (event) => {
    if (!event.target.closest(".track, .rule")) return;
    const [from, to] = target();
    if (event.ctrlKey || event.metaKey) zoom(Math.exp(clamp(event.deltaY, -120, 120) / 400), timeAt(event.clientX), false);
    else if (Math.abs(event.deltaX) > Math.abs(event.deltaY) || event.shiftKey) {
      const moved = ((event.deltaX || event.deltaY) / byId("bars").clientWidth) * (to - from);
      show(from + moved, to + moved, false);
    } else return;
    event.preventDefault();
  }, { passive: false });
  chart.addEventListener("keydown", (event) => {
    const does = { "+": () => zoom(.5), "=": () => zoom(.5), "-": () => zoom(2), 0: () => show(0, data.duration) }[event.key];
    if (!does || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    does();
  });
};

/** Two fingers zoom and move; drag over the pictures: zoom to there. */
const zoomByTouch = () => {
  const area = byId("lanes"), fingers = new Map();
  area.addEventListener("pointerdown", (event) => {
    if (event.pointerType === "touch") fingers.set(event.pointerId, event.clientX);
  });
  area.addEventListener("pointermove", (event) => {
    if (!fingers.has(event.pointerId)) return;
    const before = [...fingers.values()].map(timeAt);
    fingers.set(event.pointerId, event.clientX);
    if (fingers.size !== 2) return;
    const after = [...fingers.values()].map(timeAt), apart = after[0] - after[1];
    if (Math.abs(apart) < (view.to - view.from) / 50) return;
    const factor = (before[0] - before[1]) / apart;
    show(before[0] - (after[0] - view.from) * factor, before[0] + (view.to - after[0]) * factor, false);
  });
  for (const end of ["pointerup", "pointercancel"]) area.addEventListener(end, (event) => fingers.delete(event.pointerId));

  const film = byId("film");
  if (!film) return;
  let from = null;
  const at = (event) => clamp((event.clientX - film.getBoundingClientRect().left) / film.clientWidth, 0, 1) * data.duration;
  film.onpointerdown = (event) => { from = at(event); film.setPointerCapture(event.pointerId); };
  film.onpointermove = (event) => {
    if (from !== null && Math.abs(at(event) - from) > data.duration / 200) show(Math.min(from, at(event)), Math.max(from, at(event)), false);
  };
  film.onpointerup = film.onpointercancel = (event) => {
    const half = (view.to - view.from) / 2;
    if (from !== null && Math.abs(at(event) - from) <= data.duration / 200) show(at(event) - half, at(event) + half);
    from = null;
  };
};

// ---- pointing, stepping, opening
/** Number of the exposure at a place of a lane, -1 for none near. Of several the one in whose row the pointer is. */
const nearest = (brand, event, reach) => {
  const ms = timeAt(event.clientX), area = event.currentTarget.getBoundingClientRect();
  const high = (event.clientY - area.top - (ink.row - ink.bar) * ink.drop) / ink.bar;
  const away = (at) => Math.max(columns.start_ms[at] - ms, ms - columns.end_ms[at], 0)
    + (Math.floor(clamp(high, 0, .99) * rowsOf[at]) === rowOf[at] ? 0 : reach / 2);
  let best = -1;
  for (let at = firstAfter(brand, ms - reach); at < firstOf[brand + 1] && columns.start_ms[at] <= ms + reach; at++) {
    if (passes[at] && away(at) <= reach && (best < 0 || away(at) <= away(best))) best = at;
  }
  return best;
};

const say = (at) => [
  `${clock(columns.start_ms[at], 2)} – ${clock(columns.end_ms[at], 2)}, ${(lengthMs(at) / 1000).toFixed(1)} s`
    + (columns.inferred_ms[at] ? `, of which ${(columns.inferred_ms[at] / 1000).toFixed(1)} s covered or missed` : ""),
  `confidence ${(columns.confidence[at] / 1e6).toFixed(2)}, size ${percent(columns.mean_area_share[at] / 1e6)}, by ${foundBy(columns.kinds[at])}`,
];

const fillTip = (at) => {
  const tip = byId("tip"), [times, rest] = say(at);
  const picture = hasPicture(at) ? shot(at) : "";
  tip.replaceChildren(picture, element("b", {}, nameOf(columns.brand[at])), times, element("br"), element("span", {}, rest));
};
const showTip = (x, y, at) => {
  const tip = byId("tip");
  if (tip.hidden || pointedAt !== at) fillTip(at);
  pointedAt = at;
  tip.hidden = false;
  tip.style.left = `${clamp(x + 14, 8, innerWidth - tip.offsetWidth - 8)}px`;
  tip.style.top = `${y + 22 + tip.offsetHeight > innerHeight ? y - tip.offsetHeight - 14 : y + 22}px`;
};
const pointAt = (x) => {
  byId("cursor").hidden = false;
  byId("cursor").style.left = `${x - byId("lanes").getBoundingClientRect().left}px`;
};
const leave = () => {
  byId("tip").hidden = byId("cursor").hidden = true;
};

/** Drag the lanes to move along the timeline; what was dragged is not clicked too. */
const moveByHand = (area) => {
  let since = null, moved = false;
  area.addEventListener("pointerdown", (event) => {
    if (event.pointerType !== "mouse" || event.button || !event.target.closest(".track")) return;
    [since, moved] = [{ x: event.clientX, from: view.from, to: view.to }, false];
  });
  area.addEventListener("pointermove", (event) => {
    if (!since || !event.buttons) return void (since = null);
    const by = event.clientX - since.x;
    if (!moved && Math.abs(by) < 4) return;
    moved = true;
    leave();
    const ms = (by / byId("bars").clientWidth) * (since.to - since.from);
    show(since.from - ms, since.to - ms, false);
  });
  area.addEventListener("pointerup", () => { since = null; });
  area.addEventListener("click", (event) => {
    if (!moved) return;
    moved = false;
    event.stopPropagation();
  }, true);
};

const followLane = (track, brand, open) => {
  const reach = () => (5 * (view.to - view.from)) / byId("bars").clientWidth;
  track.onpointermove = (event) => {
    if (event.pointerType === "touch" || event.buttons) return;
    pointAt(event.clientX);
    const at = nearest(brand, event, reach());
    track.classList.toggle("hit", at >= 0);
    if (at < 0) byId("tip").hidden = true; else showTip(event.clientX, event.clientY, at);
  };
  track.onpointerleave = track.onblur = leave;
  track.onclick = (event) => {
    const at = nearest(brand, event, event.pointerType === "touch" ? 3 * reach() : reach());
    if (at >= 0) openChosen(at, open);
  };
  track.onkeydown = (event) => {
    const own = exposuresOf(brand).filter((at) => passes[at]);
    const here = own.indexOf(view.chosen);
    if (event.key === "Enter" && here >= 0) {
      event.preventDefault(); // else the button that gets the focus is pressed too
      return openChosen(view.chosen, open);
    }
    if (event.key === "Escape") return leave();
    const aside = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (aside) {
      event.preventDefault();
      const next = shown[shown.indexOf(brand) + aside];
      return next === undefined ? undefined : lanes[next].querySelector(".track").focus();
    }
    const to = { ArrowRight: here + 1, ArrowLeft: here - 1, Home: 0, End: own.length - 1 }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    view.chosen = own[clamp(to, 0, own.length - 1)];
    const half = (view.to - view.from) / 2, start = columns.start_ms[view.chosen];
    if (start < view.from || start > view.to) show(start - half, start + half, false);
    track.setAttribute("aria-valuemax", own.length);
    track.setAttribute("aria-valuenow", own.indexOf(view.chosen) + 1);
    track.setAttribute("aria-valuetext", `${own.indexOf(view.chosen) + 1} of ${own.length}: ${say(view.chosen).join(", ")}`);
    redraw();
    pointAt(placeOf(start));
    showTip(placeOf(start), track.getBoundingClientRect().bottom - 18, view.chosen);
  };
};
const openChosen = (at, open) => {
  view.chosen = at;
  leave();
  redraw();
  open(at);
};

/** Rows of brands that have an exposure. */
export const showChart = (sum) => {
  shown = sum.shown.map((one) => one.brand);
  lanes.forEach((lane, brand) => { lane.hidden = !sum.brands[brand].exposures; });
  byId("none").hidden = shown.length > 0;
  measure();
};

/** Show this part of the timeline, in ms. */
export const zoomTo = (from, to) => show(from, to);

/** What is on paper is sharp at any size: the drawing that the page has without scripts, as the filters are now. */
export const chartOnPaper = () => {
  lanes.forEach((lane, brand) => {
    const path = lane.querySelector("path"), scale = path.ownerSVGElement.viewBox.baseVal.width / data.duration;
    const bars = mergedSpans(brand).map(([from, to]) => `M${(from * scale).toFixed(1)} .5H${Math.max(to * scale, from * scale + 3).toFixed(1)}`);
    path.setAttribute("d", bars.join(""));
  });
};

/** `open` is called with the number of an exposure that is to be looked at. */
export const startChart = (open) => {
  const chart = byId("chart");
  lanes = all(".lane", chart);
  shown = data.brands.map((_, brand) => brand);
  readColours(lanes);
  onColours(() => {
    readColours(lanes);
    measure();
  });
  zoomByHand(chart);
  zoomByTouch();
  moveByHand(byId("lanes"));
  lanes.forEach((lane, brand) => followLane(lane.querySelector(".track"), brand, open));
  chart.addEventListener("scroll", redraw, { passive: true });
  new ResizeObserver(measure).observe(chart);
};
