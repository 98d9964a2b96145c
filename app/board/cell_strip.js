/** All steps of the chosen unit at a glance, one row for each quantity; a click goes to a step. */

import { el } from "./dom.js";

const ROW = 12; // px
const LEFT = 28; // px, for the letters
const MARKS = 17; // px, for what is read

export class Strip {
  /** @param {any} walk @param {string[]} rows the quantities, in order @param {(t: number) => void} go */
  constructor(walk, rows, go) {
    this.walk = walk;
    this.rows = rows;
    this.canvas = el("canvas.cell-strip", { "aria-hidden": "true", style: `height:${rows.length * ROW + MARKS}px` });
    const move = (event) => event.buttons & 1 && go(this.#at(event.offsetX));
    this.canvas.addEventListener("pointerdown", (event) => {
      this.canvas.setPointerCapture(event.pointerId);
      move(event);
    });
    this.canvas.addEventListener("pointermove", move);
    this.largest = Object.fromEntries(rows.map((name) => [name, Math.max(1e-12, ...walk.values[name].map((v) => Math.abs(v) || 0))]));
  }

  #at(x) {
    const wide = (this.canvas.clientWidth - LEFT) / this.walk.T;
    return Math.max(0, Math.min(this.walk.T - 1, Math.floor((x - LEFT) / wide)));
  }

  /** @param {number} t @param {any} look of look.js @param {Record<string, string>} colours */
  draw(t, look, colours) {
    const { canvas, rows, walk } = this;
    const ratio = window.devicePixelRatio || 1;
    const [width, height] = [canvas.clientWidth, rows.length * ROW + MARKS];
    if (!width) return;
    if (canvas.width !== Math.round(width * ratio)) canvas.width = Math.round(width * ratio);
    if (canvas.height !== Math.round(height * ratio)) canvas.height = Math.round(height * ratio);
    const pen = canvas.getContext("2d");
    pen.setTransform(ratio, 0, 0, ratio, 0, 0);
    pen.clearRect(0, 0, width, height);
    const wide = (width - LEFT) / walk.T;
    rows.forEach((name, row) => {
      const shared = walk.sigmoids.includes(name);
      const palette = look.palettes[shared ? "sequential" : "diverging"];
      const limit = shared ? 1 : walk.unbounded.includes(name) ? this.largest[name] : 1;
      walk.values[name].forEach((value, k) => {
        const share = shared ? value : (value / limit + 1) / 2;
        pen.fillStyle = word(palette[Math.max(0, Math.min(255, Math.round(share * 255))) || 0]);
        pen.fillRect(LEFT + k * wide, row * ROW, Math.max(wide - (wide > 6 ? 1 : 0), 0.5), ROW - 1);
      });
      pen.fillStyle = colours[name];
      pen.fillRect(2, row * ROW + 1, 4, ROW - 3);
      pen.fillStyle = look.tokens.ink;
      pen.font = `600 12px ${look.font}`;
      pen.textAlign = "left";
      pen.textBaseline = "middle";
      pen.fillText(name, 11, row * ROW + ROW / 2);
    });
    this.#marks(pen, t, wide, look);
    pen.strokeStyle = look.tokens.ink;
    pen.lineWidth = 2;
    pen.strokeRect(LEFT + t * wide - 1, 1, Math.max(wide + 1, 3), rows.length * ROW - 2);
  }

  /** What is read, under its step, as long as there is room; always at the chosen step. */
  #marks(pen, t, wide, look) {
    pen.textAlign = "center";
    pen.textBaseline = "alphabetic";
    const y = this.rows.length * ROW + 14;
    const centre = (k) => LEFT + (k + 0.5) * wide;
    const text = (k) => this.walk.marks[k] ?? "";
    pen.font = `700 12px ${look.font}`;
    const chosen = pen.measureText(text(t)).width + 8;
    pen.fillStyle = look.tokens.ink;
    pen.fillText(text(t), Math.min(Math.max(centre(t), LEFT + chosen / 2), LEFT + wide * this.walk.T - chosen / 2), y);
    pen.font = `12px ${look.font}`;
    pen.fillStyle = look.tokens.quiet;
    let free = LEFT;
    for (let k = 0; k < this.walk.T; k++) {
      const half = pen.measureText(text(k)).width / 2;
      const apart = Math.abs(centre(k) - centre(t)) > half + chosen / 2 + 2;
      if (!apart || k === t || centre(k) - half < free) continue;
      if (centre(k) + half > LEFT + wide * this.walk.T) break;
      pen.fillText(text(k), centre(k), y);
      free = centre(k) + half + 4;
    }
  }
}

/** A colour out of a palette of 32-bit words. */
const word = (value) => `rgb(${value & 255} ${(value >> 8) & 255} ${(value >> 16) & 255})`;
