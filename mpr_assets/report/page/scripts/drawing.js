// Bars, cuts and the axis on two canvases. Which part of the timeline is seen is decided by the chart.

import { clock } from "./words.js";
import { byId, clamp, columns, data, element, firstOf } from "./report.js";
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

/** Bars of a brand as they are seen at this scale; neighbours that touch are one. Calls `bar(left, right)` for each. */
const eachBar = (brand, scale, width, bar) => {
  let from = -1, to = -1;
  for (let at = firstAfter(brand, view.from); at < firstOf[brand + 1]; at++) {
    if (!passes[at]) continue;
    const left = Math.max((columns.start_ms[at] - view.from) * scale, -9);
    if (left > width) break;
    const right = Math.min(Math.max((columns.end_ms[at] - view.from) * scale, left + 2), width + 9);
    if (left <= to + .3) { to = Math.max(to, right); continue; }
    if (to > from) bar(from, to);
    [from, to] = [left, right];
  }
  if (to > from) bar(from, to);
};

export const drawBars = (pen, brand, top, height, scale, width) => {
  pen.beginPath();
  eachBar(brand, scale, width, (left, right) => pen.roundRect(left, top, right - left, height, Math.min(3, (right - left) / 3)));
  pen.fillStyle = ink.brands[brand];
  pen.fill();
  drawBridged(pen, brand, top, height, scale, width);
  if (view.chosen < 0 || columns.brand[view.chosen] !== brand || !passes[view.chosen]) return;
  const left = (columns.start_ms[view.chosen] - view.from) * scale, right = Math.max((columns.end_ms[view.chosen] - view.from) * scale, left + 2);
  pen.beginPath();
  pen.roundRect(left - 2, top - 2, right - left + 4, height + 4, 4);
  pen.strokeStyle = ink.ink;
  pen.lineWidth = 2;
  pen.stroke();
};

/** Numbers of the exposures of each brand that have time in which the mark was away. */
const bridged = data.brands.map(() => []);
for (const at of Object.keys(data.inferred)) bridged[columns.brand[at]].push(Number(at));

/** Time in which the mark was away is hollow, unless another mark of the brand is there. */
const drawBridged = (pen, brand, top, height, scale, width) => {
  for (const at of bridged[brand]) {
    if (!passes[at]) continue;
    for (const [away, back] of data.inferred[at]) {
      const left = (away - view.from) * scale, right = (back - view.from) * scale;
      if (right < 0 || left > width || right - left < 3 || isCovered(brand, at, away, back)) continue;
      pen.clearRect(left, top, right - left, height);
      pen.globalAlpha = .3;
      pen.fillRect(left, top, right - left, height);
      pen.globalAlpha = 1;
    }
  }
};
const isCovered = (brand, own, from, to) => {
  for (let at = firstAfter(brand, from); at < firstOf[brand + 1] && columns.start_ms[at] < to; at++) {
    if (at !== own && passes[at]) return true;
  }
  return false;
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
