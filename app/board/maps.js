/** Maps units × time on a canvas: one row for each quantity of the cell, over the marks of the inputs. */

import { Canvas } from "./canvas.js";
import { el } from "./dom.js";
import { length } from "./marks.js";
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
    this.canvas = new Canvas(context);
    this.picture.prepend(this.canvas.node);
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
    const { width, height } = this.room;
    if (!width || !height) return false;
    const rows = this.#rows(model.arrays);
    const key = [this.canvas.key(width, height), this.layer, ...rows.map((row) => row.meta.name)].join();
    if (this.drawnAs === key && this.drawn === model.arrays) return false;
    this.drawnAs = key;
    this.drawn = model.arrays;
    this.canvas.begin(width, height);
    this.picture.style.setProperty("--foot", `${this.canvas.foot}px`);
    const weights = rows.map((row) => (row.meta === INPUT ? 0.6 : 1));
    const total = weights.reduce((sum, weight) => sum + weight, 0) || 1;
    const free = height - this.canvas.foot - GAP * rows.length;
    let top = 0;
    this.places = rows.map((row, k) => {
      const place = { ...row, top, height: (free * weights[k]) / total };
      top += place.height + GAP;
      return place;
    });
    const marks = this.canvas.sample?.marks;
    this.end = marks ? length(marks) : Infinity;
    for (const place of this.places) this.#row(place);
    this.canvas.marks(height - this.canvas.foot);
    return true;
  }

  #row(place) {
    const { pen, size, beside, inner } = this.canvas;
    const { tokens, font } = this.context.colours();
    const { meta, top, height } = place;
    const palette = this.context.palettes()[meta.palette];
    Object.assign(place, this.#bytes(place));
    pen.fillStyle = tokens.grid;
    if (!place.bytes) pen.fillRect(beside.left, top, inner, height);
    else this.canvas.place(this.canvas.image(meta.name, place, palette, this.end < place.steps ? (_, t) => t >= this.end : null), top, height);
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
    if (place.units > 1 && height > size * 2.6) {
      pen.fillText(String(place.units), beside.left - 6, top + height / 2 - size * 0.55);
      if (meta !== INPUT) pen.fillText("units", beside.left - 6, top + height / 2 + size * 0.65);
    } else if (place.units > 1) pen.fillText(String(place.units), beside.left - 6, top + height / 2);
    this.canvas.scale(palette, place);
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
      return { bytes: found.data, units, steps, low: meta.low * (range ?? 1), high: range ?? meta.high };
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

  #read(t, y) {
    const head = this.canvas.where(t);
    if (t >= this.end) return `${head}, after the end of this sample`;
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
const inWords = (layer) => layer.replace(/^l(\d+)\./, "layer $1 ").replace("fwd", "forward").replace("bwd", "backward");
