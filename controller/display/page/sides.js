// Left and right: reps, phase, force, position, and how the last rep was.

import { SIDES } from "./known.js";
import { show } from "./show.js";
import { Trace } from "./trace.js";
import { PHASES, UNKNOWN, number } from "./words.js";

const FULL_SCALES = [100, 200, 300, 400, 600, 800, 1000, 1500, 2000, 3000, 5000]; // N
const SLOTS = 8; // at the least in the ladder of reps
const GLYPHS = {
  concentric: "M12 20V5M5 12l7-7 7 7",
  top: "M4 12h16M4 5h16",
  eccentric: "M12 4v15M5 12l7 7 7-7",
  rest: "M6 12h12",
  unknown: "M9 12h6",
};

export class Sides {
  #known;
  #parts = {};
  #traces = {};
  #full = FULL_SCALES[0];
  #fullSet = null;
  #clock = null; // ms to add to performance.now() for the station's time

  constructor(known) {
    this.#known = known;
    for (const side of SIDES) {
      this.#parts[side] = {};
      for (const part of document.querySelectorAll(`[data-side="${side}"][data-part], [data-side="${side}"] [data-part]`)) {
        this.#parts[side][part.dataset.part] = part;
      }
      this.#traces[side] = new Trace(this.#parts[side].trace);
    }
  }

  sample(telemetry, now) {
    const ahead = telemetry.ts - now;
    if (this.#clock === null || Math.abs(ahead - this.#clock) > 2000) this.#clock = ahead; // first, or a step
    this.#clock = Math.max(this.#clock, ahead);
    for (const side of SIDES) this.#traces[side].add(telemetry.ts, telemetry[`position_${side}_m`]);
  }

  draw(now, stale) {
    this.#scale();
    const time = now + (this.#clock ?? 0);
    const reach = Math.max(...SIDES.map((side) => this.#traces[side].reach(time)));
    for (const side of SIDES) {
      const live = !stale.includes(side);
      const parts = this.#parts[side];
      for (const box of document.querySelectorAll(`section[data-side="${side}"]`)) box.classList.toggle("old", !live);
      this.#phase(side, parts);
      this.#force(side, parts, live);
      this.#ladder(side, parts);
      this.#last(side, parts);
      this.#traces[side].draw(time, reach * 1.08, live);
      show(parts.extent, `${number(reach, 2)} m`);
    }
  }

  #phase(side, { phase, reps }) {
    const { state, telemetry, at } = this.#known;
    const newest = (at.telemetry ?? -1) > (at.state ?? -1) ? telemetry : state;
    const word = newest?.[`phase_${side}`] ?? "unknown";
    if (phase.dataset.phase !== word) {
      phase.dataset.phase = word;
      phase.querySelector("path").setAttribute("d", GLYPHS[word] ?? GLYPHS.unknown);
    }
    show(phase.querySelector("span"), PHASES[word] ?? UNKNOWN);
    const count = this.#known.count(side);
    show(reps, number(count));
    const alone = { left: "right_only", right: "left_only" }[side] === state?.shape;
    reps.classList.toggle("idle", alone);
    reps.classList.toggle("done", typeof state?.target === "number" && count >= state.target);
  }

  #force(side, { force, bar, peak }, live) {
    const value = this.#known.telemetry?.[`force_${side}_n`] ?? null;
    show(force, number(value));
    bar.style.width = `${value === null ? 0 : Math.min(100, Math.max(0, (value / this.#full) * 100)).toFixed(2)}%`;
    bar.parentElement.classList.toggle("old", !live);
    bar.parentElement.classList.toggle("covered", value > 0.92 * this.#full);
    const most = this.#known.setIsOver ? null : (this.#known.lastRep(side)?.peak_force_n ?? null);
    peak.hidden = most === null;
    if (most !== null) peak.style[side === "left" ? "right" : "left"] = `${Math.min(100, (most / this.#full) * 100)}%`;
  }

  // One full scale for both bars. Within a set it only grows, so that the bars keep their meaning.
  #scale() {
    const { state, telemetry } = this.#known;
    if (state !== null && state.set !== this.#fullSet) {
      this.#fullSet = state.set;
      this.#full = FULL_SCALES[0];
    }
    const forces = SIDES.flatMap((side) => [telemetry?.[`force_${side}_n`], this.#known.lastRep(side)?.peak_force_n]);
    const most = Math.max(0, ...forces.filter((force) => typeof force === "number"));
    if (most > this.#full) this.#full = FULL_SCALES.find((scale) => scale >= most * 1.05) ?? most;
    for (const text of document.querySelectorAll('[data-part="full"]')) show(text, `${number(this.#full)} N`);
  }

  // A bar for each rep, from the axis outwards: its mean velocity against the fastest of both sides.
  #ladder(side, { ladder }) {
    const reps = this.#known.reps[side];
    const both = SIDES.flatMap((name) => [...this.#known.reps[name].values()]);
    const velocities = both.map((rep) => rep.mean_velocity_m_per_s).filter((v) => typeof v === "number");
    const best = Math.max(0, ...velocities);
    const slots = Math.min(32, Math.max(SLOTS, this.#known.state?.target ?? 0, ...both.map((rep) => rep.rep)));
    while (ladder.children.length > slots) ladder.lastChild.remove();
    while (ladder.children.length < slots) ladder.append(slot());
    [...ladder.children].forEach((box, i) => {
      const rep = reps.get(i + 1);
      const velocity = rep?.mean_velocity_m_per_s;
      box.className = rep ? `slot ${rep.status}${rep.partial ? " partial" : ""}` : "slot";
      const height = rep ? (typeof velocity === "number" && best > 0 ? Math.max(8, (velocity / best) * 100) : 8) : 0;
      box.firstChild.style.height = `${height.toFixed(1)}%`;
    });
  }

  #last(side, { tempo, velocity, rom }) {
    const rep = this.#known.lastRep(side);
    const times = [rep?.concentric_s, rep?.top_s, rep?.eccentric_s, rep?.bottom_s];
    show(tempo, times.some((s) => typeof s === "number") ? times.map((s) => number(s, 1)).join(" · ") : UNKNOWN);
    show(velocity, number(rep?.mean_velocity_m_per_s, 2));
    show(rom, typeof rep?.rom_m === "number" ? number(rep.rom_m * 100) : UNKNOWN);
  }
}

function slot() {
  const box = document.createElement("span");
  box.append(document.createElement("i"));
  return box;
}
