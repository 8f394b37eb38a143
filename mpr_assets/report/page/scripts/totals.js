// What the exposures that pass add up to, for each brand and for all. Which pass is decided by the filters.

import { columns, data, exposureCount, exposuresOf, lengthMs, seenSpans } from "./report.js";
import { countedMs, passes, wanted } from "./filters.js";

/** Spans on which a brand is seen, `[start, end, exposure]`, in the order of time. */
const spans = Array.from({ length: exposureCount }, (_, at) => {
  const edges = seenSpans(at);
  return Array.from({ length: edges.length / 2 }, (_, part) => [edges[2 * part], edges[2 * part + 1], at]);
}).flat().sort(([a], [b]) => a - b);
const spansOf = data.brands.map(() => []);
for (const span of spans) spansOf[columns.brand[span[2]]].push(span);

const unionMs = (ordered) => {
  let total = 0, reached = 0;
  for (const [start, end, at] of ordered) {
    if (!passes[at]) continue;
    total += Math.max(0, end - Math.max(start, reached));
    reached = Math.max(reached, end);
  }
  return total;
};

/** Spans of a brand's exposures that pass, those that overlap or touch made one. */
export const mergedSpans = (brand) => {
  const merged = [];
  for (const [start, end, at] of spansOf[brand]) {
    if (!passes[at]) continue;
    const last = merged[merged.length - 1];
    if (last && start <= last[1]) last[1] = Math.max(last[1], end); else merged.push([start, end]);
  }
  return merged;
};

/** How long two brands are on screen at once, in ms. */
export const bothMs = (one, other) => {
  const these = mergedSpans(one), those = mergedSpans(other);
  let total = 0, i = 0, j = 0;
  while (i < these.length && j < those.length) {
    total += Math.max(0, Math.min(these[i][1], those[j][1]) - Math.max(these[i][0], those[j][0]));
    if (these[i][1] < those[j][1]) i++; else j++;
  }
  return total;
};

/** How long the sources that are looked at last, in ms. */
const shownLengthMs = () => data.chunks.reduce(
  (sum, [, , length, source]) => sum + (!wanted.source || wanted.source.has(source) ? length : 0), 0);

/** The mean of a column, in parts of 1, by these weights; null where it is not measured. */
const mean = (numbers, column, weight) => {
  let sum = 0, weights = 0;
  for (const at of numbers) {
    if (columns[column][at] === null) continue;
    sum += columns[column][at] * columns[weight][at];
    weights += columns[weight][at];
  }
  return weights ? sum / weights / 1e6 : null;
};

/** How the weights are spread over the values of a column, adding up to 1; null where none is known. */
const partsBy = (numbers, column, weight, count) => {
  const parts = new Array(count).fill(0);
  for (const at of numbers) if (columns[column][at] !== null) parts[columns[column][at]] += columns[weight][at];
  const whole = parts.reduce((sum, part) => sum + part, 0);
  return whole ? parts.map((part) => part / whole) : null;
};

/** A brand's figures, defined in docs/measures.md; `ms` is what counts by the rule that is chosen. */
const brandTotals = (brand) => {
  const own = exposuresOf(brand), numbers = own.filter((at) => passes[at]), whole = numbers.length === own.length;
  const greatest = (of, from = 0) => numbers.reduce((most, at) => Math.max(most, of(at)), from);
  const most = (column) => greatest((at) => columns[column][at] ?? 0);
  const sum = (of) => numbers.reduce((total, at) => total + of(at), 0);
  // Over frames where all is shown, as report.json has it; else over the means of the exposures that are left.
  const meanOf = (column, weight = "frames", stored = column) => {
    const value = whole ? data.of_brand[stored][brand] : null;
    return value === null ? mean(numbers, column, weight) : value / 1e6;
  };
  const screen = unionMs(spansOf[brand]);
  const inCells = whole && data.in_cells[brand] || partsBy(numbers, "position", "frames", data.cells.length);
  const placed = partsBy(numbers, "placement", "seen_ms", data.placements.length);
  return {
    brand,
    exposures: numbers.length,
    screen,
    ms: wanted.rule === "all" ? screen : sum(countedMs),
    longest: greatest(lengthMs),
    solo: sum((at) => columns.solo_ms[at] ?? 0),
    inferred: sum((at) => columns.inferred_ms[at]),
    size: meanOf("mean_area_share"),
    largest: most("max_area_share") / 1e6,
    prominence: meanOf("mean_prominence"),
    visibility: meanOf("visibility"),
    clarity: meanOf("clarity"),
    quality: meanOf("quality", "seen_ms"),
    confidence: meanOf("confidence", "frames", "mean_confidence"),
    clutter: meanOf("clutter", "seen_ms"),
    instances: most("max_instances"),
    inCells,
    position: inCells ? data.cells[inCells.indexOf(Math.max(...inCells))] : "",
    placed: placed && placed.map((share, place) => [share, data.placements[place]]).sort(([a], [b]) => b - a),
    equivalent: data.currency !== null && wanted.rule === data.rule ? sum((at) => columns.media_equivalent[at] ?? 0) : null,
    kinds: numbers.reduce((bits, at) => bits | columns.kinds[at], 0),
    first: numbers.length ? columns.start_ms[numbers[0]] : 0,
    last: most("end_ms"),
  };
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

/** Figures of all brands by their numbers, and of all together. */
export const totals = () => {
  const brands = data.brands.map((_, brand) => brandTotals(brand));
  const voice = tenths(brands.map((one) => one.ms));
  brands.forEach((one, brand) => { one.voice = voice[brand]; });
  return {
    brands,
    shown: brands.filter((one) => one.exposures),
    exposures: brands.reduce((sum, one) => sum + one.exposures, 0),
    ms: brands.reduce((sum, one) => sum + one.ms, 0),
    equivalent: brands.reduce((sum, one) => sum + one.equivalent, 0),
    any: unionMs(spans),
    length: shownLengthMs(),
  };
};
