// Evidence as drawings: the frame as sharp as it is to be had, and the outlines over it. What is said of it is not here.

import { byId, columns, data, drawing, firstOf, nameOf } from "./report.js";

const BOX_PARTS = 10000;
let small = null;

/** The page's own picture of a frame as a data URI; "" where it has none. `place` is that in `data.frames`. */
const carried = (place) => {
  const seq = data.frames.seq[place], large = byId(`p${seq}`);
  if (large) return large.getAttribute("href");
  small ??= JSON.parse(byId("small")?.textContent || "{}"); // behind the scripts, so that the page shows before it is read
  return small[seq] ? `data:image/jpeg;base64,${small[seq]}` : "";
};

/** Where the frame is stored, seen from the page. */
export const storedFrame = (at) => data.frames.folder + data.frames.name[columns.frame[at]];

/** Exposures of other brands that are proven by the same frame. */
export const alsoThere = (at) => {
  const own = columns.brand[at], others = [];
  columns.frame.forEach((frame, other) => {
    if (frame === columns.frame[at] && columns.brand[other] !== own) others.push(other);
  });
  return others;
};

const outlines = (at, [width, height], names) => data.boxes[at].flatMap(([x, y, w, h], number) =>
  names.map((name) => drawing("rect", {
    class: name, "data-box": number, x: (x * width) / BOX_PARTS, y: (y * height) / BOX_PARTS,
    width: (w * width) / BOX_PARTS, height: (h * height) / BOX_PARTS,
  })));

/** The frame of an exposure with the brand's outlines, in px of its source.
 *  `stored`: also load the frame itself, and call `loaded(whether it could be)`. */
export const shot = (at, { stored = false, loaded = () => {}, others = false } = {}) => {
  const size = data.sizes[columns.source[at]], [width, height] = size, place = columns.frame[at];
  const made = drawing("svg", { class: "shot", viewBox: `0 0 ${width} ${height}`, role: "img" });
  const picture = (href) => drawing("image", { href, width, height, preserveAspectRatio: "none" });
  const own = carried(place);
  if (own) made.append(picture(own));
  if (stored) {
    const whole = picture(storedFrame(at));
    whole.addEventListener("load", () => loaded(true));
    whole.addEventListener("error", () => {
      whole.remove();
      loaded(false);
    });
    made.append(whole);
  }
  if (others) {
    for (const other of alsoThere(at)) {
      made.append(drawing("g", { class: `other b${columns.brand[other]}` }, ...outlines(other, size, ["under", "over"])));
    }
  }
  made.append(drawing("g", { class: `own b${columns.brand[at]}` }, ...outlines(at, size, ["under", "over"])));
  made.setAttribute("aria-label", `Frame with ${nameOf(columns.brand[at]).textContent} outlined`);
  return made;
};

/** Whether the page has a picture of the exposure's frame that is large enough to be cut. */
export const isSharp = (at) => byId(`p${data.frames.seq[columns.frame[at]]}`) !== null;

/** Whether the page has a picture of the exposure's frame. */
export const hasPicture = (at) => carried(columns.frame[at]) !== "";

/** Show of a shot only a box and some of its surroundings. */
export const closeUp = (made, at, number, ratio) => {
  const [x, y, w, h] = data.boxes[at][number], [width, height] = data.sizes[columns.source[at]];
  const box = { x: (x * width) / BOX_PARTS, y: (y * height) / BOX_PARTS, w: (w * width) / BOX_PARTS, h: (h * height) / BOX_PARTS };
  const tall = Math.min(Math.max(1.5 * box.h, (1.2 * box.w) / ratio, height / 40), height, width / ratio), wide = tall * ratio;
  const left = Math.min(Math.max(box.x + box.w / 2 - wide / 2, 0), width - wide);
  const top = Math.min(Math.max(box.y + box.h / 2 - tall / 2, 0), height - tall);
  made.setAttribute("viewBox", `${left} ${top} ${wide} ${tall}`);
  return made;
};

/** Number of an exposure among those of its brand, from 1. */
export const numberOf = (at) => at - firstOf[columns.brand[at]] + 1;
