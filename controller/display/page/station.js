// One station, live. Messages change what is known; a frame draws it.

import { Known, SIDES } from "./known.js";
import { Sides } from "./sides.js";
import { showBanner, show } from "./show.js";
import { Result } from "./result.js";
import { Stream } from "./stream.js";
import { Tones } from "./tones.js";
import { SHAPES, UNKNOWN, capital, clock, number, plain } from "./words.js";

const CUE_SHOWN = 4000; // ms
const MOST_FAULTS = 3; // shown; the others are counted
const options = new URLSearchParams(location.search);
const calm = matchMedia("(prefers-reduced-motion: reduce)");
const byId = (id) => document.getElementById(id);

const known = new Known();
const sides = new Sides(known);
const result = new Result();
const tones = new Tones(options.get("tones") === "on");
let name = UNKNOWN;
let drawnAt = 0;

const stream = new Stream(`${location.pathname.replace(/\/$/, "")}/events`, (message, now) => {
  if (message.kind === "hello") {
    known.forget();
    name = message.stations.find((station) => location.pathname.split("/")[2] === station.id)?.name ?? UNKNOWN;
    document.title = name;
    return;
  }
  known.take(message, now);
  if (message.kind === "telemetry") sides.sample(message.payload, now);
  if (message.kind === "cue" && message.age_ms < CUE_SHOWN) tones.play(message.payload);
});

function header(now) {
  const { state } = known;
  show(byId("name"), name);
  const exercise = state?.exercise ? capital(plain(state.exercise)) : null;
  const load = typeof state?.load_kg === "number" ? `${number(state.load_kg, state.load_kg % 1 ? 1 : 0)} kg` : null;
  show(byId("exercise"), [exercise, load].filter(Boolean).join("  ·  ") || UNKNOWN);
  show(byId("shape"), SHAPES[state?.shape] ?? UNKNOWN);
  const fresh = known.cue !== null && now - known.at.cue < CUE_SHOWN && options.get("cues") !== "off";
  show(byId("cue"), fresh ? cueText(known.cue) : "");
}

function cueText({ name: cue, side, value, target }) {
  const text = [capital(plain(cue))];
  if (side) text.push(side);
  if (typeof value === "number") text.push(number(value, 1) + (typeof target === "number" ? ` of ${number(target, 1)}` : ""));
  return text.join("  ·  ");
}

function faults() {
  const standing = [...known.faults.values()].map(({ name: fault, side, severity, detail }) => ({ fault, side, severity, detail }));
  for (const fault of (known.state?.quality ?? "").split(",").filter((word) => word && word !== "ok")) {
    if (!standing.some((other) => other.fault === fault)) standing.push({ fault, side: null, severity: "warning", detail: "" });
  }
  const lines = standing.slice(0, MOST_FAULTS).map(({ fault, side, severity, detail }) => ({
    severity,
    text: capital(plain(fault)) + (side ? ` ${side}` : ""),
    detail,
  }));
  if (standing.length > MOST_FAULTS) lines.push({ severity: "info", text: `${standing.length - MOST_FAULTS} more`, detail: "" });
  if (!standing.length && known.state !== null) lines.push({ severity: "ok", text: "Signals good", detail: "" });
  const key = JSON.stringify(lines);
  const list = byId("faults");
  if (list.dataset.key === key) return;
  list.dataset.key = key;
  list.replaceChildren(...lines.map(({ severity, text, detail }) => {
    const line = document.createElement("li");
    line.dataset.severity = severity;
    line.textContent = text;
    line.title = detail;
    return line;
  }));
}

function axis(now, stale) {
  const { state } = known;
  const over = known.setIsOver;
  show(byId("set-label"), over ? "Set done" : "Set");
  show(byId("set"), number(over ? known.set.set : state?.set));
  show(byId("target"), number(state?.target));
  const resting = typeof state?.resting_s === "number" && SIDES.every((side) => ["rest", null].includes(state[`phase_${side}`]));
  const since = stale ? 0 : (now - known.at.state) / 1000; // the state comes once a second at most; the clock goes on
  show(byId("rest"), resting ? clock(state.resting_s + since) : UNKNOWN);
  byId("rest-box").classList.toggle("on", resting && state.resting_s >= 3);
}

function spoken() {
  const { state } = known;
  const target = typeof state?.target === "number" ? ` of ${state.target}` : "";
  const counts = SIDES.filter((side) => known.count(side) !== null).map((side) => `${side} ${known.count(side)}`);
  show(byId("spoken"), counts.length ? `${capital(counts.join(", "))}${target}` : "");
}

function trouble(now) {
  const silent = stream.silentSince(now);
  if (silent !== null) return { what: "No data from the controller", since: silent, sides: SIDES, all: true };
  return known.trouble(now);
}

function draw(now) {
  const wrong = trouble(now);
  const stale = wrong?.sides ?? [];
  document.body.classList.toggle("stale", wrong?.all === true);
  showBanner(wrong);
  header(now);
  faults();
  axis(now, wrong !== null);
  sides.draw(now, stale);
  result.draw(known);
  spoken();
}

function frame(now) {
  if (now - drawnAt >= (calm.matches ? 500 : 30)) {
    drawnAt = now;
    draw(now);
  }
  requestAnimationFrame(frame);
}

requestAnimationFrame(frame);
setInterval(() => performance.now() - drawnAt > 1000 && draw(performance.now()), 1000); // a hidden page has no frames
