/** Attention as a map: each row a step that asks, each column an input that it may look at. */

import { Canvas } from "./canvas.js";
import { fits, length, nice, spoken } from "./marks.js";
import { Panel } from "./panel.js";
import { number } from "./text.js";

const LEAST = 2 ** -3; // the scale begins no lower, so that it seldom has to grow

/**
 * What each step of a map looks at.
 * @param {any} about @param {any} sample @param {Map<string, any>} arrays
 * @returns {{rows: number, steps: number, ends: number[], causal: boolean, least: number,
 *            value: (row: number, t: number) => number,
 *            sign: (row: number) => string}|null} `ends`: how many rows and columns the sample has; `least`: what is
 *            stored as 0 is smaller; `sign`: who asks
 */
export function looks(about, sample, arrays) {
  const found = arrays?.get("attention");
  if (found?.shape?.length !== 2 || !sample) return null;
  const [rows, steps] = found.shape;
  const causal = about.answering === "steps";
  const largest = (arrays.get("range/attention")?.data[0] ?? 1) / 255;
  const answers = arrays.get("answer")?.data;
  const read = length(sample.marks) || steps;
  return {
    rows,
    steps,
    causal,
    ends: [causal ? read : (sample.targets ? length(sample.targets) : 0) || rows, read],
    least: largest / 2,
    value: (row, t) => found.data[row * steps + t] * largest,
    sign: (row) => (causal ? sample.marks[row] : about.answers?.[answers?.[row]]) ?? "",
  };
}

export class AlignmentPanel extends Panel {
  /** @param {any} spec a panel whose figure's trace is bound by `z` @param {any} context as for maps */
  constructor(spec, context) {
    super(spec);
    this.context = context;
    this.title = spec.figure.layout.yaxis.title.text;
    this.canvas = new Canvas(context);
    this.picture.prepend(this.canvas.node);
    this.high = LEAST;
    this.leave = context.crosshair.join(this.picture, () => context.steps(), (t, y) => this.#read(t, y), true);
  }

  draw({ arrays }) {
    const { width, height } = this.room;
    if (!width || !height) return false;
    const key = this.canvas.key(width, height);
    if (this.drawnAs === key && this.drawn === arrays) return false;
    this.drawnAs = key;
    this.drawn = arrays;
    this.map = looks(this.context.about, this.canvas.sample, arrays);
    this.canvas.begin(width, height);
    this.picture.style.setProperty("--foot", `${this.canvas.foot}px`);
    this.height = height - this.canvas.foot - 2;
    const { pen, beside, inner } = this.canvas;
    const palette = this.context.palettes().sequential;
    if (this.map) {
      this.canvas.place(this.#image(arrays, palette), 0, this.height);
      this.#rows();
    } else {
      pen.fillStyle = this.context.colours().tokens.grid;
      pen.fillRect(beside.left, 0, inner, this.height);
    }
    this.canvas.scale(palette, { top: 0, height: this.height, low: 0, high: this.high });
    this.canvas.marks(this.height + 2);
    return true;
  }

  /** The stored bytes on a scale that only grows; nothing where a step may not look. */
  #image(arrays, palette) {
    const { rows, steps, causal, ends } = this.map;
    const largest = arrays.get("range/attention").data[0];
    while (largest > this.high && this.high < 1) this.high *= 2;
    const onto = Uint8Array.from({ length: 256 }, (_, byte) => Math.min(255, Math.round((byte * largest) / this.high)));
    const bytes = arrays.get("attention").data.map((byte) => onto[byte]);
    return this.canvas.image("a", { bytes, units: rows, steps }, palette, (row, t) => row >= ends[0] || t >= ends[1] || (causal && t > row));
  }

  /** Who asks, beside the rows: as many as fit. */
  #rows() {
    const { pen, size, beside } = this.canvas;
    const { tokens, font } = this.context.colours();
    const cell = this.height / this.map.rows;
    pen.font = `${size}px ${font}`;
    pen.fillStyle = tokens.ink;
    pen.textAlign = "right";
    pen.textBaseline = "middle";
    const every = nice((size + 2) / cell);
    for (let row = 0; row < this.map.ends[0]; row += every)
      pen.fillText(fits(pen, this.map.sign(row), beside.left - 26), beside.left - 6, (row + 0.5) * cell);
    pen.save();
    pen.translate(9, this.height / 2);
    pen.rotate(-Math.PI / 2);
    pen.textAlign = "center";
    pen.font = `${size - 1}px ${font}`;
    pen.fillStyle = tokens.quiet;
    pen.fillText(this.title, 0, 0);
    pen.restore();
  }

  #read(t, y) {
    if (!this.map) return "";
    const { rows, ends, causal, value, sign } = this.map;
    if (t >= ends[1]) return `${this.canvas.where(t)}, after the end of this sample`;
    const weight = (step) => (value(step, t) ? number(value(step, t)) : `less than ${number(this.map.least)}`);
    const seen = `t = ${t} (${spoken(this.canvas.sample.marks[t])})`;
    const row = Math.floor((y / this.height) * rows);
    if (y >= 0 && row < ends[0]) {
      if (causal && t > row) return `step ${row} (${spoken(sign(row))}) may not look at ${seen}, which comes later`;
      return `step ${row} (${spoken(sign(row))}) looks at ${seen}: ${weight(row)}`;
    }
    const asking = Array.from({ length: ends[0] }, (_, step) => step);
    const most = asking.reduce((best, step) => (value(step, t) > value(best, t) ? step : best), causal ? t : 0);
    return `${seen} is looked at most by step ${most} (${spoken(sign(most))}): ${weight(most)}`;
  }

  reset() {
    this.high = LEAST;
  }

  close() {
    this.leave();
  }
}
