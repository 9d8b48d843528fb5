// The blind test: of two windows of music, which one did the machine write?
"use strict";

const TRIALS = 10;

// Wilson's interval for a share, at 95 %.
function wilson(right, all) {
  const z = 1.96;
  const share = right / all;
  const middle = (share + (z * z) / (2 * all)) / (1 + (z * z) / all);
  const half = (z / (1 + (z * z) / all)) * Math.sqrt((share * (1 - share)) / all + (z * z) / (4 * all * all));
  return [Math.max(0, middle - half), Math.min(1, middle + half)];
}

function shuffled(list) {
  const copy = [...list];
  for (let place = copy.length - 1; place > 0; place -= 1) {
    const other = Math.floor(Math.random() * (place + 1));
    [copy[place], copy[other]] = [copy[other], copy[place]];
  }
  return copy;
}

// After so many seconds, a window counts as heard.
const LISTENED = 1.5;

// Windows of different pieces first, in a random order: those of one piece are not independent.
function drawn(windows) {
  const order = shuffled(windows);
  const first = new Map(order.map((pair) => [pair.piece, pair]));
  return [...first.values(), ...order.filter((pair) => first.get(pair.piece) !== pair)].slice(0, TRIALS);
}

// `windows` lists {piece, composed: {audio, from, to, seconds, volume}, song: likewise}.
class BlindTest {
  constructor(windows, player, run) {
    this.windows = windows;
    this.player = player;
    this.run = run;
    this.hears = () => {};
    player.addEventListener("frame", () => this.hears());
    player.addEventListener("stop", () => this.hears());
    this.node = el(
      "section",
      { id: "blind", "aria-labelledby": "blind-title" },
      el("h2", { id: "blind-title" }, "Blind test"),
      el(
        "p",
        { class: "about" },
        `${Math.min(TRIALS, windows.length)} pairs: the same bars of a song, as its composer went on and as the model did. ` +
          "Which one is the model's? Nothing leaves this machine.",
      ),
      (this.place = el("div", { class: "blind" })),
    );
    this.begin();
  }

  begin() {
    this.trials = drawn(this.windows).map((pair) => ({
      pair,
      first: Math.random() < 0.5 ? "composed" : "song",
      said: null,
    }));
    const button = el("button", { type: "button", class: "large", onclick: () => this.ask(0) }, "Begin");
    this.place.replaceChildren(button);
    return button;
  }

  ask(number) {
    const trial = this.trials[number];
    const order = trial.first === "composed" ? ["composed", "song"] : ["song", "composed"];
    const listened = new Set();
    const answers = order.map((what, place) =>
      el(
        "button",
        {
          type: "button",
          disabled: true,
          onclick: () => {
            trial.said = what;
            this.answered(number);
          },
        },
        `${"AB"[place]} is the model's`,
      ),
    );
    const item = {
      title: `Pair ${number + 1}`,
      versions: order.map((what, place) => {
        const { audio, seconds, volume, from, to } = trial.pair[what];
        return { name: "AB"[place], audio, seconds, volume, part: [from, to] };
      }),
    };
    this.hears = () => {
      const { version } = this.player;
      if (this.player.item !== item || this.player.seconds < version.part[0] + LISTENED) return;
      listened.add(version.name);
      if (listened.size === 2) answers.forEach((button) => (button.disabled = false));
    };
    const hear = order.map((what, place) =>
      el(
        "button",
        {
          type: "button",
          class: "large",
          onclick: () => {
            this.player.load(item, place);
            this.player.playPart(trial.pair[what].from, trial.pair[what].to);
          },
        },
        `▶ ${"AB"[place]}`,
      ),
    );
    const heading = el("h3", { tabindex: -1 }, `Pair ${number + 1} of ${this.trials.length}`);
    this.place.replaceChildren(
      heading,
      el("div", { class: "pair" }, hear),
      el("div", { class: "pair" }, answers),
      el("p", { class: "detail" }, "Listen to both, as often as you like; then say which one the model wrote."),
    );
    heading.focus({ preventScroll: true });
  }

  answered(number) {
    this.player.pause();
    if (number + 1 < this.trials.length) this.ask(number + 1);
    else this.tell();
  }

  result() {
    const right = this.trials.filter((trial) => trial.said === "composed").length;
    const [low, high] = wilson(right, this.trials.length);
    return {
      right,
      pairs: this.trials.length,
      share: right / this.trials.length,
      interval: [low, high],
      run: this.run,
      date: new Date().toISOString(),
      trials: this.trials.map((trial) => ({
        piece: trial.pair.piece,
        composed: [trial.pair.composed.from, trial.pair.composed.to],
        song: [trial.pair.song.from, trial.pair.song.to],
        first: trial.first,
        said: trial.said,
      })),
    };
  }

  tell() {
    const found = this.result();
    const percent = (share) => `${Math.round(100 * share)} %`;
    const [low, high] = found.interval;
    const text = JSON.stringify(found, null, 1);
    const file = `data:application/json;charset=utf-8,${encodeURIComponent(text)}`;
    const heading = el(
      "h3",
      { tabindex: -1 },
      `You knew the model in ${found.right} of ${found.pairs}: ${percent(found.share)}`,
    );
    const rows = this.trials.map((trial, number) => [
      `pair ${number + 1}`,
      trial.pair.piece,
      trial.first === "composed" ? "A" : "B",
      trial.said === "composed" ? "yes" : "no",
    ]);
    this.place.replaceChildren(
      heading,
      el(
        "p",
        {},
        `With so few pairs, the true share lies between ${percent(low)} and ${percent(high)} (95 %). ` +
          (low > 0.5
            ? "You can tell them apart."
            : "50 % is what guessing gives: this does not show that you can tell them apart."),
      ),
      table("What was what", ["", "piece", "the model's", "known"], rows),
      el("p", {}, el("a", { href: file, download: "blind-test.json" }, "Save the result as JSON"), " ", el("button", { type: "button", onclick: () => this.begin().focus() }, "Again")),
    );
    heading.focus({ preventScroll: true });
  }
}
