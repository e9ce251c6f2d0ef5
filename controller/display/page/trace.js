// The last ten seconds of a cable's position, newest at the right edge. Both sides share one scale.

const SPAN = 10000; // ms
const GAP = 600; // ms between two samples that are not joined by a line
const ROOM = 0.25; // m shown at the least

export class Trace {
  #canvas;
  #colour;
  #points = []; // [ms of the station's clock, m]

  constructor(canvas) {
    this.#canvas = canvas;
    this.#colour = getComputedStyle(canvas).color;
  }

  add(ts, position) {
    const last = this.#points.at(-1);
    if (last && ts < last[0]) this.#points = []; // another stream
    if (last && ts === last[0]) return;
    this.#points.push([ts, position]);
    while (this.#points.length && this.#points[0][0] < ts - SPAN - 1000) this.#points.shift();
  }

  clear() {
    this.#points = [];
  }

  // The largest position within the strip, m.
  reach(now) {
    return this.#points.reduce((most, [ts, x]) => (x !== null && ts > now - SPAN ? Math.max(most, x) : most), ROOM);
  }

  draw(now, reach, live) {
    const ratio = devicePixelRatio || 1;
    const width = Math.round(this.#canvas.clientWidth * ratio);
    const height = Math.round(this.#canvas.clientHeight * ratio);
    if (this.#canvas.width !== width || this.#canvas.height !== height) {
      this.#canvas.width = width;
      this.#canvas.height = height;
    }
    const pen = this.#canvas.getContext("2d");
    pen.clearRect(0, 0, width, height);
    const pad = 6 * ratio;
    const y = (x) => height - pad - (Math.max(x, -0.02) / reach) * (height - 2 * pad);
    const t = (ts) => width - 5 * ratio - ((now - ts) / SPAN) * width;

    pen.strokeStyle = "#2a3038";
    pen.lineWidth = ratio;
    pen.beginPath();
    for (let second = 2; second < 10; second += 2) {
      const x = Math.round(t(now - second * 1000)) + 0.5;
      pen.moveTo(x, 0);
      pen.lineTo(x, height);
    }
    pen.moveTo(0, Math.round(y(0)) + 0.5);
    pen.lineTo(width, Math.round(y(0)) + 0.5);
    pen.stroke();

    pen.strokeStyle = pen.fillStyle = live ? this.#colour : "#7c858f";
    pen.lineJoin = pen.lineCap = "round";
    for (const run of this.#runs(now)) {
      const line = new Path2D();
      run.forEach(([ts, x], i) => (i ? line.lineTo(t(ts), y(x)) : line.moveTo(t(ts), y(x))));
      const area = new Path2D(line);
      area.lineTo(t(run.at(-1)[0]), y(0));
      area.lineTo(t(run[0][0]), y(0));
      pen.globalAlpha = 0.14;
      pen.fill(area);
      pen.globalAlpha = 1;
      pen.lineWidth = 3 * ratio;
      pen.stroke(line);
    }
    const last = this.#points.at(-1);
    if (last && last[1] !== null && now - last[0] < GAP) {
      pen.beginPath();
      pen.arc(t(last[0]), y(last[1]), 5 * ratio, 0, 2 * Math.PI);
      pen.fill();
    }
  }

  // Stretches without a gap or an unknown.
  #runs(now) {
    const runs = [];
    let run = [];
    let before = null;
    for (const [ts, x] of this.#points) {
      if (x === null || (before !== null && ts - before > GAP)) run = [];
      before = ts;
      if (x === null || ts < now - SPAN - GAP) continue;
      if (!run.length) runs.push(run);
      run.push([ts, x]);
    }
    return runs;
  }
}
