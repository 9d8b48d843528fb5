// The systems compared: a table to sort and to filter, whose rows can be heard where there is sound.
"use strict";

function drawSystems(systems, player) {
  let order = { column: systems.sorted, down: false };
  const body = el("tbody");
  const heads = systems.columns.map((column, index) => {
    const button = el(
      "button",
      {
        type: "button",
        onclick: () => {
          order = { column: index, down: order.column === index ? !order.down : false };
          sort();
        },
      },
      column.name,
    );
    return el("th", { scope: "col" }, button);
  });
  const rows = systems.rows.map((row) => {
    const cells = row.values.map((value, index) => {
      const text = typeof value === "number" ? short(value) : value === null ? "–" : value;
      return index ? el("td", {}, text) : el("th", { scope: "row" }, hear(row, text, player));
    });
    return { row, node: el("tr", {}, cells) };
  });

  // Better first; what is unknown last.
  function sort() {
    const { column, down } = order;
    const sign = (systems.columns[column].better === "high" ? -1 : 1) * (down ? -1 : 1);
    const unknown = (value) => value === null || value === "";
    rows.sort((one, other) => {
      const [a, b] = [one.row.values[column], other.row.values[column]];
      if (unknown(a) || unknown(b)) return unknown(a) - unknown(b);
      if (typeof a === "number") return sign * (a - b);
      return sign * a.localeCompare(b, "en", { numeric: true });
    });
    body.replaceChildren(...rows.map((each) => each.node));
    heads.forEach((head, index) => {
      head.setAttribute("aria-sort", index === column ? (sign < 0 ? "descending" : "ascending") : "none");
    });
  }

  const count = el("span", { role: "status" });
  function filter(text) {
    const wanted = text.toLowerCase();
    let shown = 0;
    for (const { node } of rows) {
      const found = node.textContent.toLowerCase().includes(wanted);
      node.hidden = !found;
      shown += found;
    }
    count.textContent = `${shown} of ${rows.length}`;
  }

  const search = el("input", { type: "search", id: "filter", oninput: (event) => filter(event.target.value) });
  sort();
  filter("");
  return el(
    "section",
    { id: "systems", "aria-labelledby": "systems-title" },
    el("h2", { id: "systems-title" }, "Systems"),
    el("p", { class: "about" }, systems.about),
    el(
      "details",
      {},
      el("summary", {}, "What the columns say"),
      el("ul", {}, systems.columns.map((column) => el("li", {}, el("b", {}, column.name), `: ${column.about}`))),
    ),
    el("p", {}, el("label", { for: "filter" }, "Show those with "), search, " ", count),
    el(
      "div",
      { class: "scroll tall", tabindex: 0, role: "region", "aria-label": "Systems compared" },
      el("table", {}, el("thead", {}, el("tr", {}, heads)), body),
    ),
  );
}

function hear(row, text, player) {
  if (!row.audio) return text;
  const item = { title: row.values[0], versions: [{ name: row.values[0], audio: row.audio, seconds: row.seconds }] };
  return el(
    "button",
    {
      type: "button",
      class: "hear",
      onclick: () => {
        if (player.item === item) player.toggle();
        else {
          player.load(item);
          player.play();
        }
      },
    },
    `▶ ${text}`,
  );
}
