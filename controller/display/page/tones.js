// A short tone for a cue, when the page was opened with ?tones=on. Browsers ask for a touch first; a kiosk's flag
// --autoplay-policy=no-user-gesture-required does without.

const LOW = 523; // Hz; a hint
const HIGH = 784; // Hz; a target is reached

export class Tones {
  #on;
  #audio = null;

  constructor(on) {
    this.#on = on;
  }

  play(cue) {
    if (!this.#on) return;
    this.#audio ??= new AudioContext();
    if (this.#audio.state !== "running") return void this.#audio.resume();
    const start = this.#audio.currentTime;
    const tone = this.#audio.createOscillator();
    const volume = this.#audio.createGain();
    tone.frequency.value = typeof cue.target === "number" && cue.value >= cue.target ? HIGH : LOW;
    volume.gain.setValueAtTime(0, start);
    volume.gain.linearRampToValueAtTime(0.3, start + 0.02);
    volume.gain.linearRampToValueAtTime(0, start + 0.22);
    tone.connect(volume).connect(this.#audio.destination);
    tone.start(start);
    tone.stop(start + 0.25);
  }
}
