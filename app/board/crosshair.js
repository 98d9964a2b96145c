/** One time step, pointed at on any panel that has the time axis, shown on all of them. */

import { el, setText } from "./dom.js";

/**
 * What stands beside the time steps, the same on every time panel: axis or names at the left, scales at the right.
 * @param {number} size of the type, px
 */
export const edges = (size) => ({ left: Math.round(size * 5.4), right: Math.round(size * 4.7) });

export class Crosshair {
  /** @param {() => number} size of the type, px */
  constructor(size) {
    this.size = size;
    this.panels = new Set();
    this.t = null;
  }

  /**
   * Tie a picture to the shared time step.
   * @param {HTMLElement} picture
   * @param {() => number} steps T
   * @param {(t: number, y: number) => string} read what stands there, in words; y in px from the picture's top, or −1
   * @param {boolean} [avoid] write the words in that half of the picture where one does not point
   */
  join(picture, steps, read, avoid = false) {
    const line = el("div.lab-cross", { hidden: true });
    const text = el("div.lab-readout", { hidden: true });
    picture.append(line, text);
    const panel = { picture, line, text, steps, read, avoid };
    this.panels.add(panel);
    picture.addEventListener("pointermove", (event) => {
      const box = picture.getBoundingClientRect();
      const { left, right } = edges(this.size());
      const place = (event.clientX - box.left - left) / (box.width - left - right);
      if (place < 0 || place >= 1) this.point(null);
      else this.point(Math.floor(place * steps()), panel, event.clientY - box.top);
    });
    picture.addEventListener("pointerleave", () => this.point(null));
    picture.tabIndex = 0;
    picture.addEventListener("keydown", (event) => {
      const move = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
      if (!move) return;
      event.preventDefault();
      event.stopPropagation();
      const last = steps() - 1;
      this.point(Math.min(last, Math.max(0, (this.t ?? (move > 0 ? -1 : last + 1)) + move)), panel, -1);
    });
    picture.addEventListener("blur", () => this.point(null));
    return () => this.panels.delete(panel);
  }

  /** Point at time step t, or at nothing. */
  point(t, source = null, y = -1) {
    this.t = t;
    this.source = source;
    this.y = y;
    this.draw();
  }

  /** Write the lines and read-outs anew; also after new values came. */
  draw() {
    const t = this.t;
    const { left, right } = edges(this.size());
    for (const panel of this.panels) {
      const steps = panel.steps();
      const gone = t === null || t >= steps;
      panel.line.hidden = panel.text.hidden = gone;
      if (gone) continue;
      const width = panel.picture.clientWidth - left - right;
      panel.line.style.transform = `translateX(${(left + ((t + 0.5) / steps) * width).toFixed(1)}px)`;
      const words = panel.read(t, panel === this.source ? this.y : -1);
      panel.text.hidden = !words;
      setText(panel.text, words);
      panel.text.dataset.side = t < steps / 2 ? "right" : "left";
      const above = panel.avoid && panel === this.source && this.y >= 0 && this.y < panel.picture.clientHeight / 2;
      panel.text.dataset.edge = above ? "bottom" : "top";
    }
  }
}
