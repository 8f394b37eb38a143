// What the exposures that pass add up to, for each brand and for all. Which pass is decided by the filters.

import { columns, data, exposureCount, firstOf } from "./report.js";
import { passes, wanted } from "./filters.js";

const inOrder = Uint32Array.from({ length: exposureCount }, (_, at) => at)
  .sort((a, b) => columns.start[a] - columns.start[b]);

/** How long the sources that are looked at last, in ms. */
export const lengthMs = () => data.chunks.reduce(
  (sum, [, , length, source]) => sum + (!wanted.source || wanted.source.has(source) ? length : 0), 0);

/** How long any exposure that passes and fits `isOf` is on screen, in ms. */
export const unionMs = (isOf = () => true) => {
  let total = 0, reached = 0;
  for (const at of inOrder) {
    if (!passes[at] || !isOf(columns.brand[at])) continue;
    total += Math.max(0, columns.end[at] - Math.max(columns.start[at], reached));
    reached = Math.max(reached, columns.end[at]);
  }
  return total;
};

/** A brand's figures; sizes and confidences are means over the frames, as in report.json. */
export const brandTotals = (brand) => {
  const sum = { brand, exposures: 0, ms: 0, longest: 0, size: 0, largest: 0, confidence: 0, kinds: 0, first: Infinity, last: 0 };
  let frames = 0;
  for (let at = firstOf[brand]; at < firstOf[brand + 1]; at++) {
    if (!passes[at]) continue;
    sum.exposures++;
    sum.ms += columns.length[at];
    sum.longest = Math.max(sum.longest, columns.length[at]);
    sum.size += columns.size[at] * columns.frames[at];
    sum.largest = Math.max(sum.largest, columns.largest[at]);
    sum.confidence += columns.confidence[at] * columns.frames[at];
    sum.kinds |= columns.kinds[at];
    sum.first = Math.min(sum.first, columns.start[at]);
    sum.last = Math.max(sum.last, columns.end[at]);
    frames += columns.frames[at];
  }
  sum.size /= frames * 1e6 || 1;
  sum.largest /= 1e6;
  sum.confidence /= frames * 1e6 || 1;
  return sum;
};

/** Parts of a whole in tenths of a percent that add up to 100: the largest remainders are rounded up. */
export const tenths = (parts) => {
  const whole = parts.reduce((sum, part) => sum + part, 0) || 1;
  const given = parts.map((part) => Math.floor((1000 * part) / whole));
  const byRest = parts.map((part, at) => [(1000 * part) % whole, at]).sort(([a, i], [b, j]) => b - a || i - j);
  const missing = parts.some(Boolean) ? 1000 - given.reduce((sum, value) => sum + value, 0) : 0;
  for (const [, at] of byRest.slice(0, missing)) given[at]++;
  return given;
};

/** Figures of all brands by their numbers, and of all together; reckoned once for each change of the filters. */
export const totals = () => {
  const brands = data.brands.map((_, brand) => brandTotals(brand));
  const voice = tenths(brands.map((one) => one.ms));
  brands.forEach((one, brand) => { one.voice = voice[brand]; });
  return {
    brands,
    shown: brands.filter((one) => one.exposures),
    exposures: brands.reduce((sum, one) => sum + one.exposures, 0),
    ms: brands.reduce((sum, one) => sum + one.ms, 0),
    any: unionMs(),
    length: lengthMs(),
  };
};
