"use strict";
(() => {
  document.documentElement.classList.add("scripted");
  const data = JSON.parse(document.getElementById("data").textContent);
  const byId = (id) => document.getElementById(id);
  const all = (selector, root = document) => [...root.querySelectorAll(selector)];
  const FIELDS = 5; // start, length, confidence in %, size in 1/10000, what found it
  const clamp = (value, low, high) => Math.min(high, Math.max(low, value));

  const clock = (ms, decimals) => {
    const pad = (value, width) => String(value).padStart(width, "0");
    const s = Math.floor(ms / 1000), h = Math.floor(s / 3600), m = Math.floor(s / 60) % 60;
    const whole = h ? `${h}:${pad(m, 2)}:${pad(s % 60, 2)}` : `${m}:${pad(s % 60, 2)}`;
    return decimals ? `${whole}.${pad(Math.floor(ms) % 1000, 3).slice(0, decimals)}` : whole;
  };
  const exposure = (brand, index) => {
    const [start, length, confidence, size, found] = data.brands[brand].x.slice(index * FIELDS, (index + 1) * FIELDS);
    let chunk = data.chunks[0];
    for (const one of data.chunks) if (one[0] <= start) chunk = one;
    const media = start - chunk[0] + chunk[1];
    return { start, end: start + length, length, confidence, size, found: data.found[found], source: chunk[2], media };
  };
  const countOf = (brand) => data.brands[brand].x.length / FIELDS;
  const size = (parts) => (parts && parts < 5 ? "< 0.1 %" : `${(parts / 100).toFixed(1)} %`);

  // ---- the chart: what part of the timeline is seen, and its drawing
  const chart = byId("chart");
  const tip = byId("tip");
  if (chart) {
    const view = { from: 0, to: data.duration };
    const lanes = all(".lane", chart);
    const tracks = lanes.map((lane) => lane.querySelector(".track"));
    const least = Math.max(1, Math.min(2000, data.duration));
    const widthOf = () => Math.max(1, byId("axis").clientWidth);

    const bars = (flat, scale, width) => {
      const parts = [];
      let from = -1, to = -1;
      for (let at = 0; at < flat.length; at += FIELDS) {
        const left = (flat[at] - view.from) * scale;
        if (left > width) break;
        const right = Math.max((flat[at] + flat[at + 1] - view.from) * scale, left + 2);
        if (right < 0) continue;
        if (left <= to + 0.3) { to = Math.max(to, right); continue; }
        if (to > from) parts.push(`M${from.toFixed(1)} .5H${to.toFixed(1)}`);
        from = Math.max(left, -9);
        to = Math.min(right, width + 9);
      }
      if (to > from) parts.push(`M${from.toFixed(1)} .5H${Math.min(to, width + 9).toFixed(1)}`);
      return parts.join("");
    };
    const verticals = (times, scale, width) => {
      const places = new Set();
      for (const ms of times) {
        const at = Math.round((ms - view.from) * scale);
        if (at >= 0 && at <= width) places.add(at);
      }
      return places;
    };
    const STEPS = [.1, .2, .5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 21600, 86400];
    const drawAxis = (scale, width) => {
      const step = 1000 * (STEPS.find((s) => s * 1000 * scale >= 76) || 86400);
      const axis = byId("axis");
      axis.textContent = "";
      for (let ms = Math.ceil(view.from / step) * step; ms < view.to; ms += step) {
        const place = (ms - view.from) * scale;
        if (place > width - 30) break;
        const mark = axis.appendChild(document.createElement("span"));
        mark.style.left = `${(100 * place) / width}%`;
        mark.textContent = clock(ms, step < 1000 ? 1 : 0);
      }
    };
    const drawAll = () => {
      const width = widthOf(), scale = width / (view.to - view.from);
      tracks.forEach((track, brand) => {
        track.firstElementChild.setAttribute("viewBox", `0 0 ${width} 1`);
        track.firstElementChild.firstElementChild.setAttribute("d", bars(data.brands[brand].x, scale, width));
      });
      const cuts = verticals(data.cuts, scale, width), edges = verticals(data.chunks.slice(1).map((c) => c[0]), scale, width);
      const path = (places) => [...places].map((at) => `M${at + .5} 0v1`).join("");
      byId("cuts").parentNode.setAttribute("viewBox", `0 0 ${width} 1`);
      byId("cuts").setAttribute("d", path(cuts));
      byId("cuts").style.strokeOpacity = clamp(width / 9 / (cuts.size || 1), .12, 1);
      byId("edges").setAttribute("d", path(edges));
      drawAxis(scale, width);
      all("#chunks span").forEach((span, index) => {
        const start = data.chunks[index][0], end = index + 1 < data.chunks.length ? data.chunks[index + 1][0] : data.duration;
        span.hidden = end <= view.from || start >= view.to;
        const percent = (ms) => `${clamp((100 * ms) / (view.to - view.from), 0, 100)}%`;
        span.style.left = percent(start - view.from);
        span.style.maxWidth = percent(Math.min(end, view.to) - Math.max(start, view.from));
      });
      chart.classList.toggle("zoomed", view.to - view.from < data.duration);
      const seen = byId("window");
      if (seen) {
        seen.style.left = `${(100 * view.from) / data.duration}%`;
        seen.style.width = `${(100 * (view.to - view.from)) / data.duration}%`;
      }
    };
    let waiting = false;
    const redraw = () => {
      if (waiting) return;
      waiting = true;
      requestAnimationFrame(() => { waiting = false; drawAll(); });
    };
    const show = (from, to) => {
      const span = clamp(to - from, least, data.duration);
      view.from = clamp(from, 0, data.duration - span);
      view.to = view.from + span;
      redraw();
    };
    const zoom = (factor, around = (view.from + view.to) / 2) =>
      show(around - (around - view.from) * factor, around + (view.to - around) * factor);
    byId("zoom-in").onclick = () => zoom(.5);
    byId("zoom-out").onclick = () => zoom(2);
    byId("zoom-all").onclick = () => show(0, data.duration);
    new ResizeObserver(redraw).observe(byId("axis"));

    const timeAt = (track, x) => {
      const area = track.getBoundingClientRect();
      return view.from + ((x - area.left) / area.width) * (view.to - view.from);
    };
    chart.addEventListener("wheel", (event) => {
      const track = event.target.closest(".track");
      if (!track || !(event.ctrlKey || event.metaKey)) return;
      event.preventDefault();
      zoom(event.deltaY > 0 ? 1.25 : .8, timeAt(track, event.clientX));
    }, { passive: false });

    const film = byId("film");
    if (film) {
      let from = null;
      const at = (event) => clamp((event.clientX - film.getBoundingClientRect().left) / film.clientWidth, 0, 1) * data.duration;
      film.onpointerdown = (event) => { from = at(event); film.setPointerCapture(event.pointerId); };
      film.onpointermove = (event) => { if (from !== null && Math.abs(at(event) - from) > data.duration / 200) show(Math.min(from, at(event)), Math.max(from, at(event))); };
      film.onpointerup = film.onpointercancel = (event) => {
        const half = (view.to - view.from) / 2;
        if (from !== null && Math.abs(at(event) - from) <= data.duration / 200) show(at(event) - half, at(event) + half);
        from = null;
      };
    }

    // ---- pointing, stepping, opening
    const nearest = (brand, ms, reach) => {
      const flat = data.brands[brand].x;
      let low = 0, high = countOf(brand) - 1;
      while (low < high) {
        const middle = (low + high + 1) >> 1;
        if (flat[middle * FIELDS] <= ms) low = middle; else high = middle - 1;
      }
      const away = (index) => index < 0 || index >= countOf(brand) ? Infinity
        : Math.max(flat[index * FIELDS] - ms, ms - flat[index * FIELDS] - flat[index * FIELDS + 1], 0);
      const best = away(low + 1) < away(low) ? low + 1 : low;
      return away(best) <= reach ? best : -1;
    };
    const say = (brand, index) => {
      const one = exposure(brand, index);
      return [data.brands[brand].name, `${clock(one.start, 2)} – ${clock(one.end, 2)}, ${(one.length / 1000).toFixed(1)} s`,
        `confidence ${(one.confidence / 100).toFixed(2)}, size ${size(one.size)}, by ${one.found}`];
    };
    const showTip = (x, y, brand, index) => {
      const [name, times, rest] = say(brand, index);
      tip.textContent = "";
      const title = tip.appendChild(document.createElement("b"));
      title.dir = "auto";
      title.textContent = name;
      tip.append(times, document.createElement("br"));
      tip.appendChild(document.createElement("span")).textContent = rest;
      tip.hidden = false;
      tip.style.left = `${clamp(x + 14, 8, innerWidth - tip.offsetWidth - 8)}px`;
      tip.style.top = `${y + 22 + tip.offsetHeight > innerHeight ? y - tip.offsetHeight - 14 : y + 22}px`;
    };
    const cursor = byId("cursor");
    const leave = () => { tip.hidden = true; cursor.hidden = true; };
    tracks.forEach((track, brand) => {
      let chosen = -1;
      const reach = () => (5 * (view.to - view.from)) / widthOf();
      track.onpointermove = (event) => {
        const area = byId("lanes").getBoundingClientRect();
        cursor.hidden = false;
        cursor.style.left = `${event.clientX - area.left}px`;
        const index = nearest(brand, timeAt(track, event.clientX), reach());
        if (index < 0) tip.hidden = true; else showTip(event.clientX, event.clientY, brand, index);
      };
      track.onpointerleave = leave;
      track.onclick = (event) => {
        const index = nearest(brand, timeAt(track, event.clientX), reach());
        if (index >= 0) open(brand, index);
      };
      track.onblur = leave;
      track.onkeydown = (event) => {
        const last = countOf(brand) - 1;
        const to = { ArrowRight: chosen + 1, ArrowUp: chosen + 1, ArrowLeft: chosen - 1, ArrowDown: chosen - 1, Home: 0, End: last }[event.key];
        if (event.key === "Enter" && chosen >= 0) return void open(brand, chosen);
        if (event.key === "Escape") return leave();
        if (to === undefined) return;
        event.preventDefault();
        chosen = clamp(to, 0, last);
        const one = exposure(brand, chosen), half = (view.to - view.from) / 2;
        if (one.start < view.from || one.start > view.to) show(one.start - half, one.start + half);
        track.setAttribute("aria-valuenow", chosen + 1);
        track.setAttribute("aria-valuetext", `${chosen + 1} of ${last + 1}: ${say(brand, chosen).slice(1).join(", ")}`);
        requestAnimationFrame(() => requestAnimationFrame(() => {
          const area = track.getBoundingClientRect();
          const x = area.left + ((one.start - view.from) / (view.to - view.from)) * area.width;
          cursor.hidden = false;
          cursor.style.left = `${x - byId("lanes").getBoundingClientRect().left}px`;
          showTip(x, area.bottom - 18, brand, chosen);
        }));
      };
    });
    drawAll();

    const find = byId("find");
    if (find) find.oninput = () => {
      const wanted = find.value.trim().toLowerCase();
      for (const part of all("[data-brand]")) part.hidden = !data.brands[part.dataset.brand].name.toLowerCase().includes(wanted);
    };
  }

  // ---- all exposures of a brand, made when they are first looked at
  const HEADINGS = ["#", "From", "To", "Seconds", "Confidence", "Size", "Found by", "Source", "Source from"];
  const fill = (details) => {
    const brand = Number(details.closest("[data-brand]").dataset.brand), place = details.querySelector(".scroll");
    if (place.firstChild) return;
    const table = document.createElement("table"), head = table.createTHead().insertRow(), body = table.createTBody();
    HEADINGS.forEach((words, column) => {
      const cell = head.appendChild(document.createElement("th"));
      cell.scope = "col";
      cell.textContent = words;
      if (column < 6 || column === 8) cell.className = "n";
    });
    for (let index = 0; index < countOf(brand); index++) {
      const one = exposure(brand, index), row = body.insertRow();
      const cells = [index + 1, clock(one.start, 3), clock(one.end, 3), (one.length / 1000).toFixed(3),
        (one.confidence / 100).toFixed(2), size(one.size), one.found, one.source, clock(one.media, 3)];
      cells.forEach((words, column) => {
        const cell = row.insertCell();
        cell.textContent = words;
        if (column < 6 || column === 8) cell.className = "n";
      });
    }
    place.appendChild(table);
  };
  for (const details of all("details.all")) details.addEventListener("toggle", () => { if (details.open) fill(details); });

  const open = (brand, index) => {
    for (const shown of all(".shown")) shown.classList.remove("shown");
    let target = byId(`e-${brand}-${index}`);
    if (!target) {
      const details = byId(`brand-${brand}`).querySelector("details.all");
      details.open = true;
      fill(details);
      target = details.querySelector("tbody").rows[index];
      target.tabIndex = -1;
    }
    target.classList.add("shown");
    tip.hidden = true;
    byId(`brand-${brand}`).scrollIntoView({ behavior: "instant" });
    target.scrollIntoView({ block: "center", behavior: "instant" });
    target.focus({ preventScroll: true });
  };

  // ---- tables that sort
  for (const table of all("table.sortable")) {
    const heads = [...table.tHead.rows[0].cells], body = table.tBodies[0];
    const valueOf = (row, column) => {
      const cell = row.cells[column];
      return cell.dataset.v === undefined ? cell.textContent.trim() : Number(cell.dataset.v);
    };
    heads.forEach((head, column) => {
      const button = document.createElement("button");
      button.type = "button";
      button.append(...head.childNodes);
      head.appendChild(button);
      button.onclick = () => {
        const numbers = head.classList.contains("n");
        const down = head.getAttribute("aria-sort") ? head.getAttribute("aria-sort") === "ascending" : numbers;
        heads.forEach((other) => other.removeAttribute("aria-sort"));
        head.setAttribute("aria-sort", down ? "descending" : "ascending");
        const rows = [...body.rows].map((row) => [valueOf(row, column), row]);
        rows.sort(([a], [b]) => (numbers ? a - b : a.localeCompare(b)) * (down ? -1 : 1));
        body.append(...rows.map(([, row]) => row));
      };
    });
  }
})();
