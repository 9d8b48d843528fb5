// A piano roll: real elements, one for each note, with times in per cent of the whole.
"use strict";

const NOTE_NAMES = ["C", "C♯", "D", "E♭", "E", "F", "F♯", "G", "A♭", "A", "B♭", "B"];
const BLACK = new Set([1, 3, 6, 8, 10]);
const ROW = 7;
const RULER = 18;

function pitchName(pitch) {
  return `${NOTE_NAMES[pitch % 12]}${Math.floor(pitch / 12) - 1}`;
}

// `version` has `seconds`, `bars` (the seconds at which they begin) and `roll`: `notes` as [onset,
// length, pitch, part, velocity, given], `parts` as {name, drums}, `given`: seconds at the beginning
// that were not composed.
// `span` is the number of seconds that the whole width stands for.
function drawRoll(version, title, span) {
  const { notes, parts, given } = version.roll;
  const { bars } = version;
  const pitches = notes.map((note) => note[2]);
  const low = Math.min(...pitches, 127) - 2;
  const high = Math.max(...pitches, 0) + 2;
  const height = RULER + (high - low + 1) * ROW;
  const across = (seconds) => `${(100 * seconds) / span}%`;
  const down = (pitch) => RULER + (high - pitch) * ROW;
  const root = svg("svg", {
    class: "roll",
    height,
    role: "img",
    "aria-label": `Piano roll of ${title}: ${describeRoll(version)}`,
  });
  for (let pitch = low; pitch <= high; pitch += 1) {
    const kind = BLACK.has(pitch % 12) ? "black" : pitch % 12 === 0 ? "tonic" : null;
    if (kind) {
      root.append(svg("rect", { class: kind, x: 0, width: "100%", y: down(pitch), height: ROW }));
    }
  }
  if (given > 0) {
    root.append(svg("rect", { class: "given", x: 0, y: 0, width: across(given), height }));
  }
  if (version.seconds < span) {
    root.append(svg("rect", { class: "after", x: across(version.seconds), width: "100%", y: 0, height }));
  }
  const every = Math.max(1, Math.ceil(bars.length / 24));
  bars.forEach((second, number) => {
    const x = across(second);
    root.append(svg("line", { class: "bar", x1: x, x2: x, y1: 0, y2: height }));
    if (number % every === 0) {
      root.append(svg("text", { class: "number", x, y: 13, dx: 3 }, String(number + 1)));
    }
  });
  for (const [onset, length, pitch, part, velocity, heard] of notes) {
    const drums = parts[part].drums;
    const bar = lastBefore(bars, onset + 1e-6) + 1;
    const seconds = drums ? 0.06 : length * 0.96;
    root.append(
      svg(
        "rect",
        {
          class: `note part-${part % 8}${heard ? " heard" : ""}${drums ? " drum" : ""}`,
          "data-part": part,
          x: across(onset),
          style: `width: max(3px, ${across(seconds)})`,
          y: down(pitch),
          height: ROW - 1,
          rx: drums ? 3 : 1.5,
          opacity: (0.8 + 0.2 * Math.min(1, velocity / 96)).toFixed(2),
        },
        svg("title", {}, `${parts[part].name}: ${pitchName(pitch)}, bar ${bar}`),
      ),
    );
  }
  return root;
}

function describeRoll(version) {
  const { notes, parts, given } = version.roll;
  const { bars } = version;
  const names = parts.map((part) => part.name).join(", ");
  const heard = notes.filter((note) => note[5]).length;
  const begun =
    given > 0
      ? `; the first ${given.toFixed(0)} seconds were given`
      : heard > 0
        ? `; ${heard} of them were given`
        : "";
  return `${notes.length} notes in ${bars.length} bars, ${names}${begun}`;
}

// The notes bar by bar, for those who cannot see the roll.
function rollAsText(version) {
  const { notes, parts } = version.roll;
  const { bars } = version;
  const rows = bars.map((begin, number) => {
    const end = number + 1 < bars.length ? bars[number + 1] : Infinity;
    const inside = notes.filter((note) => note[0] >= begin - 1e-6 && note[0] < end - 1e-6);
    const cells = parts.map((_, part) =>
      el("td", {}, inside.filter((note) => note[3] === part).map((note) => pitchName(note[2])).join(" ")),
    );
    return el("tr", {}, el("th", { scope: "row" }, String(number + 1)), cells);
  });
  return el(
    "div",
    { class: "scroll", tabindex: 0, role: "region", "aria-label": "Notes bar by bar" },
    el(
      "table",
      {},
      el("thead", {}, el("tr", {}, el("th", { scope: "col" }, "bar"), parts.map((part) => el("th", { scope: "col" }, part.name)))),
      el("tbody", {}, rows),
    ),
  );
}

// Where a memory reads: `weights[step]` lists [steps back, weight]; `step` is a step in seconds.
function drawReading(version, span) {
  const layer = svg("svg", { class: "reading", "aria-hidden": "true" });
  let shown = -1;
  return {
    node: layer,
    at(seconds) {
      const { step, weights } = version.reading;
      const now = Math.min(Math.floor(seconds / step + 1e-6), weights.length - 1);
      if (now === shown) return;
      shown = now;
      layer.replaceChildren(
        ...(weights[now] || []).map(([back, weight]) =>
          svg("rect", {
            x: `${(100 * (now - back) * step) / span}%`,
            width: `${(100 * step) / span}%`,
            y: 0,
            height: "100%",
            opacity: (0.15 + 0.5 * Math.min(1, weight)).toFixed(2),
          }),
        ),
      );
    },
  };
}
