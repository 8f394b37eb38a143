// How the brands share the screen: in all, and over time. Figures come from the totals.

import { clock, lasting, percent, seconds } from "./words.js";
import { byId, clamp, columns, data, element, nameOf } from "./report.js";
import { filter, wanted } from "./filters.js";
import { mergedSpans } from "./totals.js";
import { onColours } from "./theme.js";
import { zoomTo } from "./chart.js";

const FEW = 12, BINS_PX = 14, LAYERS = 10;
let everyBar = false, last = null, bins = [];

const bar = (one, most) => {
  const only = element("button", { type: "button", title: "Only this brand, or all again" }, nameOf(one.brand));
  only.onclick = () => filter({ brand: wanted.brand?.size === 1 ? null : new Set([one.brand]) });
  const fill = element("i");
  fill.style.width = `${(100 * one.voice) / (most || 1)}%`;
  return element("li", { className: `b${one.brand}` }, only, element("span", { className: "bar-of" }, fill),
    element("b", {}, `${(one.voice / 10).toFixed(1)} %`), element("span", { className: "s" }, `${seconds(one.ms, 1)} s`));
};

const showVoice = (sum) => {
  const ordered = [...sum.shown].sort((a, b) => b.ms - a.ms), few = everyBar ? ordered : ordered.slice(0, FEW);
  const most = Math.max(0, ...ordered.map((one) => one.voice));
  byId("voice").replaceChildren(...few.map((one) => bar(one, most)));
  const rest = ordered.slice(few.length), more = byId("voice-more");
  more.hidden = ordered.length <= FEW;
  const share = rest.reduce((part, one) => part + one.voice, 0) / 10, ms = rest.reduce((part, one) => part + one.ms, 0);
  more.textContent = everyBar ? "Only the first" : `${rest.length} more brands: ${share.toFixed(1)} %, ${seconds(ms, 1)} s`;
};

/** Time on screen of each brand in equal parts of the timeline, in ms: `bins[part]` is a map from brand. */
const partsOf = (sum, count) => {
  const parts = Array.from({ length: count }, () => new Map()), step = data.duration / count;
  for (const { brand } of sum.shown) {
    for (const [start, end] of mergedSpans(brand)) {
      for (let part = Math.floor(start / step); part < count && part * step < end; part++) {
        const ms = Math.min(end, (part + 1) * step) - Math.max(start, part * step);
        parts[part].set(brand, (parts[part].get(brand) || 0) + ms);
      }
    }
  }
  return parts;
};

const drawOverTime = () => {
  const canvas = byId("over-time"), width = canvas.clientWidth, height = canvas.clientHeight, sharp = devicePixelRatio || 1;
  if (!width || !last) return;
  [canvas.width, canvas.height] = [Math.round(width * sharp), Math.round(height * sharp)];
  const pen = canvas.getContext("2d"), style = getComputedStyle(canvas);
  pen.scale(sharp, sharp);
  pen.font = `12px ${style.fontFamily}`;
  const left = 34, top = 8, base = height - 22, count = clamp(Math.floor((width - left) / BINS_PX), 10, 120);
  bins = partsOf(last, count);
  const step = data.duration / count, sums = bins.map((part) => [...part.values()].reduce((sum, ms) => sum + ms, 0) / step);
  const most = Math.max(1, Math.ceil(Math.max(...sums)));
  const coloured = new Set([...last.shown].sort((a, b) => b.ms - a.ms).slice(0, LAYERS).map((one) => one.brand));
  const colours = new Map([...coloured].map((brand) => [brand, getComputedStyle(document.querySelector(`#lanes .b${brand} path`)).stroke]));
  const grid = Math.max(1, Math.ceil(most / 4));
  for (let level = 0; level <= most; level += grid) {
    const y = base - ((base - top) * level) / most;
    pen.fillStyle = style.borderTopColor;
    pen.fillRect(left, Math.round(y), width - left, 1);
    pen.fillStyle = style.color;
    pen.textAlign = "right";
    pen.fillText(String(level), left - 7, y + 4);
  }
  const wide = (width - left) / count;
  bins.forEach((part, number) => {
    let y = base, rest = 0;
    const put = (ms, colour) => {
      const tall = ((base - top) * ms) / step / most;
      pen.fillStyle = colour;
      pen.fillRect(left + number * wide + 1, y - tall, wide - 2, tall);
      y -= tall;
    };
    for (const brand of coloured) if (part.has(brand)) put(part.get(brand), colours.get(brand));
    for (const [brand, ms] of part) if (!coloured.has(brand)) rest += ms;
    if (rest) put(rest, style.outlineColor);
  });
  pen.fillStyle = style.color;
  pen.textAlign = "left";
  for (let mark = 0; mark < 5; mark++) pen.fillText(clock((mark * data.duration) / 5, data.duration < 10000 ? 1 : 0), left + ((width - left) * mark) / 5, height - 5);
};

const partAt = (event) => {
  const area = byId("over-time").getBoundingClientRect();
  return clamp(Math.floor(((event.clientX - area.left - 34) / (area.width - 34)) * bins.length), 0, bins.length - 1);
};

const tell = (event) => {
  const part = partAt(event), step = data.duration / bins.length, tip = byId("tip");
  const rows = [...bins[part]].sort(([, a], [, b]) => b - a);
  tip.replaceChildren(element("b", {}, `${clock(part * step)} – ${clock((part + 1) * step)}`),
    ...rows.slice(0, 8).map(([brand, ms]) => element("div", { className: `b${brand}` }, element("i", { className: "swatch" }), " ", nameOf(brand), ` ${lasting(ms)}`)),
    rows.length > 8 ? `and ${rows.length - 8} more` : rows.length ? "" : "No brand");
  tip.hidden = false;
  tip.style.left = `${clamp(event.clientX + 14, 8, innerWidth - tip.offsetWidth - 8)}px`;
  tip.style.top = `${Math.max(8, event.clientY - tip.offsetHeight - 12)}px`;
};

export const showCharts = (sum) => {
  last = sum;
  showVoice(sum);
  drawOverTime();
  byId("over-time").setAttribute("aria-label",
    `Brands on screen at once over time. ${sum.shown.length} brands, ${percent(sum.any / (sum.length || 1))} of the time with any.`);
};

export const startCharts = () => {
  byId("voice-more").onclick = () => {
    everyBar = !everyBar;
    showVoice(last);
  };
  const canvas = byId("over-time");
  canvas.onpointermove = tell;
  canvas.onpointerleave = () => { byId("tip").hidden = true; };
  canvas.onclick = (event) => {
    const step = data.duration / bins.length, part = partAt(event);
    byId("tip").hidden = true;
    zoomTo((part - 1) * step, (part + 2) * step);
    byId("chart").scrollIntoView({ block: "center" });
  };
  onColours(drawOverTime);
  new ResizeObserver(drawOverTime).observe(canvas);
};
