"use strict";
// What a reader has chosen is `chosen`; tables and plots follow from it and from the data, and are
// made again from both when a live page is renewed. Text is only ever set as text.
(() => {
  const byId = (id) => document.getElementById(id);
  const chosen = {
    sorts: {}, hidden: new Set(), filter: "", verdict: "", off: new Set(), step: Infinity,
    quantity: "test_top1_error", axis: "ends", smoothing: 0, bands: true, lines: false,
    seedsLog: false,
  };
  let data = JSON.parse(byId("data").textContent);
  let averaged = new Map();

  // ---- elements -----------------------------------------------------------------------------

  function filled(element, attributes, children) {
    for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
    element.append(...children);
    return element;
  }
  const html = (tag, attributes = {}, ...children) =>
    filled(document.createElement(tag), attributes, children);
  const svg = (tag, attributes = {}, ...children) =>
    filled(document.createElementNS("http://www.w3.org/2000/svg", tag), attributes, children);

  const told = (value, unit) =>
    value === null || value === undefined ? "–"
      : unit === "%" ? value.toFixed(2) : Number(value.toPrecision(3)).toString();
  const whole = (number) => Math.round(number).toLocaleString("en");
  const colour = (i) => data.variants.length <= 8 ? `var(--c${i})`
    : `hsl(${Math.round(360 * i / data.variants.length)} 62% var(--lightness))`;
  const dashes = (i) => data.variants.length <= 8 ? "" : ["", "6 3", "2 3"][i % 3];

  // ---- tables: order, filter, columns -------------------------------------------------------

  const headsOf = (table) => [...table.tHead.rows[0].cells];
  const rowsOf = (table) => [...table.tBodies[0].rows];

  function dress(table) {
    for (const head of table.tHead.querySelectorAll("th[data-key]")) {
      const button = html("button", { type: "button" }, head.textContent);
      button.addEventListener("click", () => turn(table.id, head.dataset.key));
      head.replaceChildren(button);
    }
    rowsOf(table).forEach((row, i) => { row.dataset.order = i; });
  }

  function turn(id, key) {
    const last = chosen.sorts[id];
    const next = !last || last.key !== key ? "ascending"
      : last.direction === "ascending" ? "descending" : null;
    chosen.sorts[id] = next && { key, direction: next };
    sort(byId(id));
  }

  function sort(table) {
    const by = chosen.sorts[table.id];
    const heads = headsOf(table);
    const column = by ? heads.findIndex((head) => head.dataset.key === by.key) : -1;
    heads.forEach((head, i) => {
      if (i === column) head.setAttribute("aria-sort", by.direction);
      else head.removeAttribute("aria-sort");
    });
    const rows = rowsOf(table);
    const order = (row) => Number(row.dataset.order);
    rows.sort((a, b) => (column < 0 ? 0 : compared(a.cells[column], b.cells[column], by.direction))
      || order(a) - order(b));
    table.tBodies[0].append(...rows);
  }

  // Numbers by their size, text as people sort it; what is empty comes last either way.
  function compared(one, other, direction) {
    const [a, b] = [one.dataset.value, other.dataset.value];
    if (a === "" || b === "") return (a === "") - (b === "");
    const numeric = one.classList.contains("number");
    const sign = numeric ? Number(a) - Number(b) : a.localeCompare(b, "en", { numeric: true });
    return direction === "ascending" ? sign : -sign;
  }

  const results = () => byId("results-table");
  const visible = () => rowsOf(results()).filter((row) => !row.hidden)
    .map((row) => Number(row.dataset.row)).sort((a, b) => a - b);

  function filter() {
    const words = chosen.filter.toLowerCase().split(/\s+/).filter(Boolean);
    for (const row of rowsOf(results())) {
      const text = row.textContent.toLowerCase();
      row.hidden = !words.every((word) => text.includes(word))
        || (chosen.verdict !== "" && row.dataset.verdict !== chosen.verdict);
    }
    const shown = visible().length, all = rowsOf(results()).length;
    byId("shown").textContent = shown === all ? "" : `${shown} of ${all} variants`;
  }

  function hide() {
    headsOf(results()).forEach((head, i) => {
      for (const row of results().rows) {
        row.cells[i].classList.toggle("hidden", chosen.hidden.has(head.dataset.key));
      }
    });
  }

  function offerColumns() {
    const keys = headsOf(results()).map((head) => head.dataset.key).join();
    if (byId("columns").dataset.keys === keys) return;
    byId("columns").dataset.keys = keys;
    const boxes = headsOf(results()).filter((head) => head.dataset.key !== "variant").map((head) => {
      const box = html("input", { type: "checkbox", value: head.dataset.key });
      box.checked = !chosen.hidden.has(head.dataset.key);
      box.addEventListener("change", () => {
        chosen.hidden[box.checked ? "delete" : "add"](box.value);
        hide();
      });
      return html("label", {}, box, ` ${head.textContent}`);
    });
    byId("columns").replaceChildren(html("legend", {}, "Columns shown"), ...boxes);
  }

  function offerVerdicts() {
    const words = [...new Set([chosen.verdict, ...rowsOf(results()).map((row) => row.dataset.verdict)])]
      .filter(Boolean).sort();
    byId("verdict-choice").hidden = words.length < 2 && !chosen.verdict;
    const options = words.map((word) => html("option", { value: word }, word));
    byId("filter-verdict").replaceChildren(html("option", { value: "" }, "any"), ...options);
    byId("filter-verdict").value = chosen.verdict;
  }

  // ---- scales -------------------------------------------------------------------------------

  function ticks(low, high, count, log = false) {
    if (log) return decades(low, high);
    const rough = (high - low) / count;
    const power = 10 ** Math.floor(Math.log10(rough));
    const size = power * [1, 2, 5, 10].find((factor) => factor * power >= rough);
    const found = [];
    for (let i = Math.ceil(low / size - 1e-9); i * size <= high + 1e-9 * size; i++) {
      found.push(Number((i * size).toPrecision(12)));
    }
    return found;
  }

  function decades(low, high) {
    const found = [];
    for (let power = Math.floor(Math.log10(low)); power <= Math.log10(high); power++) {
      for (const factor of [1, 2, 5]) {
        const tick = Number((factor * 10 ** power).toPrecision(3));
        if (tick >= low && tick <= high) found.push(tick);
      }
    }
    return found;
  }

  // Where a value from low to high lies between two places; logarithmic, no lower than low.
  function scale(low, high, from, to, log = false) {
    const of = (value) => log ? Math.log(Math.max(value, low)) : value;
    return (value) => from + (to - from) * (of(value) - of(low)) / ((of(high) - of(low)) || 1);
  }

  const median = (values) => [...values].sort((a, b) => a - b)[values.length >> 1];

  // ---- every seed ---------------------------------------------------------------------------

  function drawSeeds() {
    const place = byId("seeds-plot"), variants = visible().map((i) => [data.variants[i], i]);
    const seen = variants.flatMap(([v]) => [...v.errors.map(([, error]) => error), v.published])
      .filter((value) => value !== null);
    if (!seen.length) return place.replaceChildren(html("p", {}, "No run has an error yet."));
    const width = place.clientWidth || 700, narrow = width < 560;
    const longest = Math.max(...variants.map(([v]) => v.label.length));
    const gutter = narrow ? 4 : Math.min(0.32 * width, 14 + 7 * longest);
    const row = narrow ? 42 : 26, height = row * variants.length + 34;
    const [low, high] = seedsRange(seen), log = chosen.seedsLog && low > 0;
    const x = scale(low, high, gutter + 6, width - 56, log);
    const drawing = svg("svg", { viewBox: `0 0 ${width} ${height}`, role: "img",
      "aria-label": `Test error of each seed. ${variants.map(([v]) => seedsTold(v)).join(" ")}` });
    for (const tick of ticks(low, high, narrow ? 4 : 7, log)) {
      drawing.append(svg("line", { class: "grid", x1: x(tick), x2: x(tick), y1: 0, y2: height - 28 }),
        svg("text", { x: x(tick), y: height - 10, "text-anchor": "middle" }, `${tick} %`));
    }
    variants.forEach(([variant, i], n) => {
      drawing.append(seedRow(variant, i, x, n * row + (narrow ? 28 : 15), [low, high],
        { narrow, gutter, width }));
    });
    place.replaceChildren(drawing);
  }

  function seedsRange(seen) {
    const [low, high] = [Math.min(...seen), Math.max(...seen)];
    if (chosen.seedsLog && low > 0) return [low / 1.2, Math.min(100, high * 1.2)];
    const room = 0.12 * (high - low) || 0.5;
    return [Math.max(0, low - room), Math.min(100, high + room)];
  }

  // Whether some errors are so much larger that the others would be one spot.
  function spread() {
    const seen = data.variants.flatMap((variant) => variant.errors.map(([, error]) => error));
    return seen.length > 1 && Math.min(...seen) > 0 && Math.max(...seen) > 10 * Math.min(...seen);
  }

  function seedsTold(variant) {
    const errors = variant.errors.map(([, error]) => error);
    if (!errors.length) return `${variant.label}: no error yet.`;
    const mean = variant.mean === null ? "no mean" : `mean ${told(variant.mean, "%")}`;
    return `${variant.label}: ${mean}, from ${told(Math.min(...errors), "%")} to `
      + `${told(Math.max(...errors), "%")} over ${errors.length}.`;
  }

  function seedRow(variant, i, x, y, [low, high], { narrow, gutter, width }) {
    const inside = (value) => x(Math.max(low, Math.min(high, value)));
    const row = svg("g", { stroke: colour(i), fill: colour(i) });
    const label = svg("text", { class: "label", stroke: "none", x: narrow ? gutter : gutter - 8,
      y: narrow ? y - 14 : y + 4, "text-anchor": narrow ? "start" : "end" },
    shortened(variant.label, narrow ? 44 : Math.floor((gutter - 14) / 6.4)));
    label.append(svg("title", {}, variant.label));
    row.append(label);
    if (variant.interval) {
      const [from, to] = variant.interval;
      row.append(svg("line", { x1: inside(from), x2: inside(to), y1: y, y2: y, "stroke-width": 1.5 },
        svg("title", {}, `95 % interval of the mean: ${told(from, "%")} to ${told(to, "%")}`)));
      for (const end of [from, to].filter((value) => value >= low && value <= high)) {
        row.append(svg("line", { x1: x(end), x2: x(end), y1: y - 3, y2: y + 3, "stroke-width": 1.5 }));
      }
    }
    for (const [seed, error] of variant.errors) {
      row.append(svg("circle", { cx: x(error), cy: y, r: 4, "fill-opacity": 0.55, stroke: "none" },
        svg("title", {}, `seed ${seed}: ${told(error, "%")} %`)));
    }
    if (variant.mean !== null) {
      row.append(svg("line", { x1: x(variant.mean), x2: x(variant.mean), y1: y - 8, y2: y + 8,
        "stroke-width": 2.5 }));
    }
    if (variant.published !== null) row.append(diamond(x(variant.published), y, variant.published));
    const diverged = variant.runs.filter((run) => run.state === "diverged").length;
    const end = diverged ? `${diverged} div.` : told(variant.mean, "%");
    row.append(svg("text", { class: "label", stroke: "none", x: width - 2, y: y + 4,
      "text-anchor": "end" }, end));
    return row;
  }

  const shortened = (text, most) => text.length > most ? `${text.slice(0, most - 1)}…` : text;

  const diamond = (x, y, value) => svg("path", { d: `M${x} ${y - 6}l6 6l-6 6l-6 -6z`, fill: "none",
    "stroke-width": 1.6 }, svg("title", {}, `published: ${told(value, "%")} %`));

  // ---- curves -------------------------------------------------------------------------------

  // An exponential mean that begins without a bias, as TensorBoard has it.
  function smoothed(values, weight) {
    if (!weight) return values;
    let sum = 0, mass = 0;
    return values.map((value) => {
      sum = weight * sum + (1 - weight) * value;
      mass = weight * mass + (1 - weight);
      return sum / mass;
    });
  }

  const curveOf = (run, key) => {
    const [place, values] = run.curves[key];
    return { steps: data.steps[place], values: smoothed(values, chosen.smoothing) };
  };

  // Runs that share a line: all that are final, or all while none is; each alone if one diverged.
  function groups(variant, key) {
    const begun = variant.runs.filter((run) => run.curves[key]);
    const final = begun.filter((run) => ["done", "diverged"].includes(run.state));
    if (final.some((run) => run.state === "diverged")) return final.map((run) => [run]);
    return [final.length ? final : begun].filter((runs) => runs.length);
  }

  function average(i, key) {
    const name = `${i} ${key} ${chosen.smoothing}`;
    if (!averaged.has(name)) {
      averaged.set(name, groups(data.variants[i], key).map((runs) => ({
        runs, ...together(runs.map((run) => curveOf(run, key))),
      })));
    }
    return averaged.get(name);
  }

  // Mean, lowest and highest at the steps that all have.
  function together(curves) {
    const alike = curves.every((curve) => curve.steps === curves[0].steps);
    const at = alike ? null : curves.map((c) => new Map(c.steps.map((step, i) => [step, c.values[i]])));
    const steps = alike ? curves[0].steps
      : curves[0].steps.filter((step) => at.every((found) => found.has(step)));
    const rows = steps.map((step, i) => curves.map((curve, n) =>
      alike ? curve.values[i] : at[n].get(step)));
    return { steps, mean: rows.map((row) => row.reduce((a, b) => a + b, 0) / row.length),
      low: rows.map((row) => Math.min(...row)), high: rows.map((row) => Math.max(...row)) };
  }

  const quantity = () => data.quantities.find((each) => each.key === chosen.quantity);
  const drawn = () => visible().filter((i) => !chosen.off.has(data.variants[i].label));
  const last = (values) => values[values.length - 1];
  const lastStep = () => Math.max(1, ...visible().flatMap((i) => data.variants[i].runs
    .flatMap((run) => Object.values(run.curves).map(([place]) => last(data.steps[place])))));

  function range(lines) {
    const means = lines.flatMap((line) => line.mean), ends = lines.map((line) => last(line.mean));
    const highest = means.reduce((a, b) => Math.max(a, b), 0) || 1;
    if (chosen.axis === "log") {
      const positive = means.filter((value) => value > 0);
      return [positive.reduce((a, b) => Math.min(a, b), highest), highest];
    }
    if (chosen.axis === "all" || !ends.length) return [0, highest];
    const middle = median(ends);
    const shown = ends.filter((end) => end <= 3 * middle + 1e-9);
    return [0, Math.min(highest, 1.7 * Math.max(...shown) || highest)];
  }

  let plot = null;

  function drawCurves() {
    const place = byId("curves-plot"), { key, name, unit } = quantity();
    const lines = drawn().flatMap((i) => average(i, key).map((line) => ({ i, ...line })))
      .filter((line) => line.steps.length);
    tellCurves(name, lines);
    plot = null;
    if (!lines.length) return place.replaceChildren(html("p", {}, "No curve to draw."));
    const width = place.clientWidth || 700, labelled = width > 620 && drawn().length <= 12;
    const height = Math.round(Math.max(230, Math.min(430, 0.5 * width)));
    const right = labelled ? width - 150 : width - 12;
    const [low, high] = range(lines), log = chosen.axis === "log";
    const y = scale(low, high * (log ? 1.05 : 1.04), height - 34, 8, log);
    const x = scale(0, lastStep(), 48, right);
    const drawing = svg("svg", { viewBox: `0 0 ${width} ${height}`, role: "img",
      "aria-label": `${name} against the step; the values stand in the table below`,
      "aria-describedby": "curves-caption" });
    drawing.append(svg("clipPath", { id: "frame" },
      svg("rect", { x: 48, y: 0, width: right - 48 + 6, height: height - 32 })));
    axes(drawing, { x, y, low, high, log, right, height, unit });
    const frame = svg("g", { "clip-path": "url(#frame)" });
    for (const line of lines) if (chosen.bands) frame.append(bandOf(line, x, y));
    if (chosen.lines) for (const i of drawn()) frame.append(...eachSeed(i, key, x, y));
    for (const line of lines) frame.append(...lineOf(line, x, y));
    const cursor = svg("line", { class: "cursor", y1: 8, y2: height - 34 });
    drawing.append(frame, cursor);
    if (labelled) drawing.append(...labels(lines, right + 8, y, height));
    drawing.addEventListener("pointermove", (event) => {
      const at = (event.clientX - drawing.getBoundingClientRect().left) * width / drawing.clientWidth;
      choose(Math.round(Math.max(0, Math.min(1, (at - 48) / (right - 48))) * lastStep()));
    });
    place.replaceChildren(drawing);
    plot = { cursor, x };
  }

  function axes(drawing, { x, y, low, high, log, right, height, unit }) {
    for (const tick of ticks(low, high, 6, log)) {
      drawing.append(svg("line", { class: "grid", x1: 48, x2: right, y1: y(tick), y2: y(tick) }),
        svg("text", { x: 42, y: y(tick) + 4, "text-anchor": "end" }, `${tick}${unit === "%" ? " %" : ""}`));
    }
    drawing.append(svg("line", { class: "axis", x1: 48, x2: right, y1: height - 34, y2: height - 34 }));
    const steps = ticks(0, lastStep(), right > 500 ? 5 : 3);
    steps.forEach((tick, n) => {
      const name = n === steps.length - 1 ? `step ${whole(tick)}` : whole(tick);
      const anchor = x(tick) > right - 30 ? "end" : "middle";
      drawing.append(svg("text", { x: x(tick), y: height - 14, "text-anchor": anchor }, name));
    });
  }

  const path = (steps, values, x, y) =>
    steps.map((step, n) => `${n ? "L" : "M"}${x(step).toFixed(1)} ${y(values[n]).toFixed(1)}`).join("");

  function bandOf(line, x, y) {
    const back = [...line.steps].reverse();
    const d = `${path(line.steps, line.high, x, y)}${path(back, [...line.low].reverse(), x, y)
      .replace("M", "L")}Z`;
    return svg("path", { d, fill: colour(line.i), "fill-opacity": 0.14 });
  }

  function lineOf(line, x, y) {
    const stroke = { stroke: colour(line.i), "stroke-width": 2, fill: "none",
      "stroke-linejoin": "round", "stroke-dasharray": dashes(line.i) };
    const [endX, endY] = [x(last(line.steps)), y(last(line.mean))];
    const parts = [svg("path", { d: path(line.steps, line.mean, x, y), ...stroke })];
    if (line.steps.length === 1) parts.push(svg("circle", { cx: endX, cy: endY, r: 3, fill: colour(line.i) }));
    if (line.runs[0].state === "diverged") {
      parts.push(svg("path", { d: `M${endX - 5} ${endY - 5}l10 10m0 -10l-10 10`, ...stroke }));
    }
    const published = data.variants[line.i].published;
    if (published !== null && chosen.quantity === "test_top1_error") {
      const mark = diamond(x(lastStep()), y(published), published);
      mark.setAttribute("stroke", colour(line.i));
      parts.push(mark);
    }
    return parts;
  }

  const eachSeed = (i, key, x, y) => data.variants[i].runs.filter((run) => run.curves[key])
    .map((run) => {
      const { steps, values } = curveOf(run, key);
      return svg("path", { d: path(steps, values, x, y), stroke: colour(i), fill: "none",
        "stroke-width": 0.8, "stroke-opacity": 0.6 }, svg("title", {}, `seed ${run.seed}`));
    });

  // Names at the ends of the lines, moved apart downwards, then back up where they leave the plot.
  function labels(lines, x, y, height) {
    const one = new Map(lines.map((line) => [line.i, line]));
    const placed = [...one.values()].map((line) => ({ line, at: Math.max(12, y(last(line.mean))) }))
      .sort((a, b) => a.at - b.at);
    placed.forEach((each, n) => { if (n) each.at = Math.max(each.at, placed[n - 1].at + 14); });
    for (let n = placed.length - 1, most = height - 36; n >= 0; n--, most -= 14) {
      placed[n].at = Math.min(placed[n].at, most);
    }
    return placed.map(({ line, at }) => svg("text", { x, y: at + 4, style: `fill: ${colour(line.i)}` },
      shortened(data.variants[line.i].name, 20) + (y(last(line.mean)) < 0 ? " ↑" : "")));
  }

  function tellCurves(name, lines) {
    const marks = chosen.quantity === "test_top1_error"
      && lines.some((line) => data.variants[line.i].published !== null);
    const several = lines.some((line) => line.runs.length > 1);
    const diverged = lines.some((line) => line.runs[0].state === "diverged");
    byId("curves-caption").textContent = [
      `${name[0].toUpperCase()}${name.slice(1)} against the step${several ? "; lines are means over seeds" : ""}`,
      several && chosen.bands ? ", bands reach from the worst to the best seed" : "",
      marks ? "; a diamond is the published number" : "",
      diverged ? "; where a run diverged (×) each seed has a line of its own" : "",
      ".",
      chosen.smoothing ? ` Smoothed: an exponential mean, weight ${chosen.smoothing} of what was before.` : "",
      data.stretch > 1 ? ` Long curves are thinned: a point is of up to ${data.stretch} recorded ones,`
        + " the mean of training batches, the last of evaluations; four digits." : "",
    ].join("");
  }

  // ---- the chosen step ----------------------------------------------------------------------

  function choose(step) {
    chosen.step = step >= lastStep() ? Infinity : step;
    tellStep();
  }

  function tellStep() {
    const most = lastStep(), step = Math.min(chosen.step, most), slider = byId("step");
    slider.max = most;
    slider.value = step;
    slider.setAttribute("aria-valuetext", `step ${whole(step)}`);
    byId("step-told").textContent = whole(step);
    if (plot) for (const end of ["x1", "x2"]) plot.cursor.setAttribute(end, plot.x(step));
    const { key, unit } = quantity();
    for (const row of rowsOf(byId("legend"))) {
      const lines = average(Number(row.dataset.row), key).filter((line) => line.steps.length);
      const found = lines.length ? at(lines, step) : [null, null, null, 0];
      found.forEach((value, n) => {
        row.cells[n + 1].textContent = n === 3 ? value : told(value, unit);
      });
    }
  }

  // Mean, lowest, highest over lines at the last points up to a step, and of how many runs.
  function at(lines, step) {
    const found = lines.map((line) => {
      let low = 0, high = line.steps.length - 1;
      while (low < high) {
        const middle = (low + high + 1) >> 1;
        if (line.steps[middle] <= step) low = middle; else high = middle - 1;
      }
      return line.steps[low] <= step ? [line.mean[low], line.low[low], line.high[low], line.runs.length] : null;
    }).filter(Boolean);
    if (!found.length) return [null, null, null, 0];
    const runs = found.reduce((sum, each) => sum + each[3], 0);
    return [found.reduce((sum, each) => sum + each[0] * each[3], 0) / runs,
      Math.min(...found.map((each) => each[1])), Math.max(...found.map((each) => each[2])), runs];
  }

  function drawLegend() {
    const lines = visible().map((i) => {
      const { label } = data.variants[i], box = html("input", { type: "checkbox" });
      box.checked = !chosen.off.has(label);
      const row = html("tr", { "data-row": i, class: box.checked ? "" : "off" }, html("th",
        { scope: "row" }, html("label", {}, box, swatch(i), label)));
      box.addEventListener("change", () => {
        chosen.off[box.checked ? "delete" : "add"](label);
        row.className = box.checked ? "" : "off";
        drawCurves();
        tellStep();
      });
      for (let n = 0; n < 4; n++) row.append(html("td", { class: "number" }));
      return row;
    });
    byId("legend").tBodies[0].replaceChildren(...lines);
  }

  const swatch = (i) => html("span", { class: "swatch", "aria-hidden": "true" },
    svg("svg", { viewBox: "0 0 24 11", width: 24, height: 11 }, svg("line", { x1: 1, x2: 23, y1: 5.5,
      y2: 5.5, stroke: colour(i), "stroke-width": 3, "stroke-dasharray": dashes(i) })));

  // ---- all together -------------------------------------------------------------------------

  function drawAll() {
    drawSeeds();
    drawLegend();
    drawCurves();
    tellStep();
  }

  function refresh() {
    averaged = new Map();
    offerColumns();
    offerVerdicts();
    for (const table of document.querySelectorAll("table.sorts")) {
      dress(table);
      sort(table);
    }
    hide();
    filter();
    drawAll();
  }

  function hear(id, kind, change) {
    byId(id).addEventListener(kind, (event) => {
      change(event.target);
      drawAll();
    });
  }

  function offerQuantities() {
    const there = data.quantities.filter(({ key }) =>
      data.variants.some((variant) => variant.runs.some((run) => run.curves[key])));
    const options = (there.length ? there : data.quantities).map(({ key, name, unit }) =>
      html("option", { value: key }, `${name}, ${unit}`));
    byId("quantity").replaceChildren(...options);
    byId("quantity").value = chosen.quantity;
    if (!byId("quantity").value) chosen.quantity = byId("quantity").value = options[0].value;
  }

  function listen() {
    hear("filter", "input", (field) => { chosen.filter = field.value; filter(); });
    hear("filter-verdict", "change", (field) => { chosen.verdict = field.value; filter(); });
    hear("quantity", "change", (field) => { chosen.quantity = field.value; });
    hear("axis", "change", (field) => { chosen.axis = field.value; });
    hear("bands", "change", (field) => { chosen.bands = field.checked; });
    hear("lines", "change", (field) => { chosen.lines = field.checked; });
    hear("smoothing", "input", (field) => {
      chosen.smoothing = Number(field.value);
      averaged = new Map();
      byId("smoothed").textContent = chosen.smoothing ? field.value : "none";
    });
    hear("seeds-log", "change", (field) => { chosen.seedsLog = field.checked; });
    hear("all-on", "click", () => chosen.off.clear());
    hear("all-off", "click", () => {
      chosen.off = new Set(visible().map((i) => data.variants[i].label));
    });
    byId("step").addEventListener("input", (event) => choose(Number(event.target.value)));
    let width = 0;
    new ResizeObserver(() => {
      if (byId("curves-plot").clientWidth !== width) {
        width = byId("curves-plot").clientWidth;
        drawAll();
      }
    }).observe(byId("curves-plot"));
    addEventListener("beforeprint", () => {
      for (const each of document.querySelectorAll("details:not([open]):not(.menu)")) {
        each.open = each.dataset.printed = true;
      }
    });
    addEventListener("afterprint", () => {
      for (const each of document.querySelectorAll("details[data-printed]")) {
        each.open = false;
        delete each.dataset.printed;
      }
    });
  }

  // ---- a live page --------------------------------------------------------------------------

  // Of all that is renewed: where the focus is in it, so that it can be given back.
  function focused() {
    const box = document.activeElement.closest("[data-live], #legend");
    const place = (all) => [...all.querySelectorAll("a, button, input")];
    const at = box ? place(box).indexOf(document.activeElement) : -1;
    return () => { if (at >= 0) place(byId(box.id))[at]?.focus({ preventScroll: true }); };
  }

  async function renew() {
    const text = await (await fetch(location.pathname, { cache: "no-store" })).text();
    const found = new DOMParser().parseFromString(text, "text/html");
    const giveBack = focused();
    for (const old of document.querySelectorAll("[data-live]")) {
      const now = found.getElementById(old.id);
      if (now) old.replaceWith(document.adoptNode(now));
    }
    data = JSON.parse(found.getElementById("data").textContent);
    offerQuantities();
    refresh();
    giveBack();
  }

  function tell(now) {
    if (byId("progress-summary").textContent !== now.summary) {
      byId("progress-summary").textContent = now.summary;
    }
    byId("progress-all").value = now.done;
    const lines = now.runs.map((run) => html("li", {}, `${run.name}: ${run.told}`));
    byId("progress-runs").replaceChildren(...lines);
  }

  // Every two seconds how far the runs are; the page itself less often, the longer it takes.
  async function look(due) {
    let wait = 2000;
    try {
      const now = await (await fetch("/progress.json", { cache: "no-store" })).json();
      tell(now);
      if (now.changed !== data.live && performance.now() >= due) {
        const began = performance.now();
        await renew();
        due = performance.now() + Math.max(5000, 10 * (performance.now() - began));
      }
    } catch {
      byId("progress-summary").textContent = "The server does not answer; what stands here stays.";
      wait = 5000;
    }
    setTimeout(look, wait, due);
  }

  document.documentElement.classList.add("scripted");
  chosen.seedsLog = byId("seeds-log").checked = spread();
  offerQuantities();
  listen();
  refresh();
  if (data.live) look(0);
})();
