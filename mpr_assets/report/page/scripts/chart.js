// The chart: which part of the timeline is seen, its drawing on two canvases, pointing and keys. The rows are elements,
// so that names can be read out, found, and reached with Tab; what is in them is drawn.

import { clock, percent } from "./words.js";
import { all, byId, clamp, columns, data, element, firstOf, foundBy } from "./report.js";
import { passes } from "./filters.js";
import { onColours } from "./theme.js";

const LEAST_MS = Math.max(1, Math.min(2000, data.duration));
const STEPS_S = [.1, .2, .5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 21600, 86400];
const GLIDE_MS = 160;
const view = { from: 0, to: data.duration };
let lanes, shown, ink, chosen = -1, frame = 0, glide = null;

/** The colours of the page as they are now, for drawing. */
const readColours = () => {
  const style = getComputedStyle(byId("chart"));
  const colour = (name) => {
    probe.style.color = `var(${name})`;
    return getComputedStyle(probe).color;
  };
  const probe = byId("chart").appendChild(element("i"));
  ink = { line: colour("--line"), soft: colour("--soft"), ink: colour("--ink"), sheet: colour("--sheet"), font: style.fontFamily };
  probe.remove();
  ink.brands = lanes.map((lane) => getComputedStyle(lane.querySelector("path")).stroke);
};

/** The canvas cleared, as large as its place and as sharp as the screen. */
const cleared = (canvas) => {
  const width = canvas.clientWidth, height = canvas.clientHeight, sharp = devicePixelRatio || 1;
  const pixels = [Math.round(width * sharp), Math.round(height * sharp)];
  if (canvas.width !== pixels[0] || canvas.height !== pixels[1]) [canvas.width, canvas.height] = pixels;
  const pen = canvas.getContext("2d");
  pen.setTransform(sharp, 0, 0, sharp, 0, 0);
  pen.clearRect(0, 0, width, height);
  return [pen, width, height];
};

/** Place, in its brand's list, of the first exposure that ends after `ms`. Exposures of a brand never overlap. */
const firstAfter = (brand, ms) => {
  let low = firstOf[brand], high = firstOf[brand + 1];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (columns.end[middle] <= ms) low = middle + 1; else high = middle;
  }
  return low;
};

const drawBars = (pen, brand, top, height, scale, width) => {
  let from = -1, to = -1;
  const flush = () => {
    if (to > from) pen.roundRect(from, top, to - from, height, Math.min(3, (to - from) / 3));
  };
  pen.beginPath();
  for (let at = firstAfter(brand, view.from); at < firstOf[brand + 1]; at++) {
    if (!passes[at]) continue;
    const left = Math.max((columns.start[at] - view.from) * scale, -9);
    if (left > width) break;
    const right = Math.min(Math.max((columns.end[at] - view.from) * scale, left + 2), width + 9);
    if (left <= to + .3) { to = Math.max(to, right); continue; }
    flush();
    [from, to] = [left, right];
  }
  flush();
  pen.fillStyle = ink.brands[brand];
  pen.fill();
  if (chosen < 0 || columns.brand[chosen] !== brand || !passes[chosen]) return;
  const left = (columns.start[chosen] - view.from) * scale, right = Math.max((columns.end[chosen] - view.from) * scale, left + 2);
  pen.beginPath();
  pen.roundRect(left - 2, top - 2, right - left + 4, height + 4, 4);
  pen.strokeStyle = ink.ink;
  pen.lineWidth = 2;
  pen.stroke();
};

const drawLines = (pen, times, height, scale, width, colour, thick) => {
  const places = new Set();
  for (const ms of times) {
    const at = Math.round((ms - view.from) * scale);
    if (at >= 0 && at <= width) places.add(at);
  }
  pen.globalAlpha = thick > 1 ? 1 : clamp(width / 9 / (places.size || 1), .12, 1);
  pen.fillStyle = colour;
  for (const at of places) pen.fillRect(at, 0, thick, height);
  pen.globalAlpha = 1;
};

const drawAxis = (scale) => {
  const [pen, width, height] = cleared(byId("axis")), base = height - 9;
  const step = 1000 * (STEPS_S.find((s) => s * 1000 * scale >= 76) || 86400);
  pen.font = `12px ${ink.font}`;
  for (let ms = Math.ceil(view.from / step) * step; ms < view.to; ms += step) {
    const place = (ms - view.from) * scale;
    if (place > width - 30) break;
    pen.fillStyle = ink.line;
    pen.fillRect(Math.round(place), height - 20, 1, 20);
    pen.fillStyle = ink.soft;
    pen.fillText(clock(ms, step < 1000 ? 1 : 0), place + 5, base);
  }
  if (data.chunks.length < 2) return;
  data.chunks.forEach(([start, , length, source]) => {
    const left = Math.max((start - view.from) * scale, 0), right = Math.min((start + length - view.from) * scale, width);
    if (right - left < 3) return;
    pen.save();
    pen.beginPath();
    pen.rect(left, 0, right - left - 3, 22);
    pen.clip();
    pen.fillStyle = ink.soft;
    pen.fillRect(left, 3, 2, 18);
    pen.fillText(data.sources[source], left + 7, 16);
    pen.restore();
  });
};

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
  const scale = width / (view.to - view.from), row = ink.row, scrolled = chart.scrollTop, bar = row * .5;
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
const zoom = (factor, around, smooth) => {
  const [from, to] = target(), middle = around ?? (from + to) / 2;
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
const nearest = (brand, ms, reach) => {
  const away = (at) => Math.max(columns.start[at] - ms, ms - columns.end[at], 0);
  let best = -1;
  for (let at = firstAfter(brand, ms - reach); at < firstOf[brand + 1] && columns.start[at] <= ms + reach; at++) {
    if (passes[at] && away(at) <= reach && (best < 0 || away(at) < away(best))) best = at;
  }
  return best;
};

const say = (at) => [
  `${clock(columns.start[at], 2)} – ${clock(columns.end[at], 2)}, ${(columns.length[at] / 1000).toFixed(1)} s`,
  `confidence ${(columns.confidence[at] / 1e6).toFixed(2)}, size ${percent(columns.size[at] / 1e6)}, by ${foundBy(columns.kinds[at])}`,
];

const showTip = (x, y, at) => {
  const tip = byId("tip"), [times, rest] = say(at);
  tip.replaceChildren(element("b", { dir: "auto" }, data.brands[columns.brand[at]]), times, element("br"), element("span", {}, rest));
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

const followLane = (track, brand, open) => {
  const reach = () => (5 * (view.to - view.from)) / byId("bars").clientWidth;
  track.onpointermove = (event) => {
    if (event.pointerType === "touch") return;
    pointAt(event.clientX);
    const at = nearest(brand, timeAt(event.clientX), reach());
    track.classList.toggle("hit", at >= 0);
    if (at < 0) byId("tip").hidden = true; else showTip(event.clientX, event.clientY, at);
  };
  track.onpointerleave = track.onblur = leave;
  track.onclick = (event) => {
    const at = nearest(brand, timeAt(event.clientX), event.pointerType === "touch" ? 3 * reach() : reach());
    if (at >= 0) openChosen(at, open);
  };
  track.onkeydown = (event) => {
    const own = Array.from({ length: data.counts[brand] }, (_, index) => firstOf[brand] + index).filter((at) => passes[at]);
    const here = own.indexOf(chosen);
    if (event.key === "Enter" && here >= 0) return void openChosen(chosen, open);
    if (event.key === "Escape") return leave();
    const to = { ArrowRight: here + 1, ArrowLeft: here - 1, Home: 0, End: own.length - 1 }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    chosen = own[clamp(to, 0, own.length - 1)];
    const half = (view.to - view.from) / 2, start = columns.start[chosen];
    if (start < view.from || start > view.to) show(start - half, start + half, false);
    track.setAttribute("aria-valuemax", own.length);
    track.setAttribute("aria-valuenow", own.indexOf(chosen) + 1);
    track.setAttribute("aria-valuetext", `${own.indexOf(chosen) + 1} of ${own.length}: ${say(chosen).join(", ")}`);
    redraw();
    pointAt(placeOf(start));
    showTip(placeOf(start), track.getBoundingClientRect().bottom - 18, chosen);
  };
};
const openChosen = (at, open) => {
  chosen = at;
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

/** `open` is called with the number of an exposure that is to be looked at. */
export const startChart = (open) => {
  const chart = byId("chart");
  lanes = all(".lane", chart);
  shown = data.brands.map((_, brand) => brand);
  readColours();
  onColours(() => {
    readColours();
    measure();
  });
  zoomByHand(chart);
  zoomByTouch();
  lanes.forEach((lane, brand) => followLane(lane.querySelector(".track"), brand, open));
  chart.addEventListener("scroll", redraw, { passive: true });
  new ResizeObserver(measure).observe(chart);
};
