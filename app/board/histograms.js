/** Small histograms side by side: a row for each gate, filled as it is now, with the outline of the first step. */

import { el, setText } from "./dom.js";
import { Panel } from "./panel.js";
import { short } from "./marks.js";
import { number, percent } from "./text.js";

const GAP = 6; // px between rows
const TALLER = 3; // than the shape of now an outline may be; beyond, its tip is cut off
const BYTES = 8; // values of a byte that make one bin

/**
 * A histogram as it was counted, or of the bytes of a map without what stands behind a sample's end.
 * @param {any} meta of a trace @param {Map<string, any>} arrays @param {number} sample
 * @returns {{low: number, high: number, shares: number[]}|null} shares that add up to 1
 */
export function spread(meta, arrays, sample) {
  const found = arrays?.get(meta.y);
  if (!found) return null;
  if (meta.bins) {
    const high = arrays.get(meta.bins).data[0];
    return { low: -high, high, shares: parts(found.data) };
  }
  const high = meta.range && arrays.has(meta.range) ? arrays.get(meta.range).data[0] : meta.high;
  const counts = new Array(256 / BYTES).fill(0);
  const [units, steps] = found.shape;
  const end = Math.min(steps, meta.ends[sample] ?? steps);
  for (let unit = 0; unit < units; unit++) for (let t = 0; t < end; t++) counts[Math.floor(found.data[unit * steps + t] / BYTES)] += 1;
  return { low: meta.low * (meta.range ? high : 1), high, shares: parts(counts) };
}

function parts(counts) {
  const sum = counts.reduce((total, each) => total + each, 0) || 1;
  return Array.from(counts, (each) => each / sum);
}

export class HistogramPanel extends Panel {
  /** @param {any} spec a panel whose figure's traces say their `row`, `column` and `layer` @param {any} context as for maps */
  constructor(spec, context) {
    super(spec);
    this.context = context;
    this.traces = spec.figure.data.map((trace) => trace.meta);
    this.layers = [...new Set(this.traces.map((meta) => meta.layer))];
    this.sheet = el("canvas.lab-canvas", { "aria-hidden": "true" });
    this.readout = el("div.lab-readout", { hidden: true });
    this.picture.prepend(this.sheet);
    this.picture.append(this.readout);
    this.pen = this.sheet.getContext("2d");
    this.reset();
    this.#switches();
    this.#listen();
  }

  get choices() {
    return (this.context.choices[this.id] ??= {});
  }

  get layer() {
    return this.layers.includes(this.choices.layer) ? this.choices.layer : this.layers[0];
  }

  #switches() {
    if (this.layers.length < 2) return;
    const select = el("select.lab-select", { "aria-label": "Layer and direction" });
    for (const layer of this.layers) select.append(el("option", { value: layer, selected: layer === this.layer }, inWords(layer)));
    select.addEventListener("change", () => {
      this.choices.layer = select.value;
      this.reset();
      this.context.wake();
    });
    this.switches.append(select);
  }

  draw(model) {
    const { width, height } = this.room;
    if (!width || !height) return false;
    const ratio = this.context.pixels();
    const [w, h] = [Math.round(width * ratio), Math.round(height * ratio)];
    if (this.sheet.width !== w || this.sheet.height !== h) Object.assign(this.sheet, { width: w, height: h });
    this.pen.setTransform(ratio, 0, 0, ratio, 0, 0);
    this.pen.clearRect(0, 0, width, height);
    this.size = this.context.fontSize();
    this.#lay(width, height);
    const first = model.first();
    for (const cell of this.cells) {
      cell.now = spread(cell.meta, model.arrays, this.context.sample());
      cell.first = spread(cell.meta, first, this.context.sample());
      this.#cell(cell);
    }
    this.#feet();
    this.#point();
    return true;
  }

  /** Where each histogram stands. */
  #lay(width, height) {
    const shown = this.traces.filter((meta) => !meta.first && meta.layer === this.layer);
    const rows = Math.max(...shown.map(({ row }) => row)) + 1;
    const columns = Math.max(...shown.map(({ column }) => column)) + 1;
    const left = this.size * 2;
    const top = columns > 1 ? this.size + 8 : 4;
    this.foot = shown[0].bins ? this.size + 10 : 4;
    const high = (height - top - this.foot - GAP * (rows - 1)) / rows;
    const right = shown[0].bins ? 8 : this.size * 6; // a row of values has its own range, written behind it
    const wide = (width - left - right - 24 * (columns - 1)) / columns;
    this.cells = shown.map((meta) => ({ meta, x: left + meta.column * (wide + 24), y: top + meta.row * (high + GAP), wide, high }));
    this.rows = rows;
  }

  /** The range of a column of weights is that of the widest; each row of values has its own. */
  #range(cell) {
    const key = cell.meta.bins ? `x${cell.meta.column}` : `x${cell.meta.name}`;
    const [low, high] = this.grown.get(key) ?? [Infinity, -Infinity];
    const all = [cell.now, cell.first].filter(Boolean);
    const range = [Math.min(low, ...all.map((one) => one.low)), Math.max(high, ...all.map((one) => one.high))];
    this.grown.set(key, range);
    return range;
  }

  #cell(cell) {
    const { pen, size } = this;
    const { tokens, font } = this.context.colours();
    const { meta, x, y, wide, high } = cell;
    const colour = this.context.gates[meta.name] ?? tokens.quiet;
    if (meta.column === 0) {
      pen.fillStyle = colour;
      pen.fillRect(0, y + high / 2 - (size + 4) / 2, 4, size + 4);
      pen.font = `600 ${size + 3}px ${font}`;
      pen.fillStyle = tokens.ink;
      pen.textAlign = "left";
      pen.textBaseline = "middle";
      pen.fillText(meta.name, 9, y + high / 2);
    }
    if (meta.row === 0 && meta.bins) {
      pen.font = `${size}px ${font}`;
      pen.fillStyle = tokens.quiet;
      pen.textAlign = "center";
      pen.textBaseline = "top";
      pen.fillText(meta.title, x + wide / 2, 0);
    }
    pen.fillStyle = tokens.faint;
    pen.fillRect(x, y + high, wide, 1);
    cell.range = this.#range(cell);
    if (!cell.now && !cell.first) return;
    const tallest = cell.now ? Math.max(peak(cell.now), Math.min(cell.first ? peak(cell.first) : 0, TALLER * peak(cell.now))) : peak(cell.first);
    pen.save();
    pen.beginPath();
    pen.rect(x, y, wide, high + 1);
    pen.clip();
    if (cell.now) {
      this.#shape(cell, cell.now, tallest, true);
      pen.globalAlpha = 0.75;
      pen.fillStyle = colour;
      pen.fill();
      pen.globalAlpha = 1;
    }
    if (cell.first) {
      this.#shape(cell, cell.first, tallest, false);
      pen.strokeStyle = tokens.quiet;
      pen.lineWidth = 1.25;
      pen.stroke();
    }
    pen.restore();
  }

  /** The steps of a histogram as a path, closed along the axis where it is to be filled. */
  #shape({ x, y, wide, high, range }, { low, high: end, shares }, tallest, closed) {
    const { pen } = this;
    const bin = (end - low) / shares.length;
    const across = (value) => x + ((value - range[0]) / (range[1] - range[0])) * wide;
    const up = (share) => y + high - (share / bin / tallest) * (high - 2);
    pen.beginPath();
    if (closed) pen.moveTo(across(low), y + high);
    shares.forEach((share, k) => {
      pen.lineTo(across(low + k * bin), up(share));
      pen.lineTo(across(low + (k + 1) * bin), up(share));
    });
    if (closed) pen.lineTo(across(end), y + high);
  }

  /** The values under each column of weights; those of a row of the network's own values behind it. */
  #feet() {
    const { pen, size } = this;
    const { tokens, font } = this.context.colours();
    pen.font = `${size - 1}px ${font}`;
    pen.fillStyle = tokens.quiet;
    for (const { meta, x, y, wide, high, range } of this.cells) {
      if (!Number.isFinite(range[0])) continue;
      if (!meta.bins) {
        pen.textAlign = "left";
        pen.textBaseline = "bottom";
        pen.fillText(`${short(range[0])} to ${short(range[1])}`, x + wide + 8, y + high);
        continue;
      }
      if (meta.row < this.rows - 1) continue;
      pen.textBaseline = "top";
      for (const [place, align] of [[0, "left"], [0.5, "center"], [1, "right"]]) {
        pen.textAlign = align;
        pen.fillText(short(range[0] + place * (range[1] - range[0])), x + place * wide, y + high + 4);
      }
    }
  }

  #listen() {
    const { picture } = this;
    picture.tabIndex = 0;
    picture.addEventListener("pointermove", (event) => {
      const box = picture.getBoundingClientRect();
      const [px, py] = [event.clientX - box.left, event.clientY - box.top];
      const cell = this.cells?.find(({ x, y, wide, high }) => px >= x && px < x + wide && py >= y && py < y + high);
      this.pointed = cell ? { row: cell.meta.row, column: cell.meta.column, place: (px - cell.x) / cell.wide } : null;
      this.#point();
    });
    const leave = () => {
      this.pointed = null;
      this.#point();
    };
    picture.addEventListener("pointerleave", leave);
    picture.addEventListener("blur", leave);
    picture.addEventListener("keydown", (event) => {
      const move = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
      if (!move || !this.cells?.length) return;
      event.preventDefault();
      event.stopPropagation();
      const { row, column, place } = this.pointed ?? { row: 0, column: 0, place: 0.5 };
      this.pointed = { row: Math.min(this.rows - 1, Math.max(0, row + move[1])), column, place: Math.min(0.99, Math.max(0, place + move[0] / 48)) };
      this.#point();
    });
  }

  /** Say what is in the bin that is pointed at. */
  #point() {
    const cell = this.pointed && this.cells?.find(({ meta }) => meta.row === this.pointed.row && meta.column === this.pointed.column);
    const words = cell ? told(cell, this.pointed.place) : "";
    this.readout.hidden = !words;
    setText(this.readout, words);
    if (cell) Object.assign(this.readout.dataset, { side: cell.meta.column || this.pointed.place > 0.5 ? "left" : "right", edge: cell.meta.row ? "top" : "bottom" });
  }

  reset() {
    this.grown = new Map(); // scales that only grow
  }
}

const peak = ({ low, high, shares }) => (Math.max(...shares) * shares.length) / (high - low);
const inWords = (layer) => layer.replace(/^l(\d+)\./, "layer $1 ").replace("fwd", "forward").replace("bwd", "backward");

function told({ meta, now, first, range }, place) {
  const value = range[0] + place * (range[1] - range[0]);
  const share = (of) => {
    if (!of) return null;
    const bin = Math.floor(((value - of.low) / (of.high - of.low)) * of.shares.length);
    const wide = (of.high - of.low) / of.shares.length;
    return { share: of.shares[bin] ?? 0, low: of.low + bin * wide, high: of.low + (bin + 1) * wide };
  };
  const [here, then] = [share(now), share(first)];
  if (!here) return "";
  const before = then ? `; at step 0 ${exact(then.share)}${Math.abs(then.high - then.low - (here.high - here.low)) > 1e-9 ? " in a bin of another width" : ""}` : "";
  return `${meta.name}, ${number(here.low)} to ${number(here.high)}:  ${exact(here.share)}${before}`;
}

const exact = (share) => (share > 0 && share < 0.01 ? `${number(share * 100)}\u202f%` : percent(share));
