/** Maps of time steps × training: each row is a kept step, from top to bottom, the newest below. */

import { Canvas } from "./canvas.js";
import { after } from "./frames.js";
import { length, nice } from "./marks.js";
import { Panel } from "./panel.js";
import { stepLimit } from "./ranges.js";
import { el } from "./dom.js";
import { count, number, raised } from "./text.js";

const DECADES = 16; // that a logarithmic scale may span
const LEAST = 2 ** -3; // where a linear scale begins

export class EvolutionPanel extends Panel {
  /** @param {any} spec a panel whose figure's traces are bound by `z`, `over` the training @param {any} context as for maps */
  constructor(spec, context) {
    super(spec);
    this.context = context;
    this.traces = spec.figure.data.map((trace) => trace.meta);
    this.canvas = new Canvas(context);
    this.picture.prepend(this.canvas.node);
    this.limit = 1;
    this.reset();
    this.#switches();
    this.leave = context.crosshair.join(this.picture, () => context.steps(), (t, y) => this.#read(t, y));
  }

  get choices() {
    return (this.context.choices[this.id] ??= {});
  }

  get trace() {
    return this.traces.find(({ z }) => z === this.choices.z) ?? this.traces[0];
  }

  /** What was last drawn, for the sentence: all kept steps with their rows. */
  get past() {
    return this.history;
  }

  #switches() {
    if (this.traces.length < 2) return;
    const select = el("select.lab-select", { "aria-label": "State and layer" });
    select.append(...this.traces.map(({ z, title }) => el("option", { value: z, selected: z === this.trace.z }, title)));
    select.addEventListener("change", () => {
      this.choices.z = select.value;
      this.reset();
      this.context.wake();
    });
    this.switches.append(select);
  }

  draw(model) {
    const { width, height } = this.room;
    if (!width || !height) return false;
    const { canvas, trace } = this;
    this.history = model.history(trace.z, trace.sample ? this.context.sample() : null);
    this.at = model.at;
    this.limit = stepLimit(model.scalars.last, model.state?.steps ?? 0);
    canvas.begin(width, height);
    this.picture.style.setProperty("--foot", `${canvas.foot}px`);
    this.height = height - canvas.foot - 2;
    const marks = canvas.sample?.marks;
    this.end = trace.sample && marks ? length(marks) || Infinity : Infinity;
    canvas.pen.fillStyle = this.context.colours().tokens.grid;
    canvas.pen.fillRect(canvas.beside.left, 0, canvas.inner, this.height);
    if (this.history.rows.length) this.#rows(this.history, Math.max(model.scalars.last, 0));
    this.#steps();
    canvas.marks(this.height + 2);
    return true;
  }

  /** The rows, each as high as the steps of training until the next one. */
  #rows({ steps, rows }, last) {
    const { canvas } = this;
    const width = rows[0].length;
    const palette = this.context.palettes().sequential;
    const bytes = new Uint8Array(rows.length * width);
    const [low, high] = this.#scale(rows);
    const log = this.trace.scale === "log";
    rows.forEach((row, k) => {
      for (let t = 0; t < width; t++) bytes[k * width + t] = Math.max(0, Math.min(255, (((log ? Math.log10(row[t]) : row[t]) - low) / (high - low)) * 255));
    });
    const blank = (k, t) => t >= this.end || (log && !(rows[k][t] > 0));
    const image = canvas.image("rows", { bytes, units: rows.length, steps: width }, palette, blank);
    const { pen, beside, inner } = canvas;
    pen.imageSmoothingEnabled = false;
    steps.forEach((step, k) => {
      const top = this.#place(step);
      const bottom = this.#place(steps[k + 1] ?? Math.max(last, step + this.limit / 100));
      pen.drawImage(image, 0, k, width, 1, beside.left, top, inner, Math.max(1, bottom - top));
    });
    const ends = log ? [`10${raised(low)}`, `10${raised(high)}`] : undefined;
    canvas.scale(palette, { top: 0, height: this.height, low, high, ...(ends && { ends }) });
  }

  /** Where a step of training lies, in whole pixels of the screen. */
  #place(step) {
    const ratio = this.context.pixels();
    return Math.round(Math.min(1, step / this.limit) * this.height * ratio) / ratio;
  }

  /** A scale that only grows: whole powers of ten, or from 0 on. */
  #scale(rows) {
    if (this.trace.scale !== "log") {
      for (const row of rows) for (const value of row) while (value > this.high && this.high < 1) this.high *= 2;
      return [0, this.high];
    }
    for (const row of rows)
      for (const value of row)
        if (value > 0) {
          this.top = Math.max(this.top, Math.ceil(Math.log10(value)));
          this.bottom = Math.min(this.bottom, Math.floor(Math.log10(value)));
        }
    return [Math.max(this.bottom, this.top - DECADES), Math.max(this.top, this.bottom + 1)];
  }

  /** The steps of training beside the rows, and the one that is shown elsewhere on the board. */
  #steps() {
    const { pen, size, beside, inner } = this.canvas;
    const { tokens, font } = this.context.colours();
    pen.font = `${size}px ${font}`;
    pen.fillStyle = tokens.quiet;
    pen.textAlign = "right";
    const every = nice((size * 2.2 * this.limit) / this.height);
    for (let step = 0; step <= this.limit; step += every) {
      const y = this.#place(step);
      pen.textBaseline = y < size ? "top" : y > this.height - size ? "bottom" : "middle";
      pen.fillText(count(step), beside.left - 6, y);
    }
    pen.save();
    pen.translate(9, this.height / 2);
    pen.rotate(-Math.PI / 2);
    pen.textAlign = "center";
    pen.textBaseline = "middle";
    pen.font = `${size - 1}px ${font}`;
    pen.fillText("training step", 0, 0);
    pen.restore();
    if (this.at === null) return;
    const y = this.#place(this.at);
    pen.fillStyle = tokens.paper;
    pen.fillRect(beside.left, y - 1.5, inner, 4);
    pen.fillStyle = tokens.ink;
    pen.fillRect(beside.left - 4, y - 0.5, inner + 4, 2);
  }

  #read(t, y) {
    const { steps, rows } = this.history ?? { rows: [] };
    if (!rows.length) return "";
    const step = y >= 0 && y < this.height ? (y / this.height) * this.limit : (this.at ?? steps.at(-1));
    const row = Math.max(0, after(steps, steps.length, step) - 1);
    if (t >= this.end) return `${this.canvas.where(t)}, after the end of this sample`;
    const where = this.trace.sample ? this.canvas.where(t) : `t = ${t}`;
    return `step ${count(steps[row])}, ${where}:  ${this.trace.name} = ${number(rows[row][t])}`;
  }

  reset() {
    this.high = LEAST;
    this.top = -Infinity;
    this.bottom = Infinity;
  }

  close() {
    this.leave();
  }
}
