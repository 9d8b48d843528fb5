// A shelf of items: a list to choose from, and the chosen one, to see, to hear and to move in.
"use strict";

class Viewer {
  constructor(shelf, player) {
    this.shelf = shelf;
    this.player = player;
    this.item = null;
    this.index = 0;
    this.hidden = new Set();
    this.opened = false;
    this.place = el("div", { class: "viewer" });
    this.list = el("ol", { class: "items" }, shelf.items.map((item) => this.choice(item)));
    this.node = el(
      "section",
      { id: shelf.id, "aria-labelledby": `${shelf.id}-title` },
      el("h2", { id: `${shelf.id}-title` }, shelf.title),
      el("p", { class: "about" }, shelf.about),
      el("div", { class: "shelf" }, this.list, this.place),
    );
    player.addEventListener("frame", () => this.heard && this.move());
    for (const what of ["change", "load"]) player.addEventListener(what, () => this.move());
    player.addEventListener("choose", () => this.heard && this.draw());
    player.addEventListener("load", () => this.mark());
    this.show(shelf.items[0]);
  }

  // Whether the player has what is shown.
  get heard() {
    return this.player.item === this.item;
  }

  get version() {
    return this.item.versions[this.index];
  }

  choice(item) {
    const button = el(
      "button",
      { type: "button", onclick: () => this.start(item) },
      el("span", { class: "name" }, item.title),
      item.detail ? el("span", { class: "detail" }, item.detail) : null,
    );
    button.item = item;
    return el("li", {}, button);
  }

  start(item) {
    if (this.player.item === item) {
      this.player.toggle();
      return;
    }
    this.show(item);
    this.player.load(item, this.index);
    this.player.play();
  }

  show(item) {
    const name = this.item && this.version.name;
    this.item = item;
    // All versions are drawn on one scale.
    this.span = Math.max(...item.versions.map((version) => version.seconds));
    // On a narrow screen, a piece begins larger than the screen.
    this.zoom = 1;
    if (this.shelf.view !== "score") {
      while (this.zoom < 16 && (innerWidth * this.zoom) / this.span < 9) this.zoom *= 2;
    }
    this.index = Math.max(0, item.versions.findIndex((version) => version.name === name));
    this.hidden.clear();
    this.draw();
    this.mark();
  }

  mark() {
    for (const button of this.list.querySelectorAll("button")) {
      button.setAttribute("aria-pressed", button.item === this.item);
      button.classList.toggle("heard", button.item === this.player.item);
    }
  }

  // Take over the player, if it has something else.
  ready() {
    if (!this.heard) this.player.load(this.item, this.index);
  }

  draw() {
    if (this.heard) this.index = this.player.index;
    const left = this.window ? this.window.scrollLeft : 0;
    const inside = this.place.contains(document.activeElement);
    const moving = document.activeElement === this.strip;
    this.live = [];
    this.told = null;
    const parts = [this.heading(), this.stage(), this.legend(), this.more()];
    this.place.replaceChildren(...parts.filter(Boolean));
    this.window.scrollLeft = left;
    this.hide();
    this.move();
    // What had the focus was drawn anew.
    const pressed = moving ? null : this.place.querySelector("[aria-pressed=true]");
    if (inside) (pressed || this.strip).focus({ preventScroll: true });
  }

  heading() {
    const { item } = this;
    const buttons = item.versions.map((version, index) =>
      el(
        "button",
        {
          type: "button",
          "aria-pressed": index === this.index,
          onclick: () => this.choose(index),
        },
        version.name,
      ),
    );
    const group =
      buttons.length > 1
        ? el("div", { class: "versions", role: "group", "aria-label": "What is heard" }, buttons)
        : null;
    const play = el("button", { type: "button", class: "play", onclick: () => this.toggle() });
    this.playButton = play;
    const zoom = (factor, label, sign) =>
      el(
        "button",
        {
          type: "button",
          "aria-label": label,
          onclick: () => {
            this.zoom = Math.min(16, Math.max(1, this.zoom * factor));
            this.wide.style.width = `${100 * this.zoom}%`;
            this.follow(true);
          },
        },
        sign,
      );
    const zooms =
      this.shelf.view === "score"
        ? null
        : el("div", { class: "zoom" }, zoom(0.5, "Show more at once", "−"), zoom(2, "Show it larger", "+"));
    return el(
      "div",
      { class: "heading" },
      play,
      el("h3", {}, item.title, item.detail ? el("small", {}, ` ${item.detail}`) : null),
      group,
      zooms,
    );
  }

  choose(index) {
    if (this.heard) this.player.choose(index);
    else {
      this.index = index;
      this.draw();
    }
  }

  toggle() {
    this.ready();
    this.player.toggle();
  }

  stage() {
    const { item, version, span } = this;
    if (this.shelf.view === "score" && version.abc) {
      const score = drawScore(version, item.title, (seconds) => {
        this.ready();
        this.player.seek(seconds);
        if (!this.player.playing) this.player.play();
      });
      this.live.push(score);
      return el("div", { class: "paper" }, score.node, this.slider([el("div", { class: "line" })]));
    }
    const picture = version.roll ? drawRoll(version, item.title, span) : drawSpectrum(version, item.title, span);
    const layers = [picture];
    if (version.reading) {
      const reading = drawReading(version, span);
      layers.push(reading.node);
      this.live.push(reading);
    }
    return this.slider(layers);
  }

  // What can be clicked, dragged over and moved in with keys lies over the picture, which keeps
  // its own description.
  slider(layers) {
    const { version } = this;
    this.range = el("div", { class: "range", hidden: true });
    this.head = el("div", { class: "head" });
    this.strip = el(
      "div",
      {
        class: "strip",
        tabindex: 0,
        role: "slider",
        "aria-label": `Place in ${this.item.title}`,
        "aria-valuemin": 0,
        "aria-valuemax": version.seconds.toFixed(1),
        onkeydown: (event) => this.key(event),
      },
      this.range,
      this.head,
    );
    this.drag();
    this.wide = el("div", { class: "wide", style: `width: ${100 * this.zoom}%` }, layers, this.strip);
    this.window = el("div", { class: "window" }, this.wide);
    return this.window;
  }

  drag() {
    let from = null;
    const at = (event) => {
      const box = this.strip.getBoundingClientRect();
      const share = (event.clientX - box.left) / box.width;
      return Math.min(Math.min(Math.max(share, 0), 1) * this.span, this.version.seconds);
    };
    this.strip.addEventListener("pointerdown", (event) => {
      if (event.button !== 0) return;
      from = { x: event.clientX, seconds: at(event), moved: false };
      // A finger that moves scrolls; a mouse marks what is to be heard again and again.
      if (event.pointerType === "mouse") this.strip.setPointerCapture(event.pointerId);
    });
    this.strip.addEventListener("pointermove", (event) => {
      if (!from || event.pointerType !== "mouse") return;
      if (Math.abs(event.clientX - from.x) > 6) from.moved = true;
      if (from.moved) {
        this.ready();
        this.player.setLoop(from.seconds, at(event));
      }
    });
    this.strip.addEventListener("pointercancel", () => {
      from = null;
    });
    this.strip.addEventListener("pointerup", (event) => {
      if (!from) return;
      const begun = from;
      from = null;
      this.ready();
      this.player.seek(begun.moved && this.player.loop ? this.player.loop[0] : at(event));
      if (!this.player.playing) this.player.play();
    });
  }

  key(event) {
    if (event.ctrlKey || event.altKey || event.metaKey) return;
    const moves = { ArrowRight: 1, ArrowUp: 1, ArrowLeft: -1, ArrowDown: -1, PageDown: -4, PageUp: 4 };
    const number = Number(event.key);
    if (event.key in moves) {
      this.ready();
      if (event.shiftKey) this.stretch(moves[event.key]);
      else this.player.step(moves[event.key]);
    } else if (event.key === "Home" || event.key === "End") {
      this.ready();
      this.player.seek(event.key === "Home" ? 0 : this.version.seconds - 1);
    } else if (event.key === " " || event.key === "Enter") {
      this.toggle();
    } else if (event.key === "l") {
      this.ready();
      this.player.again();
    } else if (event.key === "Escape") {
      if (this.heard) this.player.setLoop(null);
    } else if (number >= 1 && number <= this.item.versions.length) {
      this.choose(number - 1);
    } else {
      return;
    }
    event.preventDefault();
    event.stopPropagation();
  }

  // A loop that begins at this bar, or the next bars of one.
  stretch(count) {
    const { player, version } = this;
    const place = placeOf(version, player.loop ? player.loop[1] : player.seconds);
    const from = player.loop ? player.loop[0] : secondsOf(version, Math.floor(place + 1e-6));
    const to = secondsOf(version, Math.round(place) + count);
    if (to > from + 0.1) player.setLoop(from, to);
  }

  legend() {
    const { version } = this;
    if (!version.roll) return null;
    const boxes = version.roll.parts.map((part, number) =>
      el(
        "label",
        {},
        el("input", {
          type: "checkbox",
          checked: !this.hidden.has(number),
          onchange: (event) => {
            if (event.target.checked) this.hidden.delete(number);
            else this.hidden.add(number);
            this.hide();
          },
        }),
        el("span", { class: `key part-${number % 8}${part.drums ? " drum" : ""}`, "aria-hidden": "true" }),
        part.name,
      ),
    );
    const heard = version.roll.notes.some((note) => note[5]);
    const given = heard ? el("span", { class: "hint" }, "grey: what was given") : null;
    const read = version.reading ? el("span", { class: "hint" }, "bands: where its memory reads") : null;
    return el("div", { class: "legend", role: "group", "aria-label": "Parts shown" }, boxes, given, read);
  }

  hide() {
    for (const note of this.place.querySelectorAll(".note")) {
      note.style.display = this.hidden.has(Number(note.dataset.part)) ? "none" : "";
    }
  }

  more() {
    const { item, version } = this;
    const links = Object.entries(version.files || {}).map(([name, path]) =>
      el("a", { href: path, download: "", target: "_blank" }, name),
    );
    const text = version.roll
      ? this.unfolded("Notes as text", () => rollAsText(version))
      : version.abc
        ? this.unfolded("ABC", () => el("pre", { tabindex: 0 }, version.abc))
        : null;
    const about = version.about ? el("p", { class: "detail" }, version.about) : null;
    return el(
      "div",
      { class: "more" },
      about,
      links.length ? el("p", { class: "files" }, "Files: ", links.flatMap((link) => [link, " "])) : null,
      text,
    );
  }

  // Something long that is made when it is wanted.
  unfolded(title, make) {
    const details = el("details", { open: this.opened }, el("summary", {}, title));
    const show = () => {
      this.opened = details.open;
      if (details.open && details.children.length === 1) details.append(make());
    };
    details.addEventListener("toggle", show);
    if (this.opened) show();
    return details;
  }

  // Put the playhead where the sound is.
  move() {
    const { player, version } = this;
    const playing = this.heard && player.playing;
    if (this.playButton.dataset.playing !== String(playing)) {
      this.playButton.dataset.playing = playing;
      this.playButton.textContent = playing ? "❚❚" : "▶";
      this.playButton.setAttribute("aria-label", `${playing ? "Pause" : "Play"} ${this.item.title}`);
    }
    const seconds = this.heard ? player.seconds : 0;
    this.head.style.left = `${(100 * seconds) / this.span}%`;
    // While it plays, a reader of the screen is told of bars, not of frames.
    const told = playing && hasBars(version) ? Math.floor(placeOf(version, seconds)) : seconds;
    if (told !== this.told) {
      this.told = told;
      this.strip.setAttribute("aria-valuenow", seconds.toFixed(1));
      this.strip.setAttribute("aria-valuetext", spoken(version, seconds));
    }
    const loop = this.heard && player.loop;
    this.range.hidden = !loop;
    if (loop) {
      this.range.style.left = `${(100 * loop[0]) / this.span}%`;
      this.range.style.width = `${(100 * (loop[1] - loop[0])) / this.span}%`;
    }
    this.follow(false);
    for (const layer of this.live) {
      if (this.heard || layer.end === undefined) layer.at(seconds);
      else layer.end();
    }
  }

  // Keep the playhead in sight.
  follow(always) {
    if (this.zoom === 1 || !(always || (this.heard && this.player.playing))) return;
    const left = this.head.offsetLeft - this.window.scrollLeft;
    if (always || left < 0 || left > 0.9 * this.window.clientWidth) {
      this.window.scrollLeft = this.head.offsetLeft - 0.1 * this.window.clientWidth;
    }
  }
}
