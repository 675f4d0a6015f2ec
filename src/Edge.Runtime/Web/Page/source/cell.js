// One look into the cell: input, hidden state, gates and cell state over the last frames.
import { color, el } from "./dom.js";
import { number } from "./format.js";

const framesMax = 240;
// Not those of a warning or of an anomaly: a curve here is neither.
const gateColors = ["line", "ahead", "score", "text"];

const floats = text => new Float32Array(Uint8Array.from(atob(text), each => each.charCodeAt(0)).buffer);

export class Cell {
  /**
   * @param place where the panels go
   * @param card the stream's card
   */
  constructor(place, card) {
    this.card = card;
    this.frames = [];
    this.unit = null;
    const parts = card.model.layers[0].parts;
    this.hidden = parts.length - 1;
    this.state = parts.findIndex(name => name.startsWith("cell state"));
    this.gates = parts.map((_, i) => i).filter(i => i !== this.hidden && i !== this.state);
    this.parts = parts;
    const layer = card.model.layers[0];
    const shown = Math.min(64, layer.units);
    this.pick = el("input", { type: "number", min: 0, max: shown - 1, id: "unit", value: 0, oninput: () => this.choose(Number(this.pick.value)) });
    this.panels = [
      this.panel("Input", "What the model reads, in standard deviations from the mean."),
      this.panel("Hidden state h", `One row for each of ${shown === layer.units ? layer.units : `the first ${shown} of ${layer.units}`} units.`),
      this.panel("Gates", this.gates.length > 0 ? "Of the chosen unit, from 0 (closed) to 1 (open); the candidate from -1 to 1." : "This cell has no gates."),
      this.panel("Cell state c", this.state >= 0 ? "What the unit remembers. Choose a unit with a click, or below." : "This cell has no cell state of its own."),
    ];
    this.key = el("p", { class: "key" });
    place.replaceChildren(
      el("div", { class: "panels" }, this.panels.map(panel => panel.box)),
      el("p", {}, el("label", { for: "unit" }, "Unit "), this.pick, " ", this.key));
  }

  panel(title, text) {
    const canvas = el("canvas", { role: "img", "aria-label": `${title} over time` });
    canvas.addEventListener("click", event => {
      if (title !== "Input" && title !== "Gates") {
        this.choose(Math.floor(event.offsetY / canvas.clientHeight * this.count()));
      }
    });
    return { box: el("section", { class: "panel" }, el("h4", {}, title), el("p", { class: "quiet" }, text), canvas), canvas };
  }

  count() {
    return this.frames.length > 0 ? this.frames[0].parts[this.hidden].length : 1;
  }

  choose(unit) {
    if (Number.isInteger(unit) && unit >= 0 && unit < this.count()) {
      this.unit = unit;
      this.pick.value = String(unit);
      this.draw();
    }
  }

  take(frames) {
    // A new connection begins with frames that the last one may have brought.
    for (const { t, x, parts } of frames.filter(each => !this.frames.some(known => known.t === each.t))) {
      this.frames.push({ t, x: floats(x), parts: parts.map(floats) });
    }

    this.frames = this.frames.slice(-framesMax);
    if (this.unit === null && this.frames.length > 20) {
      this.choose(this.busiest());
    }

    this.draw();
  }

  // The unit whose output moves most.
  busiest() {
    const spread = unit => {
      const values = this.frames.map(frame => frame.parts[this.hidden][unit]);
      return Math.max(...values) - Math.min(...values);
    };
    return Array.from({ length: this.count() }, (_, unit) => unit).reduce((best, unit) => (spread(unit) > spread(best) ? unit : best), 0);
  }

  draw() {
    if (this.frames.length === 0) {
      return;
    }

    const unit = this.unit ?? 0;
    const [input, hidden, gates, state] = this.panels.map(panel => panel.canvas);
    const columns = this.frames[0].x.length;
    const bound = Math.max(2, ...this.frames.map(frame => Math.max(...frame.x.map(Math.abs))));
    this.lines(input, Array.from({ length: columns }, (_, i) => ({
      values: this.frames.map(frame => frame.x[i]), color: color(gateColors[i % gateColors.length]), name: this.card.columns[i] ?? "time",
    })), -bound, bound);
    this.map(hidden, this.hidden, 1, unit);
    this.lines(gates, this.gates.map((part, i) => ({
      values: this.frames.map(frame => frame.parts[part][unit]), color: color(gateColors[i % gateColors.length]), name: this.parts[part],
    })), -1.05, 1.05);
    if (this.state >= 0) {
      this.map(state, this.state, Math.max(1, ...this.frames.map(frame => Math.max(...frame.parts[this.state].map(Math.abs)))), unit);
    }

    const last = this.frames[this.frames.length - 1];
    this.key.textContent = [...this.gates, this.state, this.hidden].filter(part => part >= 0)
      .map(part => `${this.parts[part]} ${number(last.parts[part][unit], 3)}`).join(" · ");
  }

  prepare(canvas) {
    const scale = devicePixelRatio;
    const [width, height] = [Math.round(canvas.clientWidth * scale), Math.round(canvas.clientHeight * scale)];
    if (canvas.width !== width || canvas.height !== height) {
      [canvas.width, canvas.height] = [width, height];
    }

    const ctx = canvas.getContext("2d");
    ctx.clearRect(0, 0, width, height);
    return [ctx, width, height, scale];
  }

  lines(canvas, series, low, high) {
    const [ctx, width, height, scale] = this.prepare(canvas);
    const y = value => height - ((value - low) / (high - low)) * height;
    ctx.strokeStyle = color("grid");
    ctx.beginPath();
    ctx.moveTo(0, y(0));
    ctx.lineTo(width, y(0));
    ctx.stroke();
    ctx.font = `${11 * scale}px system-ui`;
    series.forEach((each, index) => {
      ctx.strokeStyle = each.color;
      ctx.lineWidth = 1.5 * scale;
      ctx.beginPath();
      each.values.forEach((value, i) => ctx.lineTo(((framesMax - each.values.length + i) / (framesMax - 1)) * width, y(value)));
      ctx.stroke();
      ctx.fillStyle = each.color;
      ctx.fillText(each.name, 6 * scale, (14 + 14 * index) * scale);
    });
  }

  // One row a unit, one column a frame: blue below zero, orange above.
  map(canvas, part, bound, unit) {
    const [ctx, width, height, scale] = this.prepare(canvas);
    const rows = this.count();
    const column = width / framesMax;
    const row = height / rows;
    this.frames.forEach((frame, i) => {
      const left = (framesMax - this.frames.length + i) * column;
      for (let u = 0; u < rows; u++) {
        const share = Math.max(-1, Math.min(1, frame.parts[part][u] / bound));
        ctx.fillStyle = `rgba(${share < 0 ? "40,120,220" : "230,120,20"},${Math.sqrt(Math.abs(share)).toFixed(2)})`;
        ctx.fillRect(left, u * row, column + 1, row);
      }
    });
    ctx.strokeStyle = color("text");
    ctx.lineWidth = scale;
    ctx.strokeRect(0.5 * scale, unit * row, width - scale, row);
  }
}
