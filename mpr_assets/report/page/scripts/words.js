// Figures in words, as render.py writes them. What is said is not decided here.

export const clock = (ms, decimals = 1) => {
  const pad = (value, width) => String(value).padStart(width, "0");
  const s = Math.floor(ms / 1000), h = Math.floor(s / 3600), m = Math.floor(s / 60) % 60;
  const whole = h ? `${h}:${pad(m, 2)}:${pad(s % 60, 2)}` : `${m}:${pad(s % 60, 2)}`;
  return decimals ? `${whole}.${pad(Math.floor(ms) % 1000, 3).slice(0, decimals)}` : whole;
};

export const lasting = (ms) => {
  if (ms < 60000) return `${(ms / 1000).toFixed(1)} s`;
  const m = Math.floor(ms / 60000), s = Math.floor(ms / 1000) % 60;
  return m < 60 ? `${m} min ${String(s).padStart(2, "0")} s` : `${Math.floor(m / 60)} h ${String(m % 60).padStart(2, "0")} min`;
};

export const grouped = (value) => String(value).replace(/\B(?=(\d{3})+(?!\d))/g, "\u202f");

export const seconds = (ms, decimals) => {
  const [whole, part] = (ms / 1000).toFixed(decimals).split(".");
  return `${grouped(whole)}.${part}`;
};

export const percent = (share) => (share > 0 && share < 0.0005 ? "< 0.1 %" : `${(100 * share).toFixed(1)} %`);

export const plural = (count, word) => `${grouped(count)} ${word}${count === 1 ? "" : "s"}`;
