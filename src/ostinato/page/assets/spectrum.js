// A picture of sound: a mel spectrogram over the whole width, and where it ceases to be given.
"use strict";

// `span` is the number of seconds that the whole width stands for.
function drawSpectrum(version, title, span) {
  const given = version.given
    ? el("div", { class: "edge", style: `left: ${(100 * version.given) / span}%` })
    : null;
  return el(
    "div",
    { class: "spectrum" },
    el("img", {
      src: version.picture,
      style: `width: ${(100 * version.seconds) / span}%`,
      alt: `Mel spectrogram of ${title}, ${version.name}, ${version.seconds.toFixed(0)} seconds`,
    }),
    given,
  );
}
