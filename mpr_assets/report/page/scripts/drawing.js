// Bars, cuts and the axis on two canvases. Which part of the timeline is seen is decided by the chart.

import { clock } from "./words.js";
import { byId, clamp, columns, data, element, exposureCount, firstOf } from "./report.js";
import { passes } from "./filters.js";

const STEPS_S = [.1, .2, .5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 21600, 86400];
/** The part of the timeline that is seen, in ms, and the number of the exposure that is marked, -1 for none. */
export const view = { from: 0, to: data.duration, chosen: -1 };
/** Colours and heights as the page has them now. */
export const ink = {};

/** The colours of the page as they are now, for drawing. */
export const readColours = (lanes) => {
  const style = getComputedStyle(byId("chart"));
  const colour = (name) => {
    probe.style.color = `var(${name})`;
    return getComputedStyle(probe).color;
  };
  const probe = byId("chart").appendChild(element("i"));
  Object.assign(ink, { line: colour("--line"), soft: colour("--soft"), ink: colour("--ink"), font: style.fontFamily });
  probe.remove();
  ink.brands = lanes.map((lane) => getComputedStyle(lane.querySelector("path")).stroke);
};

/** The canvas cleared, as large as its place and as sharp as the screen. */
export const cleared = (canvas) => {
  const width = canvas.clientWidth, height = canvas.clientHeight, sharp = devicePixelRatio || 1;
  const pixels = [Math.round(width * sharp), Math.round(height * sharp)];
  if (canvas.width !== pixels[0] || canvas.height !== pixels[1]) [canvas.width, canvas.height] = pixels;
  const pen = canvas.getContext("2d");
  pen.setTransform(sharp, 0, 0, sharp, 0, 0);
  pen.clearRect(0, 0, width, height);
  return [pen, width, height];
};

/** The latest end of a brand's exposures so far, for each: their ends are not in order where two overlap. */
const reached = Float64Array.from(columns.end_ms);
for (let at = 1; at < reached.length; at++) {
  if (columns.brand[at] === columns.brand[at - 1]) reached[at] = Math.max(reached[at], reached[at - 1]);
}

/** Number of the first of a brand's exposures that may end after `ms`. */
export const firstAfter = (brand, ms) => {
  let low = firstOf[brand], high = firstOf[brand + 1];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (reached[middle] <= ms) low = middle + 1; else high = middle;
  }
  return low;
};

/** Exposures of a brand that overlap lie below each other: in which row of how many, for each exposure. */
const MOST_ROWS = 3;
export const rowOf = new Uint8Array(exposureCount);
export const rowsOf = new Uint8Array(exposureCount).fill(1);
const mostRows = data.brands.map((_, brand) => {
  let ends = [], first = firstOf[brand], until = -1, most = 1;
  for (let at = first; at < firstOf[brand + 1]; at++) {
    if (columns.start_ms[at] >= until) [ends, first, until] = [[], at, -1];
    const free = ends.findIndex((end) => end <= columns.start_ms[at]);
    rowOf[at] = Math.min(free < 0 ? ends.length : free, MOST_ROWS - 1);
    ends[rowOf[at]] = columns.end_ms[at];
    until = Math.max(until, columns.end_ms[at]);
    rowsOf.fill(ends.length, first, at + 1);
    most = Math.max(most, ends.length);
  }
  return most;
});

/** Bars of a row as they are seen at this scale. Neighbours that touch are parted by a hair, or one where they are tiny.
 *  Calls `bar(left, right, exposure)` for each. */
const eachBar = (brand, row, scale, width, bar) => {
  const TINY = 4;
  let from = -1, to = -1, own = -1;
  for (let at = firstAfter(brand, view.from); at < firstOf[brand + 1]; at++) {
    if (!passes[at] || rowOf[at] !== row) continue;
    const left = Math.max((columns.start_ms[at] - view.from) * scale, -9);
    if (left > width) break;
    const right = Math.min(Math.max((columns.end_ms[at] - view.from) * scale, left + 2), width + 9);
    if (left <= to + .3 && (right - left < TINY || to - from < TINY) && rowsOf[at] === rowsOf[own]) {
      to = Math.max(to, right);
      continue;
    }
    if (to > from) bar(from, Math.min(to, Math.max(left - 1, from + 1)), own);
    [from, to, own] = [left, right, at];
  }
  if (to > from) bar(from, to, own);
};

/** Upper edge and height of an exposure's bar. */
const slot = (at, top, height) => {
  const tall = height / rowsOf[at];
  return [top + rowOf[at] * tall, rowsOf[at] > 1 ? tall - 1 : tall];
};

export const drawBars = (pen, brand, top, height, scale, width) => {
  pen.fillStyle = ink.brands[brand];
  pen.beginPath();
  for (let row = 0; row < mostRows[brand]; row++) {
    eachBar(brand, row, scale, width, (left, right, at) => {
      const [y, tall] = slot(at, top, height);
      pen.roundRect(left, y, right - left, tall, Math.min(3, (right - left) / 3, tall / 3));
    });
  }
  pen.fill();
  drawBridged(pen, brand, top, height, scale, width);
  if (view.chosen < 0 || columns.brand[view.chosen] !== brand || !passes[view.chosen]) return;
  const left = (columns.start_ms[view.chosen] - view.from) * scale, right = Math.max((columns.end_ms[view.chosen] - view.from) * scale, left + 2);
  const [y, tall] = slot(view.chosen, top, height);
  pen.beginPath();
  pen.roundRect(left - 2, y - 2, right - left + 4, tall + 4, 4);
  pen.strokeStyle = ink.ink;
  pen.lineWidth = 2;
  pen.stroke();
};

/** Numbers of the exposures of each brand that have time in which the mark was away. */
const bridged = data.brands.map(() => []);
for (const at of Object.keys(data.inferred)) bridged[columns.brand[at]].push(Number(at));

/** Time in which the mark was away is pale. */
const drawBridged = (pen, brand, top, height, scale, width) => {
  for (const at of bridged[brand]) {
    if (!passes[at]) continue;
    const [y, tall] = slot(at, top, height);
    for (const [away, back] of data.inferred[at]) {
      const left = (away - view.from) * scale, right = (back - view.from) * scale;
      if (right < 0 || left > width || right - left < 3) continue;
      pen.clearRect(left, y, right - left, tall);
      pen.globalAlpha = .3;
      pen.fillRect(left, y, right - left, tall);
      pen.globalAlpha = 1;
    }
  }
};

export const drawLines = (pen, times, height, scale, width, colour, thick) => {
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

export const drawAxis = (scale) => {
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
