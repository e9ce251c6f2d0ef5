// All stations of this gateway at a glance, each a link to its page.

import { Known, SIDES } from "./known.js";
import { show, showBanner } from "./show.js";
import { Stream } from "./stream.js";
import { PHASES, UNKNOWN, capital, number, plain } from "./words.js";

const known = new Map();
const cards = document.getElementById("cards");

const stream = new Stream("/events", (message, now) => {
  if (message.kind === "hello") {
    known.clear();
    cards.replaceChildren(...message.stations.map(card));
    for (const { id } of message.stations) known.set(id, new Known());
    show(document.getElementById("count"), `${message.stations.length}`);
  } else known.get(message.station)?.take(message, now);
});

function card({ id, name }) {
  const item = document.createElement("li");
  const link = document.createElement("a");
  link.href = `/station/${encodeURIComponent(id)}`;
  item.dataset.id = id;
  for (const part of ["name", "exercise", "left", "right", "phase"]) {
    const box = document.createElement(part === "name" ? "h2" : "p");
    box.className = part;
    box.textContent = part === "name" ? name : UNKNOWN;
    link.append(box);
  }
  item.append(link);
  return item;
}

function draw() {
  const now = performance.now();
  const silent = stream.silentSince(now);
  showBanner(silent === null ? null : { what: "No data from the controller", since: silent });
  document.body.classList.toggle("stale", silent !== null);
  for (const item of cards.children) {
    const one = known.get(item.dataset.id);
    const { state } = one;
    const wrong = one.trouble(now);
    item.classList.toggle("old", wrong !== null);
    show(item.querySelector(".exercise"), state?.exercise ? capital(plain(state.exercise)) : UNKNOWN);
    for (const side of SIDES) show(item.querySelector(`.${side}`), number(one.count(side)));
    show(item.querySelector(".phase"), wrong?.what ?? doing(state));
  }
}

function doing(state) {
  if (state === null) return UNKNOWN;
  const words = SIDES.map((side) => state[`phase_${side}`]).filter((phase) => phase !== null);
  const busy = words.find((phase) => phase !== "rest");
  return PHASES[busy ?? words[0]] ?? UNKNOWN;
}

setInterval(draw, 200);
