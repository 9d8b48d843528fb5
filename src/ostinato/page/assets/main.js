// Puts the page together from what data.js says.
"use strict";

function drawTransport(player) {
  const play = el("button", { type: "button", class: "play", onclick: () => player.toggle() });
  const step = (count, label, sign) =>
    el("button", { type: "button", "aria-label": label, onclick: () => player.step(count) }, sign);
  const title = el("span", { class: "title", role: "status" });
  const time = el("span", { class: "time" });
  const loop = el("button", { type: "button", class: "loop", onclick: () => player.again() }, "Loop");
  const missing = el("span", { class: "missing", role: "alert" });
  const bar = document.getElementById("transport");
  const moves = [step(-1, "A bar back", "◀◀"), step(1, "A bar on", "▶▶"), loop];
  bar.append(moves[0], play, moves[1], loop, title, time, missing);

  function show() {
    const { version } = player;
    if (!version) return;
    bar.hidden = false;
    play.textContent = player.playing ? "❚❚" : "▶";
    play.setAttribute("aria-label", player.playing ? "Pause" : "Play");
    loop.setAttribute("aria-pressed", Boolean(player.loop));
    const name = player.item.versions.length > 1 ? ` – ${version.name}` : "";
    if (title.textContent !== player.item.title + name) title.textContent = player.item.title + name;
    for (const button of moves) button.hidden = Boolean(version.part);
    const now = spoken(version, player.seconds) + (player.later === null ? "" : ": it ends here");
    if (time.textContent !== now) time.textContent = now;
  }

  for (const what of ["load", "choose", "change", "frame"]) player.addEventListener(what, show);
  for (const what of ["load", "choose", "frame"]) {
    player.addEventListener(what, () => (missing.textContent = ""));
  }
  player.addEventListener("missing", () => {
    missing.textContent = `${player.version.audio} cannot be played: the folder of this page is not whole`;
  });
}

// Space plays and stops, wherever it means nothing else; after a click, on buttons, too.
function listenForSpace(player) {
  let clicked = false;
  addEventListener("pointerdown", () => (clicked = true), true);
  const handled = (event) => {
    if (event.key !== " ") {
      if (event.key === "Tab") clicked = false;
      return false;
    }
    if (event.ctrlKey || event.altKey || event.metaKey || event.shiftKey || !player.item) return false;
    const own = event.target.closest("button, a, input, summary, select, textarea, [role=slider]");
    return !own || (clicked && own.tagName === "BUTTON");
  };
  document.addEventListener("keydown", (event) => {
    if (!handled(event)) return;
    event.preventDefault();
    if (!event.repeat) player.toggle();
  });
  // A button acts when the key is released.
  document.addEventListener("keyup", (event) => handled(event) && event.preventDefault());
}

// While a training goes on, stamp.js says how often the page was written. It is read again at once
// if nobody is using it; otherwise a button says that there is something new.
function listenForMore(data, player, place) {
  const show = el("button", { type: "button", hidden: true, onclick: () => location.reload() }, "Show what is new");
  place.prepend(el("p", { role: "status" }, show));
  window.stamped = (stamp) => {
    if (stamp === data.stamp) return;
    const used = player.item || document.activeElement !== document.body || scrollY > 0;
    if (used) show.hidden = false;
    else location.reload();
  };
  setInterval(() => {
    const script = el("script", { src: `stamp.js?${Date.now()}` });
    script.addEventListener("load", () => script.remove());
    script.addEventListener("error", () => script.remove());
    document.head.append(script);
  }, 1000 * data.reload);
}

function main(data) {
  document.title = data.title;
  document.querySelector("h1").textContent = data.title;
  const player = new Player();
  window.player = player;
  drawTransport(player);
  const makers = data.shelves.map((shelf) => () => new Viewer(shelf, player).node);
  if (data.blind.length) makers.push(() => new BlindTest(data.blind, player, data.runs[0]).node);
  const { counted, numbers, curves, plots } = data.figures;
  if ([counted, numbers, curves, plots].some((list) => list.length)) makers.push(() => drawFigures(data));
  if (data.systems) makers.push(() => drawSystems(data.systems, player));
  const notes = makers.length ? [...data.notes] : [...data.notes, "Nothing was made yet: run dvc repro."];
  const sections = [];
  for (const make of makers) {
    // What is wrong with one section does not hide the others.
    try {
      sections.push(make());
    } catch (error) {
      console.error(error);
      notes.push(`A part of this page could not be drawn: ${error.message}`);
    }
  }
  const place = document.getElementById("main");
  place.replaceChildren(...notes.map((note) => el("p", { class: "note-line" }, note)), ...sections);
  document.getElementById("nav").append(
    ...sections.map((section) => el("li", {}, el("a", { href: `#${section.id}` }, section.querySelector("h2").textContent))),
  );
  listenForSpace(player);
  if (data.reload) listenForMore(data, player, place);
}

main(DATA);
