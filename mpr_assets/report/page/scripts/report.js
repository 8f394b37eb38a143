// The report as the page carries it, and small things that every module needs. What is shown of it is not decided here.

export const data = JSON.parse(document.getElementById("data").textContent);
export const byId = (id) => document.getElementById(id);
export const all = (selector, root = document) => [...root.querySelectorAll(selector)];
export const clamp = (value, low, high) => Math.min(high, Math.max(low, value));

/** Put elements and texts into a parent. Text is never read as markup. */
const filled = (parent, properties, content) => {
  for (const [name, value] of Object.entries(properties)) {
    if (name in parent && !(parent instanceof SVGElement)) parent[name] = value; else parent.setAttribute(name, value);
  }
  parent.append(...content);
  return parent;
};
/** An element with properties or attributes and what is in it. */
export const element = (tag, properties = {}, ...content) => filled(document.createElement(tag), properties, content);
export const drawing = (tag, attributes = {}, ...content) =>
  filled(document.createElementNS("http://www.w3.org/2000/svg", tag), attributes, content);

/** Columns of numbers, one for each exposure, named as in report.json; shares are parts of a million. */
export const columns = data.exposures;
export const PARTS = 1e6;
export const exposureCount = columns.start_ms.length;
/** Of each brand the number of its first exposure, and behind the last brand the number of all. */
export const firstOf = [0];
for (const count of data.counts) firstOf.push(firstOf[firstOf.length - 1] + count);
columns.brand = new Uint16Array(exposureCount);
data.counts.forEach((count, brand) => columns.brand.fill(brand, firstOf[brand], firstOf[brand + 1]));

/** The numbers of a brand's exposures. */
export const exposuresOf = (brand) => Array.from({ length: data.counts[brand] }, (_, index) => firstOf[brand] + index);
export const lengthMs = (at) => columns.end_ms[at] - columns.start_ms[at];

/** When the brand was seen during an exposure, `[start, end, start, end]`: what the bridged spans leave of it. */
export const seenSpans = (at) => [columns.start_ms[at], ...(data.inferred[at] || []).flat(), columns.end_ms[at]];

/** The brand's name for a sentence or a heading, whatever its script. */
export const nameOf = (brand) => element("bdi", {}, data.brands[brand]);

/** What found an exposure, in words. */
export const foundBy = (bits) => data.kinds.filter((_, place) => bits & (1 << place)).map(([, words]) => words).join(", ");
