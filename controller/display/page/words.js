// Numbers and words as people read them. Unknown is an en dash.

export const UNKNOWN = "–";
const isNumber = (value) => typeof value === "number" && Number.isFinite(value);

export function number(value, digits = 0) {
  if (!isNumber(value)) return UNKNOWN;
  const text = Math.abs(value).toFixed(digits);
  return value < 0 && Number(text) !== 0 ? `−${text}` : text; // a minus sign, and no −0
}

export function signed(value, digits = 1) {
  const text = number(value, digits);
  return isNumber(value) && value > 0 && Number(text) !== 0 ? `+${text}` : text;
}

export function clock(seconds) {
  if (!isNumber(seconds) || seconds < 0) return UNKNOWN;
  const whole = Math.floor(seconds);
  const rest = String(whole % 60).padStart(2, "0");
  if (whole < 3600) return `${Math.floor(whole / 60)}:${rest}`;
  return `${Math.floor(whole / 3600)}:${String(Math.floor(whole / 60) % 60).padStart(2, "0")}:${rest}`;
}

export const timeOfDay = (unixMs) => new Date(unixMs).toLocaleTimeString("en-GB");

export const plain = (name) => name.replaceAll("_", " ").replace(/\b(\d+(?:\.\d+)?) pct\b/g, "$1 %");
export const capital = (text) => text.charAt(0).toUpperCase() + text.slice(1);

export const PHASES = { concentric: "Concentric", top: "Top", eccentric: "Eccentric", rest: "Rest" };

export const SHAPES = {
  together: "Both together",
  alternating: "Alternating",
  left_only: "Left only",
  right_only: "Right only",
  sequential: "One side, then the other",
};

export const VERDICTS = { none: "No imbalance shown", watch: "Watch", supported: "Imbalance supported" };

export const INDICES = {
  percent_difference: "percentage difference",
  bilateral: "bilateral index",
  symmetry_angle: "symmetry angle",
  robinson: "Robinson index",
};

const FACETS = {
  mean_force: "force",
  peak_force: "peak force",
  rom: "ROM",
  mean_velocity: "velocity",
  impulse: "impulse",
  work: "work",
};

const REASONS = {
  interval_includes_0: "The interval includes zero.",
  sides_flip: "The stronger side changes from rep to rep.",
  uncalibrated: "The sensors are not calibrated: they may differ as much as the sides do.",
  fewer_than_3_pairs: "Fewer than three pairs: too few to judge.",
  no_pairs: "No left and right rep belong together.",
  unilateral: "No index: single-side set",
  one_limb_pair: "No index: both cables are one effort",
};

export function reason(word) {
  if (!word) return UNKNOWN;
  if (REASONS[word]) return REASONS[word];
  let match = /^under_threshold_([\d.]+)_pct$/.exec(word);
  if (match) return `Within ±${match[1]} %.`;
  match = /^under_minimal_detectable_change_([\d.]+)_pct$/.exec(word);
  if (match) return `Less than ${match[1]} %, the change that can be told from chance.`;
  match = /^(left|right)_larger_over_([\d.]+)_pct$/.exec(word);
  if (match) return `The ${match[1]} is larger by more than ${match[2]} %, beyond chance.`;
  return `${capital(plain(word))}.`;
}

// Why a result has no index, as a sentence.
export function whyNone(result) {
  if (result.shape === "left_only" || result.shape === "right_only") return REASONS.unilateral;
  const word = /(?:^|,)asymmetry_pct=([^,]+)/.exec(result.reasons ?? "")?.[1] ?? result.verdict_reason;
  if (!word) return "No index";
  const text = reason(word);
  return text.startsWith("No ") ? text : `No index: ${text.charAt(0).toLowerCase()}${text.slice(1)}`;
}

export function meaning(result) {
  if (Number(Math.abs(result.asymmetry_pct).toFixed(1)) === 0) return "Both sides alike";
  const side = result.asymmetry_pct > 0 ? "right" : "left";
  const facet = FACETS[result.facet] ?? (result.facet ? plain(result.facet) : null);
  return facet ? `more ${facet} on the ${side}` : `larger on the ${side}`;
}
