// Light or dark, and the page on paper. Colours are in the style sheet.

import { byId } from "./report.js";

const CHOICES = { "": ["Auto", "as the system has them"], light: ["Light", "light"], dark: ["Dark", "dark"] };
const listeners = [];

/** Call `change` when the colours have become others. */
export const onColours = (change) => listeners.push(change);

export const startTheme = () => {
  const button = byId("theme"), root = document.documentElement, names = Object.keys(CHOICES);
  const tell = () => { for (const change of listeners) change(); };
  button.onclick = () => {
    const next = names[(names.indexOf(root.dataset.theme || "") + 1) % names.length];
    root.dataset.theme = next;
    const [words, long] = CHOICES[next];
    button.textContent = words;
    button.setAttribute("aria-label", `Colours of the page: ${long}`);
    tell();
  };
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", tell);
  byId("print").onclick = () => print();
  let before = "";
  addEventListener("beforeprint", () => {
    before = root.dataset.theme || "";
    root.dataset.theme = "light";
    tell();
  });
  addEventListener("afterprint", () => {
    root.dataset.theme = before;
    tell();
  });
};
