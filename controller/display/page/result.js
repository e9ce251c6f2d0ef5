// The last set's index on its scale, with its interval, and what may be said of it.

import { show } from "./show.js";
import { INDICES, SHAPES, UNKNOWN, VERDICTS, capital, meaning, number, plain, reason, signed, whyNone } from "./words.js";

const END = 20; // %; the scale goes from -END to +END
const byId = (id) => document.getElementById(id);
const place = (percent) => 50 + (Math.min(END, Math.max(-END, percent)) / END) * 50;
const isNumber = (value) => typeof value === "number";

export class Result {
  #drawn;

  draw({ result, set }) {
    const key = result === null ? "none" : JSON.stringify(result);
    if (key === this.#drawn) return;
    this.#drawn = key;
    const known = result !== null && isNumber(result.asymmetry_pct);
    byId("result").dataset.verdict = (known && result.verdict) || "unknown";
    byId("result").classList.toggle("no-index", !known);
    show(byId("result-title"), title(result));
    show(byId("index"), known ? `${signed(result.asymmetry_pct)} %` : UNKNOWN);
    if (result === null) show(byId("meaning"), set?.retracts ? "Set taken back" : "No set yet");
    else show(byId("meaning"), known ? meaning(result) : whyNone(result));
    this.#scale(result, known);
    show(byId("verdict"), (known && VERDICTS[result.verdict]) || UNKNOWN);
    show(byId("reason"), known && result.verdict_reason ? reason(result.verdict_reason) : "");
  }

  #scale(result, known) {
    const name = result?.index ?? "percent_difference";
    byId("zone").hidden = name !== "percent_difference"; // ten per cent of one index is not ten of another
    show(byId("index-name"), INDICES[name] ?? plain(name));
    byId("point").hidden = !known;
    const bounded = known && isNumber(result.asymmetry_low_pct) && isNumber(result.asymmetry_high_pct);
    byId("interval").hidden = !bounded;
    if (known) {
      const at = Math.min(98, Math.max(2, place(result.asymmetry_pct))); // within the track, whole
      byId("point").style.left = `${at}%`;
      byId("point").classList.toggle("beyond", Math.abs(result.asymmetry_pct) > END);
      for (const part of ["point", "interval"]) {
        byId(part).classList.toggle("left", result.asymmetry_pct < 0);
        byId(part).classList.toggle("right", result.asymmetry_pct > 0);
      }
    }
    let words = known ? `Index ${signed(result.asymmetry_pct)} %` : "No index";
    if (bounded) {
      const [low, high] = [place(result.asymmetry_low_pct), place(result.asymmetry_high_pct)];
      byId("interval").style.left = `${low}%`;
      byId("interval").style.width = `${high - low}%`;
      words += `, 95 % interval ${signed(result.asymmetry_low_pct)} to ${signed(result.asymmetry_high_pct)} %`;
    }
    byId("scale").setAttribute("aria-label", words);
    const range = bounded ? `95 % interval: ${signed(result.asymmetry_low_pct)} to ${signed(result.asymmetry_high_pct)} %` : "";
    show(byId("range"), known && !bounded ? "95 % interval: –" : range);
  }
}

function title(result) {
  if (result === null) return "Last set";
  if (result.event_type === "comparison") return `Left set ${result.left_set}, right set ${result.right_set}`;
  if (result.event_type !== "set") return "Last set";
  const parts = [`Set ${result.set}`, SHAPES[result.shape], counts(result)];
  if (result.flags) parts.push(capital(plain(result.flags)));
  return parts.filter(Boolean).join("  ·  ");
}

function counts({ left_reps: left, right_reps: right, shape }) {
  if (shape === "left_only") return `${number(left)} reps`;
  if (shape === "right_only") return `${number(right)} reps`;
  return `${number(left)} + ${number(right)} reps`;
}
