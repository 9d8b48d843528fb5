// Figures as tables, beside real music; the course of trainings; what differs between runs.
"use strict";

function table(caption, columns, rows) {
  return el(
    "div",
    { class: "scroll", tabindex: 0, role: "region", "aria-label": caption },
    el(
      "table",
      {},
      el("caption", {}, caption),
      el("thead", {}, el("tr", {}, columns.map((name) => el("th", { scope: "col" }, name)))),
      el(
        "tbody",
        {},
        rows.map(([name, ...cells]) =>
          el("tr", {}, el("th", { scope: "row" }, name), cells.map((cell) => el("td", {}, cell))),
        ),
      ),
    ),
  );
}

// Mean and standard deviation of several sets of music on one scale.
function ranges(values) {
  const known = values.filter(Boolean);
  const low = Math.min(...known.map(([mean, spread]) => mean - spread));
  const high = Math.max(...known.map(([mean, spread]) => mean + spread));
  const across = (value) => 4 + (92 * (value - low)) / Math.max(high - low, 1e-9);
  const lines = known.map(([mean, spread], row) => {
    const y = 5 + 8 * row;
    return [
      svg("line", { class: `set-${row}`, x1: `${across(mean - spread)}%`, x2: `${across(mean + spread)}%`, y1: y, y2: y }),
      svg("circle", { class: `set-${row}`, cx: `${across(mean)}%`, cy: y, r: 3.2 }),
    ];
  });
  return svg("svg", { class: "ranges", height: 8 * known.length + 2, "aria-hidden": "true" }, lines.flat());
}

function spread(value) {
  return value ? `${short(value[0])} ± ${short(value[1])}` : "–";
}

// What a musician would count, in compositions and in songs.
function drawCounted(counted) {
  const rows = counted.rows.map(({ name, values }) => [name, ...values.map(spread), ranges(values)]);
  const sets = counted.sets.map((name, row) =>
    el("span", {}, svg("svg", { class: "swatch", "aria-hidden": "true" }, svg("circle", { class: `set-${row}`, cx: 6, cy: 6, r: 4 })), name),
  );
  return table(counted.title, ["", ...sets, "on one scale"], rows);
}

// Numbers of each run; with several runs, how far each is from the first.
function drawNumbers(numbers, runs) {
  const rows = numbers.rows.map(({ name, values }) => {
    const cells = values.map((value, run) => {
      const first = values[0];
      if (!run || typeof value !== "number" || typeof first !== "number") return written(value);
      const difference = value - first;
      const sign = difference > 0 ? "+" : difference < 0 ? "−" : "±";
      return el("span", {}, written(value), el("small", { class: "difference" }, ` ${sign}${short(Math.abs(difference))}`));
    });
    return [name, ...cells];
  });
  return table(numbers.title, ["", ...runs], rows);
}

function written(value) {
  return typeof value === "number" ? short(value) : value === null || value === undefined ? "–" : String(value);
}

// The losses of a training: one line for what is learned, one for what is validated, for each run.
function drawCurve(curve, runs) {
  const all = curve.lines.flatMap((line) => line.points);
  const [width, height, left, bottom] = [420, 190, 46, 24];
  const xs = all.map((point) => point[0]);
  const ys = all.flatMap((point) => point.slice(1)).filter((value) => value !== null);
  const [x0, x1] = [Math.min(...xs), Math.max(...xs)];
  const [y0, y1] = [Math.min(...ys), Math.max(...ys)];
  const across = (x) => left + ((width - left - 8) * (x - x0)) / Math.max(x1 - x0, 1e-9);
  const down = (y) => 8 + (height - bottom - 16) * (1 - (y - y0) / Math.max(y1 - y0, 1e-9));
  const path = (points, column) =>
    points
      .filter((point) => point[column] !== null)
      .map((point, place) => `${place ? "L" : "M"}${across(point[0]).toFixed(1)} ${down(point[column]).toFixed(1)}`)
      .join("");
  const last = curve.lines.map((line) => line.points.at(-1));
  const about = last.map((point, run) => `${runs[run]}: ${short(point[2])} after ${point[0]} steps`).join("; ");
  const chart = svg(
    "svg",
    { class: "curve", viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": `${curve.title}: ${about}` },
    [y0, (y0 + y1) / 2, y1].map((y) => [
      svg("line", { class: "rule", x1: left, x2: width - 8, y1: down(y), y2: down(y) }),
      svg("text", { x: left - 5, y: down(y) + 4, "text-anchor": "end" }, short(y)),
    ]),
    (x1 > x0 ? [x0, x1] : [x0]).map((x, end) =>
      svg("text", { x: across(x), y: height - 6, "text-anchor": end ? "end" : "start" }, String(x)),
    ),
    curve.lines.map((line, run) => [
      svg("path", { class: `learned line-${run % 8}`, d: path(line.points, 1) }),
      svg("path", { class: `line-${run % 8}`, d: path(line.points, 2) }),
      line.points.map((point) =>
        svg("circle", { class: `line-${run % 8}`, cx: across(point[0]), cy: down(point[2]), r: 2.5 }),
      ),
    ]),
  );
  const key =
    runs.length > 1
      ? el("span", { class: "legend" }, runs.map((name, run) => el("span", {}, el("span", { class: `stroke line-${run % 8}` }), name)))
      : null;
  return el(
    "figure",
    {},
    chart,
    el("figcaption", {}, `${curve.title}, ${curve.unit}; thin: what is learned, thick: validation`, key),
  );
}

function drawFigures(data) {
  const { figures, runs } = data;
  const changes = data.changes.length
    ? table("What differs in params.yaml", ["", ...runs], data.changes.map(([name, ...values]) => [name, ...values.map(written)]))
    : null;
  const whose = runs.length > 1 ? `, of ${runs[0]}` : "";
  const plots = figures.plots.map((plot) =>
    el(
      "figure",
      { class: "plot" },
      el("img", { src: plot.picture, alt: plot.alt, loading: "lazy" }),
      el("figcaption", {}, plot.title + whose),
    ),
  );
  return el(
    "section",
    { id: "figures", "aria-labelledby": "figures-title" },
    el("h2", { id: "figures-title" }, "Figures"),
    el("p", { class: "about" }, "What can be counted. Numbers do not hear; use them beside your ears."),
    changes,
    figures.counted.map(drawCounted),
    el("div", { class: "grid" }, figures.numbers.map((numbers) => drawNumbers(numbers, runs))),
    figures.curves.length ? el("h3", {}, "Trainings") : null,
    el("div", { class: "grid" }, figures.curves.map((curve) => drawCurve(curve, curve.runs))),
    el("div", { class: "grid" }, plots),
  );
}
