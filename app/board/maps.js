/** Maps units × time on a canvas: bytes looked up in a palette, marks under the axis, a scale beside each row. */

import { edges } from "./crosshair.js";
import { el } from "./dom.js";
import { Panel, toggle } from "./panel.js";
import { number } from "./text.js";

const GAP = 4; // px between rows

export class MapPanel extends Panel {
  /**
   * @param {any} spec a panel whose figure's traces are bound by `z`
   * @param {any} context as for lines, with `palettes`, `gates`, `about`, `sample()`
   */
  constructor(spec, context) {
    super(spec);
    this.context = context;
    this.traces = spec.figure.data.map((trace) => trace.meta);
    this.layers = [...new Set(this.traces.map((meta) => meta.layer).filter(Boolean))];
    this.canvas = el("canvas.lab-canvas", { "aria-hidden": "true" });
    this.pen = this.canvas.getContext("2d");
    this.picture.prepend(this.canvas);
    this.images = new Map();
    this.grown = new Map(); // scales that only grow
    this.#switches();
    this.leave = context.crosshair.join(this.picture, () => context.steps(), (t, y) => this.#read(t, y));
  }

  get choices() {
    return (this.context.choices[this.id] ??= {});
  }

  get layer() {
    return this.layers.includes(this.choices.layer) ? this.choices.layer : this.layers[0];
  }

  #switches() {
    if (this.layers.length > 1) {
      const select = el("select.lab-select", { "aria-label": "Layer and direction" });
      for (const layer of this.layers) select.append(el("option", { value: layer, selected: layer === this.layer }, inWords(layer)));
      select.addEventListener("change", () => {
        this.choices.layer = select.value;
        this.context.wake();
      });
      this.switches.append(select);
    }
    const names = [...new Set(this.traces.map((meta) => meta.name))];
    if (names.length > 1)
      for (const name of names) {
        const { title } = this.traces.find((meta) => meta.name === name);
        this.switches.append(
          toggle(name, {
            colour: this.context.gates[name],
            pressed: this.choices[name] ?? true,
            title: `Show or hide the ${title}`,
            onclick: (shown) => {
              this.choices[name] = shown;
              this.context.wake();
            },
          }),
        );
      }
  }

  /** The rows to draw, top to bottom: the inputs where they are numbers, then each chosen quantity. */
  #rows(arrays) {
    const rows = [];
    const sample = this.context.about.samples?.[this.context.sample()];
    if (this.layers.length && sample?.values) rows.push({ meta: INPUT, values: sample.values });
    for (const meta of this.traces) {
      if (meta.layer && meta.layer !== this.layer) continue;
      if ((this.choices[meta.name] ?? true) === false) continue;
      rows.push({ meta, found: arrays?.get(meta.z), range: arrays?.get(meta.range)?.data[0] });
    }
    return rows;
  }

  draw(model) {
    const ratio = window.devicePixelRatio || 1;
    const width = this.picture.clientWidth;
    const height = this.picture.clientHeight;
    if (!width || !height) return false;
    const rows = this.#rows(model.arrays);
    const key = [width, height, ratio, this.context.sample(), this.context.colours().mode, this.context.fontSize(), this.layer, rows.length, ...rows.map((row) => row.meta.name)].join();
    if (this.drawnAs === key && this.drawn === model.arrays) return false;
    const resized = this.canvas.width !== Math.round(width * ratio) || this.canvas.height !== Math.round(height * ratio);
    if (resized) {
      this.canvas.width = Math.round(width * ratio);
      this.canvas.height = Math.round(height * ratio);
    }
    this.drawnAs = key;
    this.drawn = model.arrays;
    const { pen } = this;
    pen.setTransform(ratio, 0, 0, ratio, 0, 0);
    pen.clearRect(0, 0, width, height);
    const size = this.context.fontSize();
    const foot = size * 2 + 14;
    const weights = rows.map((row) => (row.meta === INPUT ? 0.6 : 1));
    const total = weights.reduce((sum, weight) => sum + weight, 0) || 1;
    const free = height - foot - GAP * rows.length;
    let top = 0;
    this.places = rows.map((row, k) => {
      const place = { ...row, top, height: (free * weights[k]) / total };
      top += place.height + GAP;
      return place;
    });
    for (const place of this.places) this.#row(place, width, size);
    this.#marks(width, height - foot, size);
    return true;
  }

  #row(place, width, size) {
    const { pen } = this;
    const { left, right } = edges(size);
    const { tokens, font } = this.context.colours();
    const { meta, top, height } = place;
    const inner = width - left - right;
    Object.assign(place, this.#bytes(place));
    pen.fillStyle = tokens.grid;
    if (!place.bytes) pen.fillRect(left, top, inner, height);
    else {
      const image = this.#squeezed(this.#image(place), Math.round(height * (window.devicePixelRatio || 1)));
      pen.imageSmoothingEnabled = false;
      pen.drawImage(image, left, top, inner, height);
    }
    pen.textBaseline = "middle";
    pen.textAlign = "left";
    pen.font = `600 ${size + 4}px ${font}`;
    const colour = this.context.gates[meta.name];
    if (colour) {
      pen.fillStyle = colour;
      pen.fillRect(4, top + height / 2 - (size + 4) / 2, 4, size + 4);
    }
    pen.fillStyle = tokens.ink;
    pen.fillText(meta.name, 14, top + height / 2);
    pen.font = `${size - 1}px ${font}`;
    pen.fillStyle = tokens.quiet;
    pen.textAlign = "right";
    const what = meta === INPUT ? "" : place.units > 1 ? "units" : "";
    if (place.units > 1 && height > size * 2.6) {
      pen.fillText(String(place.units), left - 6, top + height / 2 - size * 0.55);
      pen.fillText(what, left - 6, top + height / 2 + size * 0.65);
    } else if (place.units > 1) pen.fillText(String(place.units), left - 6, top + height / 2);
    this.#scale(place, width - right + 8, size);
  }

  /** Bytes 0 … 255 and what they stand for. */
  #bytes({ meta, found, range, values }) {
    if (values) {
      const units = values[0].length;
      const steps = values.length;
      const [low, high] = this.#span();
      const bytes = new Uint8Array(units * steps);
      values.forEach((row, t) => row.forEach((value, unit) => (bytes[unit * steps + t] = ((value - low) / (high - low)) * 255)));
      return { bytes, units, steps, low, high };
    }
    if (!found) return { bytes: null, units: 0, steps: 0, low: meta.low, high: range ?? meta.high };
    if (found.data instanceof Uint8Array) {
      const [units, steps] = found.shape;
      return { bytes: found.data, units, steps, low: range ? -range : meta.low, high: range ?? meta.high };
    }
    let high = this.grown.get(meta.name) ?? 2 ** -5;
    for (const value of found.data) while (value > high && high < 1) high *= 2;
    this.grown.set(meta.name, high);
    return { bytes: Uint8Array.from(found.data, (value) => Math.min(255, (value / high) * 255)), units: 1, steps: found.data.length, low: 0, high, exact: found.data };
  }

  /** The smallest and largest input of all shown samples, so that the scale is the same for each. */
  #span() {
    if (!this.span) {
      const all = this.context.about.samples.flatMap((sample) => sample.values ?? []).flat();
      const [low, high] = all.reduce(([a, b], value) => [Math.min(a, value), Math.max(b, value)], [Infinity, -Infinity]);
      this.span = [low >= 0 && low < 0.5 * high ? 0 : low, high > low ? high : low + 1];
    }
    return this.span;
  }

  #image({ meta, bytes, units, steps }) {
    let kept = this.images.get(meta.name);
    if (!kept || kept.canvas.width !== steps || kept.canvas.height !== units) {
      const canvas = el("canvas", { width: steps, height: units });
      const pen = canvas.getContext("2d");
      const pixels = pen.createImageData(steps, units);
      kept = { canvas, pen, pixels, words: new Uint32Array(pixels.data.buffer) };
      this.images.set(meta.name, kept);
    }
    const palette = this.context.palettes()[meta.palette];
    const { words } = kept;
    for (let k = 0; k < bytes.length; k++) words[k] = palette[bytes[k]];
    kept.pen.putImageData(kept.pixels, 0, 0);
    return kept.canvas;
  }

  /** More units than pixels: neighbours are averaged, never the time steps. */
  #squeezed(image, height) {
    if (image.height <= height || height < 1) return image;
    this.between ??= el("canvas");
    const pen = this.between.getContext("2d");
    Object.assign(this.between, { width: image.width, height }); // also clears it
    pen.imageSmoothingQuality = "high";
    pen.drawImage(image, 0, 0, image.width, height);
    return this.between;
  }

  #scale({ meta, top, height, low, high }, x, size) {
    const { pen } = this;
    const { tokens, font } = this.context.colours();
    const bar = this.#bar(meta.palette);
    pen.imageSmoothingEnabled = true;
    pen.drawImage(bar, x, top, 6, height);
    pen.font = `${size - 2}px ${font}`;
    pen.fillStyle = tokens.quiet;
    pen.textAlign = "left";
    pen.textBaseline = "top";
    pen.fillText(short(high), x + 10, top);
    pen.textBaseline = "bottom";
    if (height > size * 2) pen.fillText(short(low), x + 10, top + height);
  }

  #bar(name) {
    const palette = this.context.palettes()[name];
    this.bars ??= new Map();
    if (!this.bars.has(palette)) {
      const canvas = el("canvas", { width: 1, height: 256 });
      const pen = canvas.getContext("2d");
      const pixels = pen.createImageData(1, 256);
      const words = new Uint32Array(pixels.data.buffer);
      words.forEach((_, k) => (words[k] = palette[255 - k]));
      pen.putImageData(pixels, 0, 0);
      this.bars.set(palette, canvas);
    }
    return this.bars.get(palette);
  }

  /** The inputs' marks and the numbers of the time steps under the maps; as many as fit. */
  #marks(width, top, size) {
    const { pen } = this;
    const { left, right } = edges(size);
    const { tokens, font } = this.context.colours();
    const steps = this.context.steps();
    const marks = this.context.about.samples?.[this.context.sample()]?.marks ?? [];
    const inner = width - left - right;
    const cell = inner / steps;
    pen.textAlign = "center";
    pen.textBaseline = "top";
    pen.font = `${size}px ${font}`;
    const widest = Math.max(6, ...marks.slice(0, 64).map((mark) => pen.measureText(mark).width)) + 3;
    const every = nice(widest / cell);
    pen.fillStyle = tokens.ink;
    for (let t = 0; t < marks.length; t += every) pen.fillText(marks[t], left + (t + 0.5) * cell, top + 3);
    pen.font = `${size - 1}px ${font}`;
    pen.fillStyle = tokens.quiet;
    const stride = nice((size * 4) / cell);
    for (let t = 0; t < steps; t += stride) pen.fillText(String(t), left + (t + 0.5) * cell, top + size + 7);
    pen.textAlign = "right";
    pen.fillText("t =", left - 6, top + size + 7);
    pen.fillText("input", left - Math.max(6, widest / 2 - cell / 2 + 3), top + 3); // a wide first mark begins before its cell
    pen.textAlign = "left";
    pen.fillText("step", width - right + 8, top + size + 7);
  }

  #read(t, y) {
    const mark = this.context.about.samples?.[this.context.sample()]?.marks[t];
    const head = `t = ${t}${mark === undefined ? "" : `, input ${mark}`}`;
    const value = ({ bytes, exact, steps, low, high }, unit) => exact?.[t] ?? low + (bytes[unit * steps + t] / 255) * (high - low);
    const place = this.places?.find((one) => y >= one.top && y < one.top + one.height);
    if (place?.bytes) {
      const unit = Math.min(place.units - 1, Math.floor(((y - place.top) / place.height) * place.units));
      const where = place.units > 1 ? `, unit ${unit}` : "";
      return `${head}${where}:  ${place.meta.name} = ${number(value(place, unit))}`;
    }
    const means = (this.places ?? [])
      .filter((one) => one.bytes && one.meta !== INPUT)
      .map((one) => {
        let sum = 0;
        for (let unit = 0; unit < one.units; unit++) sum += value(one, unit);
        return `${one.meta.name} ${number(sum / one.units)}`;
      });
    return `${head}:  ${this.layers.length ? "means " : ""}${means.join("  ")}`;
  }

  reset() {
    this.grown.clear();
    this.span = null;
  }

  close() {
    this.leave();
  }
}

const INPUT = { name: "x", palette: "sequential" };
const short = (value) => (value == null ? "" : Number(value.toPrecision(3)).toString().replace("-", "−"));
const inWords = (layer) => layer.replace(/^l(\d+)\./, "layer $1 ").replace("fwd", "forward").replace("bwd", "backward");

function nice(least) {
  for (let power = 1; ; power *= 10) for (const digit of [1, 2, 5]) if (digit * power >= least) return digit * power;
}
