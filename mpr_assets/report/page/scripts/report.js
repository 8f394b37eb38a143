// The report as the page carries it, and small things that every module needs. What is shown of it is not decided here.

export const data = JSON.parse(document.getElementById("data").textContent);
export const byId = (id) => document.getElementById(id);
export const all = (selector, root = document) => [...root.querySelectorAll(selector)];
export const clamp = (value, low, high) => Math.min(high, Math.max(low, value));

/** An element with attributes or properties, and text or elements in it. Text is never read as markup. */
export const element = (tag, properties = {}, ...content) => {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name in made) made[name] = value; else made.setAttribute(name, value);
  }
  made.append(...content);
  return made;
};

/** Columns of numbers, one for each exposure; `brand` and `end` are reckoned from the others. */
export const columns = data.exposures;
export const exposureCount = columns.start.length;
/** Of each brand the number of its first exposure, and behind the last brand the number of all. */
export const firstOf = [0];
for (const count of data.counts) firstOf.push(firstOf[firstOf.length - 1] + count);
columns.brand = new Uint16Array(exposureCount);
data.counts.forEach((count, brand) => columns.brand.fill(brand, firstOf[brand], firstOf[brand] + count));
columns.end = columns.start.map((start, at) => start + columns.length[at]);

/** What found an exposure, in words. */
export const foundBy = (bits) => data.kinds.filter((_, place) => bits & (1 << place)).map(([, words]) => words).join(", ");
