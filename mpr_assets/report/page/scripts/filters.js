// Which exposures are looked at. Views are told when that changes; how they show it is not here.

import { all, byId, columns, data, element, exposureCount, firstOf } from "./report.js";

/** 1 for each exposure that passes the filters. */
export const passes = new Uint8Array(exposureCount).fill(1);

const nothing = () => ({ find: "", brand: null, source: null, kind: null, placement: null, object: null, confidence: 0, rule: data.rule });
/** Sets of places in the lists of `data`, null where all are wanted; least confidence in %; the rule that counts. */
export const wanted = nothing();
const views = [];

/** Call `view` whenever other exposures pass, and once as the page opens. */
export const onFilter = (view) => views.push(view);

/** What counts of an exposure by the rule that is chosen, in ms. */
export const countedMs = (at) => columns[wanted.rule === "all" ? "seen_ms" : `${wanted.rule}_ms`][at];

const tellAll = () => { for (const view of views) view(); };

const update = () => {
  const text = wanted.find.trim().toLocaleLowerCase();
  const brands = data.brands.map(
    (name, brand) => (!wanted.brand || wanted.brand.has(brand)) && name.toLocaleLowerCase().includes(text));
  const bits = wanted.kind ? [...wanted.kind].reduce((sum, place) => sum | (1 << place), 0) : -1;
  brands.forEach((open, brand) => {
    for (let at = firstOf[brand]; at < firstOf[brand + 1]; at++) {
      passes[at] = Number(open && columns.confidence[at] >= 10000 * wanted.confidence && (columns.kinds[at] & bits) !== 0
        && (wanted.rule === "all" || countedMs(at) > 0)
        && (!wanted.source || wanted.source.has(columns.source[at]))
        && (!wanted.placement || wanted.placement.has(columns.placement[at]))
        && (!wanted.object || wanted.object.has(columns.placement_object[at])));
    }
  });
  tellAll();
};

/** Change what is wanted: `{ confidence: 50 }`. */
export const filter = (change) => {
  Object.assign(wanted, change);
  update();
};

export const isFiltered = () => passes.includes(0);
const isChanged = () => Object.entries(nothing()).some(([name, value]) => wanted[name] !== value);

const LISTS = {
  brand: data.brands, source: data.sources, kind: data.kinds.map(([, words]) => words), placement: data.placements,
  object: data.objects.map((label) => label || "none"),
};

const fillMenu = (menu) => {
  const name = menu.dataset.filter, list = LISTS[name], place = menu.querySelector(".choices"), count = menu.querySelector("b");
  menu.hidden = list.length < 2;
  const boxes = list.map((words, value) => element("input", { type: "checkbox", checked: true, value }));
  const tell = () => {
    const chosen = boxes.filter((box) => box.checked).map((box) => Number(box.value));
    filter({ [name]: chosen.length === list.length ? null : new Set(chosen) });
  };
  const setAll = (checked) => () => {
    for (const box of boxes) box.checked = checked;
    tell();
  };
  const buttons = element("p", { className: "both" },
    element("button", { type: "button", onclick: setAll(true) }, "All"),
    element("button", { type: "button", onclick: setAll(false) }, "None"));
  place.append(buttons, ...boxes.map((box, value) => {
    const only = element("button", { type: "button", className: "only", title: "Only this one" }, "only");
    only.onclick = () => {
      for (const other of boxes) other.checked = other === box;
      tell();
    };
    box.onchange = tell;
    const swatch = name === "brand" ? [element("i", { className: `swatch b${value}` })] : [];
    return element("div", {}, element("label", {}, box, ...swatch, element("bdi", {}, list[value])), only);
  }));
  onFilter(() => {
    const chosen = wanted[name];
    boxes.forEach((box, value) => { box.checked = !chosen || chosen.has(value); });
    count.textContent = chosen ? `${chosen.size} of ${list.length}` : "";
  });
};

export const startFilters = () => {
  const form = byId("filters"), find = byId("find"), confidence = byId("confidence"), rule = byId("rule-choice");
  const menus = all(".menu", form);
  menus.forEach(fillMenu);
  find.oninput = () => filter({ find: find.value });
  confidence.oninput = () => filter({ confidence: Number(confidence.value) });
  rule.closest("label").hidden = !data.rules.length || columns.nielsen_1s_ms.includes(null);
  rule.append(...data.rules.map(([value, words, title]) => element("option", { value, title }, words)));
  rule.onchange = () => filter({ rule: rule.value });
  const reset = () => filter(nothing());
  form.onreset = (event) => {
    event.preventDefault();
    reset();
  };
  form.onsubmit = (event) => event.preventDefault();
  for (const button of all(".reset")) button.onclick = reset;
  // One menu at a time, and none once something else is clicked.
  document.addEventListener("pointerdown", (event) => {
    for (const menu of menus) if (!menu.contains(event.target)) menu.open = false;
  });
  for (const menu of menus) menu.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    menu.open = false;
    menu.querySelector("summary").focus();
  });
  document.addEventListener("keydown", (event) => {
    if (event.key !== "/" || event.target.closest("input, select, textarea, dialog")) return;
    event.preventDefault();
    find.focus();
  });
  onFilter(() => {
    if (find.value !== wanted.find) find.value = wanted.find;
    confidence.value = wanted.confidence;
    confidence.nextElementSibling.textContent = (wanted.confidence / 100).toFixed(2);
    rule.value = wanted.rule;
    rule.title = data.rules.find(([name]) => name === wanted.rule)?.[2] || "";
    byId("reset").disabled = !isChanged();
  });
  update();
};
