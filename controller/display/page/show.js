// Writing into the page only what changed.

import { timeOfDay } from "./words.js";

export function show(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

// What is wrong and since when; null hides it. Said once to a screen reader, not at every second.
export function showBanner(wrong) {
  const banner = document.getElementById("banner");
  banner.hidden = wrong === null;
  if (wrong === null) return;
  show(document.getElementById("banner-what"), wrong.what);
  show(document.getElementById("banner-since"), `since ${timeOfDay(wrong.since)}`);
}
