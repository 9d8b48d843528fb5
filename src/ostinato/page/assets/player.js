// One player for the whole page: an item at a time, of which one version is heard.
"use strict";

// No loop is shorter than this, in seconds.
const SHORTEST = 0.2;

function hasBars(version) {
  return Boolean(version.bars && version.bars.length);
}

// Where a version is, as a number of bars; without bars, as seconds.
function placeOf(version, seconds) {
  const { bars } = version;
  if (!hasBars(version)) return seconds;
  const bar = Math.max(0, lastBefore(bars, seconds + 1e-6));
  const end = bar + 1 < bars.length ? bars[bar + 1] : version.seconds;
  return bar + (seconds - bars[bar]) / Math.max(end - bars[bar], 1e-6);
}

function secondsOf(version, place) {
  const { bars } = version;
  if (!hasBars(version)) return Math.min(place, version.seconds);
  if (place >= bars.length) return version.seconds;
  const bar = Math.max(0, Math.floor(place));
  const end = bar + 1 < bars.length ? bars[bar + 1] : version.seconds;
  return Math.min(bars[bar] + (place - bar) * (end - bars[bar]), version.seconds);
}

// It tells what happens: load, choose, change, frame, missing, stop.
class Player extends EventTarget {
  constructor() {
    super();
    this.item = null;
    this.index = 0;
    this.sounds = [];
    this.loop = null; // [from, to] in seconds of the version that is heard
    this.until = null; // after so many seconds, it stops
    this.later = null; // a place that the version that is heard does not reach
    this.asked = 0;
    this.frame = 0;
  }

  get version() {
    return this.item && this.item.versions[this.index];
  }

  get sound() {
    return this.sounds[this.index];
  }

  get playing() {
    return Boolean(this.sound) && !this.sound.paused;
  }

  get seconds() {
    return this.sound ? this.sound.currentTime : 0;
  }

  tell(what) {
    this.dispatchEvent(new Event(what));
  }

  // Choose an item, and silence the one before.
  load(item, index = 0) {
    this.pause();
    Object.assign(this, { item, index, loop: null, until: null, later: null });
    this.sounds = item.versions.map((version) => {
      const sound = new Audio();
      sound.preload = "auto";
      sound.src = version.audio;
      sound.volume = version.volume === undefined ? 1 : version.volume;
      sound.addEventListener("ended", () => sound === this.sound && this.ended());
      sound.addEventListener("error", () => sound === this.sound && this.tell("missing"));
      for (const what of ["play", "pause", "seeked"]) {
        sound.addEventListener(what, () => sound === this.sound && this.tell("change"));
      }
      return sound;
    });
    this.tell("load");
  }

  async play() {
    if (!this.sound) return;
    const asked = ++this.asked;
    const { sound } = this;
    try {
      await sound.play();
    } catch (error) {
      // A play that a pause or another item has overtaken is no error.
      if (error.name === "AbortError") return;
      sound.pause();
      this.tell(error.name === "NotAllowedError" ? "change" : "missing");
      return;
    }
    if (asked === this.asked) this.watch();
  }

  // Play a part of the version that is chosen, and stop at its end.
  playPart(from, to) {
    this.sound.currentTime = from;
    this.until = to;
    this.play();
  }

  pause() {
    this.asked += 1;
    for (const sound of this.sounds) sound.pause();
  }

  toggle() {
    if (this.playing) this.pause();
    else this.play();
  }

  // Go to another version, at the same place.
  async choose(index) {
    if (index === this.index || !this.item.versions[index]) return;
    const [before, sounding, last] = [this.sound, this.playing, this.version];
    const next = this.item.versions[index];
    const place = this.later === null ? placeOf(last, this.seconds) : this.later;
    const there = secondsOf(next, place);
    const loop = this.loop && this.loop.map((second) => secondsOf(next, placeOf(last, second)));
    this.later = there >= next.seconds - 0.1 ? place : null;
    this.index = index;
    this.sound.currentTime = Math.min(there, next.seconds - 0.05);
    this.setLoop(...(loop || [null]));
    if (sounding) await this.play();
    if (before !== this.sound) before.pause();
    if (index === this.index) this.tell("choose");
  }

  seek(seconds) {
    if (!this.sound) return;
    const there = Math.min(Math.max(0, seconds), this.version.seconds - 0.01);
    if (this.loop && (there < this.loop[0] || there > this.loop[1])) this.loop = null;
    this.until = this.later = null;
    this.sound.currentTime = there;
    this.tell("change");
  }

  // By bars, or where there are none by five seconds.
  step(count) {
    const { version } = this;
    if (!hasBars(version)) {
      this.seek(this.seconds + 5 * count);
      return;
    }
    const { bars } = version;
    const bar = lastBefore(bars, this.seconds + 0.05);
    const near = count < 0 && this.seconds - bars[Math.max(bar, 0)] > 0.3 ? bar : bar + count;
    this.seek(bars[Math.min(Math.max(near, 0), bars.length - 1)]);
  }

  // Without two places that are apart, there is no loop.
  setLoop(from, to) {
    if (from === null) this.loop = null;
    else {
      const inside = (second) => Math.min(Math.max(second, 0), this.version.seconds);
      const [first, last] = [inside(Math.min(from, to)), inside(Math.max(from, to))];
      this.loop = last - first < SHORTEST ? null : [first, last];
    }
    this.tell("change");
  }

  // Loop the four bars from this one on, or loop no more.
  again() {
    if (this.loop) {
      this.setLoop(null);
      return;
    }
    const { version } = this;
    const long = hasBars(version) ? 4 : 10;
    const end = hasBars(version) ? version.bars.length : version.seconds;
    const place = Math.max(0, Math.min(Math.floor(placeOf(version, this.seconds) + 1e-6), end - long));
    this.setLoop(secondsOf(version, place), secondsOf(version, place + long));
  }

  ended() {
    if (this.loop) {
      this.sound.currentTime = this.loop[0];
      this.play();
    } else this.tell("change");
  }

  // At every frame while it plays.
  watch() {
    cancelAnimationFrame(this.frame);
    if (!this.playing) return;
    if (this.loop && (this.seconds >= this.loop[1] || this.seconds < this.loop[0] - 0.1)) {
      this.sound.currentTime = this.loop[0];
    }
    if (this.until !== null && this.seconds >= this.until) {
      this.pause();
      this.until = null;
      this.tell("stop");
    }
    this.tell("frame");
    this.frame = requestAnimationFrame(() => this.watch());
  }
}

function spoken(version, seconds) {
  if (version.part) {
    // A window of a piece: what else there is of it is not said.
    const [from, to] = version.part;
    return `${clock(seconds - from)} of ${clock(to - from)}`;
  }
  const bars = hasBars(version);
  const bar = bars ? `bar ${Math.max(0, lastBefore(version.bars, seconds + 1e-6)) + 1}, ` : "";
  return `${bar}${clock(seconds)} of ${clock(version.seconds)}`;
}
