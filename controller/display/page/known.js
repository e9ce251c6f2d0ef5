// What the page knows of one station. Everything is unknown until the controller says it, and again after each hello.

export const SIDES = ["left", "right"];
const OLD = 2000; // ms; older samples are not live while a cable is said to move
const HEALTH_OLD = 25000; // ms; health comes every 10 s
const MOST_FAULTS = 32;

export class Known {
  constructor() {
    this.forget();
  }

  forget() {
    this.state = this.telemetry = this.set = this.comparison = this.info = this.health = this.status = this.cue = null;
    this.reps = { left: new Map(), right: new Map() }; // of the newest set, by number
    this.repsSet = this.session = null;
    this.faults = new Map();
    this.at = {}; // kind -> performance.now() at which its newest payload was offered
  }

  take({ kind, payload, age_ms }, now) {
    if (payload.session && payload.session !== this.session) this.#newSession(payload.session);
    this.at[kind === "rep" ? `rep ${payload.side}` : kind] = now - age_ms;
    if (kind === "rep") this.#takeRep(payload);
    else if (kind === "fault") this.#takeFault(payload);
    else this[kind] = payload;
  }

  // Sets are counted from 1 again.
  #newSession(session) {
    this.session = session;
    this.set = this.comparison = this.repsSet = null;
    this.reps = { left: new Map(), right: new Map() };
  }

  #takeRep(rep) {
    if (this.repsSet !== null && rep.set < this.repsSet) return; // left over from the set before
    if (this.repsSet === null || rep.set > this.repsSet) {
      this.reps = { left: new Map(), right: new Map() };
      this.repsSet = rep.set;
    }
    const reps = this.reps[rep.side];
    if (rep.status === "retracted") reps.delete(rep.rep);
    else reps.set(rep.rep, rep);
  }

  #takeFault(fault) {
    const key = `${fault.name} ${fault.side}`;
    this.faults.delete(key);
    if (fault.raised) this.faults.set(key, fault);
    if (this.faults.size > MOST_FAULTS) this.faults.delete(this.faults.keys().next().value);
  }

  // The last rep of a side, by number; null when there is none.
  lastRep(side) {
    let last = null;
    for (const rep of this.reps[side].values()) if (last === null || rep.rep > last.rep) last = rep;
    return last;
  }

  // Reps of a side now. A rep is told at once, the state once a second: the newer of the two counts.
  count(side) {
    const told = this.state?.[`${side}_reps`] ?? null;
    if (this.repsSet === null || (this.state !== null && this.repsSet < this.state.set)) return told;
    const last = this.lastRep(side)?.rep ?? 0;
    if (told === null && last === 0) return null; // no such side
    return this.at[`rep ${side}`] > (this.at.state ?? -Infinity) ? last : Math.max(told, last);
  }

  // Whether the reps that are shown belong to a set that is over.
  get setIsOver() {
    return this.set !== null && this.state !== null && this.set.set < this.state.set
      && (this.repsSet === null || this.repsSet <= this.set.set);
  }

  // What is shown as the last result: a comparison of two single-side sets if it is the newer one, else the set.
  get result() {
    const { set, comparison } = this;
    const newest = comparison !== null && (set === null || comparison.seq > set.seq) ? comparison : set;
    if (newest !== null) return newest.retracts ? null : newest;
    return this.state !== null && this.state.asymmetry_pct !== null ? this.state : null;
  }

  get boardsDown() {
    if (!this.health?.link) return [];
    return this.health.link.split(",").map((word) => word.trim().split("="))
      .filter(([, word]) => word === "down").map(([board]) => board);
  }

  // What is wrong with the data of this station: {what, since (Unix ms), sides}, or null. now: performance.now().
  trouble(now) {
    const ago = (kind) => now - (this.at[kind] ?? now);
    const since = (kind) => Date.now() - ago(kind);
    if (this.status?.status === "offline") {
      return { what: this.status.detail || "Station: offline", since: this.status.ts, sides: SIDES };
    }
    const silent = [...this.faults.values()].filter((fault) => fault.name === "no_samples" && fault.side);
    const sides = silent.length ? silent.map((fault) => fault.side) : SIDES;
    const down = this.boardsDown;
    if (down.length) {
      const names = down.join(", ");
      return { what: `Board${down.length > 1 ? "s" : ""} ${names}: offline`, since: this.#downSince(since), sides };
    }
    if (silent.length) {
      return { what: `No samples: ${sides.join(" and ")}`, since: Math.min(...silent.map((fault) => fault.ts)), sides };
    }
    const moving = SIDES.some((side) => !["rest", null, undefined].includes(this.state?.[`phase_${side}`]));
    const heard = this.at.telemetry === undefined ? "state" : "telemetry";
    if (moving && ago(heard) > OLD) return { what: "No new samples", since: since(heard), sides: SIDES };
    if (ago("health") > HEALTH_OLD && ago("state") > HEALTH_OLD) {
      return { what: "No news of this station", since: since("state"), sides: SIDES };
    }
    return null;
  }

  // A fault tells when it began; health comes again and again and tells only that it still is so.
  #downSince(since) {
    const began = [...this.faults.values()].filter((fault) => /board|link|no_samples/.test(fault.name));
    return began.length ? Math.min(...began.map((fault) => fault.ts)) : since("health");
  }
}
