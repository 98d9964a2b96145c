/** What every map over the time steps is drawn with: bytes looked up in a palette, marks under the axis, a scale. */

import { edges } from "./crosshair.js";
import { el } from "./dom.js";
import { fits, nice, short, spoken, written } from "./marks.js";

const LEAN = Math.PI / 3.2; // of words that are wider than a time step, while the lines of type have room
const SMALLEST = 9; // px of type
const LONGEST = 64; // px of a leaning word
const STOPS = 32; // colours of a palette in the scale beside a map
const NONE = []; // always the same one, for what is kept by it

export class Canvas {
  /** @param {any} context of the panel: `about`, `sample()`, `steps()`, `colours()`, `palettes()`, `fontSize()`, `pixels()` */
  constructor(context) {
    this.context = context;
    this.node = el("canvas.lab-canvas", { "aria-hidden": "true" });
    this.pen = this.node.getContext("2d");
    this.images = new Map();
    this.stops = new Map();
    this.between = [];
  }

  get sample() {
    return this.context.about.samples?.[this.context.sample()];
  }

  /** What the look of any map depends on besides its values. */
  key(width, height) {
    const { context } = this;
    return [width, height, context.pixels(), context.sample(), context.colours().mode, context.fontSize()].join();
  }

  /** An empty sheet of this size in CSS pixels. */
  begin(width, height) {
    const ratio = this.context.pixels();
    const [w, h] = [Math.round(width * ratio), Math.round(height * ratio)];
    if (this.node.width !== w || this.node.height !== h) Object.assign(this.node, { width: w, height: h });
    this.pen.setTransform(ratio, 0, 0, ratio, 0, 0);
    this.pen.clearRect(0, 0, width, height);
    this.width = width;
    this.size = this.context.fontSize();
    this.beside = edges(this.size);
    this.inner = width - this.beside.left - this.beside.right;
    const { about } = this.context;
    const known = [this.inner, this.size, this.context.steps(), this.context.colours().font].join();
    if (about === this.planned?.about && known === this.planned.known) return;
    this.planned = { about, known };
    this.widths = new Map(); // of the marks of a sample, the widest
    this.plan();
  }

  /** How the marks are written, the same for every sample, so that the maps above keep their height. */
  plan() {
    const { pen, size } = this;
    pen.font = this.#font(size);
    const cell = this.inner / this.context.steps();
    const marks = (this.context.about.samples ?? []).flatMap((sample) => sample.marks);
    const words = marks.filter((mark) => mark.length > 3 && !/^(row|pixel) \d+$/.test(mark));
    const widest = Math.max(0, ...words.map((word) => pen.measureText(word).width));
    this.leaning = words.length > 0 && widest + 3 > cell && cell > size * 0.75;
    this.lean = Math.sin(LEAN) * cell > size ? LEAN : Math.PI / 2;
    this.foot = size * 2 + 14 + (this.leaning ? Math.round(Math.sin(this.lean) * Math.min(widest, LONGEST)) - size + 6 : 0);
    const signs = marks.every((mark) => [...mark].length < 2) ? marks.filter(Boolean) : [];
    const usual = pen.measureText(signs.join("")).width / signs.length;
    const small = size * Math.min(1, cell / usual);
    this.close = small >= SMALLEST; // a text is read sign by sign: rather smaller than with gaps
    this.type = this.close ? small : this.leaning ? Math.min(size, cell) : size;
  }

  #font(size, weight = 400) {
    return `${weight} ${size}px ${this.context.colours().font}`;
  }

  /**
   * Rows of bytes as an image, one pixel each.
   * @param {string} name images of one name share their memory
   * @param {{bytes: Uint8Array, units: number, steps: number}} map
   * @param {Uint32Array} palette @param {(row: number, t: number) => boolean} [blank] where there is nothing
   */
  image(name, { bytes, units, steps }, palette, blank = null) {
    let kept = this.images.get(name);
    if (!kept || kept.canvas.width !== steps || kept.canvas.height !== units) {
      const canvas = el("canvas", { width: steps, height: units });
      const pen = canvas.getContext("2d");
      const pixels = pen.createImageData(steps, units);
      kept = { canvas, pen, pixels, words: new Uint32Array(pixels.data.buffer) };
      this.images.set(name, kept);
    }
    const { words } = kept;
    for (let k = 0; k < bytes.length; k++) words[k] = palette[bytes[k]];
    if (blank) for (let k = 0; k < bytes.length; k++) if (blank(Math.floor(k / steps), k % steps)) words[k] = 0;
    kept.pen.putImageData(kept.pixels, 0, 0);
    return kept.canvas;
  }

  /** Draw an image over the time steps, `top` to `top + height`; more rows than pixels: neighbours are averaged. */
  place(image, top, height) {
    const { pen } = this;
    const pixels = Math.round(height * this.context.pixels());
    pen.imageSmoothingEnabled = false;
    pen.drawImage(this.#squeezed(image, pixels), this.beside.left, top, this.inner, height);
  }

  /** Rows halved again and again: one large step would mix neighbouring time steps as well. */
  #squeezed(image, height) {
    if (height < 1) return image;
    let from = image;
    for (let k = 0; from.height > height; k = 1 - k) {
      const into = (this.between[k] ??= el("canvas"));
      Object.assign(into, { width: image.width, height: Math.max(height, Math.ceil(from.height / 2)) }); // also clears it
      const pen = into.getContext("2d");
      pen.imageSmoothingQuality = "low";
      pen.drawImage(from, 0, 0, into.width, into.height);
      from = into;
    }
    return from;
  }

  /** The colours beside a map, and the values at their two ends. */
  scale(palette, { top, height, low, high, ends = [short(low), short(high)] }) {
    const { pen, size } = this;
    const x = this.width - this.beside.right + 8;
    const colours = pen.createLinearGradient(0, top + height, 0, top);
    for (const [place, colour] of this.#stops(palette)) colours.addColorStop(place, colour);
    pen.fillStyle = colours;
    pen.fillRect(x, top, 6, height);
    pen.font = this.#font(size - 2);
    pen.fillStyle = this.context.colours().tokens.quiet;
    pen.textAlign = "left";
    pen.textBaseline = "top";
    pen.fillText(ends[1], x + 10, top);
    pen.textBaseline = "bottom";
    if (height > size * 2) pen.fillText(ends[0], x + 10, top + height);
  }

  /** A palette as [place, colour] for a gradient. */
  #stops(palette) {
    if (!this.stops.has(palette)) {
      const bytes = new Uint8Array(palette.buffer, palette.byteOffset, palette.byteLength); // red, green, blue, opaque
      const places = Array.from({ length: STOPS + 1 }, (_, k) => Math.round((255 * k) / STOPS));
      this.stops.set(palette, places.map((place) => [place / 255, `rgb(${bytes.slice(4 * place, 4 * place + 3)})`]));
    }
    return this.stops.get(palette);
  }

  /** The inputs' marks, those that decide with a bar above them, and the numbers of the time steps; as many as fit. */
  marks(top) {
    const { pen, size, inner } = this;
    const { left, right } = this.beside;
    const { tokens } = this.context.colours();
    const steps = this.context.steps();
    const marks = this.sample?.marks ?? NONE;
    const cell = inner / steps;
    const at = (t) => left + (t + 0.5) * cell;
    pen.fillStyle = tokens.ink;
    for (const t of this.sample?.keys ?? []) pen.fillRect(at(t) - Math.max(3, cell * 0.4), top + 1, Math.max(6, cell * 0.8), 2);
    pen.textBaseline = "top";
    pen.font = this.#font(this.type);
    if (!this.widths.has(marks)) this.widths.set(marks, Math.max(6, ...marks.slice(0, 64).map((mark) => pen.measureText(mark).width)) + 3);
    const widest = this.widths.get(marks);
    const each = this.close ? 1 : nice(widest / cell);
    if (this.leaning) this.#lean(marks, at, top + 6);
    else {
      pen.textAlign = "center";
      for (const t of written(marks.length, this.sample?.keys ?? [], each)) pen.fillText(marks[t], at(t), top + 4);
    }
    const foot = top + this.foot - size - 7;
    pen.font = this.#font(size - 1);
    pen.fillStyle = tokens.quiet;
    pen.textAlign = "center";
    for (let t = 0; t < steps; t += nice((size * 4) / cell)) pen.fillText(String(t), at(t), foot);
    pen.textAlign = "right";
    pen.fillText("t =", left - 6, foot);
    // a wide first mark begins before its cell
    pen.fillText("input", left - Math.max(6, this.leaning ? 6 : widest / 2 - cell / 2 + 3), top + 4);
    pen.textAlign = "left";
    pen.fillText("step", this.width - right + 8, foot);
  }

  #lean(marks, at, top) {
    const { pen } = this;
    pen.textAlign = "right";
    marks.forEach((mark, t) => {
      pen.save();
      pen.translate(at(t) + (this.lean === LEAN ? this.size * 0.3 : -this.type * 0.2), top);
      pen.rotate(-this.lean);
      pen.fillText(fits(pen, mark, LONGEST), 0, -this.type * 0.3);
      pen.restore();
    });
  }

  /** The head of a read-out: the time step, and what is read there. */
  where(t) {
    const mark = this.sample?.marks[t];
    const key = this.sample?.keys?.includes(t) ? ", which decides" : "";
    return `t = ${t}${mark ? `, input ${spoken(mark)}${key}` : ""}`;
  }
}
