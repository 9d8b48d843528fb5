// A tune as a score, drawn by abcjs, with the notes that sound marked.
"use strict";

// `version` has `begin` and `music`, the seconds at which its first note begins and its last ends.
// `seek` is called with the seconds of a note that is clicked.
function drawScore(version, title, seek) {
  const paper = el("div", { class: "score", role: "img", "aria-label": `Score of ${title}` });
  let events = [];
  let marked = [];
  let whole = 1;
  const clicked = (element) => {
    const found = events.find((event) => event.startChar <= element.startChar && event.endChar > element.startChar);
    if (found) seek(version.begin + (found.milliseconds / whole) * (version.music - version.begin));
  };
  const [tune] = ABCJS.renderAbc(paper, version.abc, {
    responsive: "resize",
    add_classes: true,
    clickListener: clicked,
    selectTypes: ["note"],
  });
  // The notes are no stops of the tab key: what stands below the score moves in it.
  for (const stop of paper.querySelectorAll("[tabindex]")) stop.removeAttribute("tabindex");
  const timing = new ABCJS.TimingCallbacks(tune, {});
  whole = timing.lastMoment || 1;
  events = timing.noteTimings.filter((event) => event.type === "event");
  const begins = events.map((event) => event.milliseconds);
  return {
    node: paper,
    at(seconds) {
      const share = (seconds - version.begin) / (version.music - version.begin);
      const event = events[lastBefore(begins, share * whole + 1)];
      const now = event ? event.elements.flat() : [];
      if (now[0] === marked[0]) return;
      marked.forEach((element) => element.classList.remove("sounds"));
      now.forEach((element) => element.classList.add("sounds"));
      marked = now;
    },
    end() {
      marked.forEach((element) => element.classList.remove("sounds"));
      marked = [];
    },
  };
}
