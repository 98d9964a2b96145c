/** When the board draws: at most twenty times a second, less often where it costs much, never while unseen. */

const DRAW = 50; // ms between two drawings
const KEPT = 500; // figures of the last drawings

export class Pace {
  /** @param {(now: number) => void} draw @param {any} counters what tests and the curious read: `draws`, `cost` */
  constructor(draw, counters) {
    this.draw = draw;
    this.counters = counters;
    this.cost = 0;
    this.drawnAt = -DRAW;
  }

  /** Something has changed: draw soon, or with the next frame where somebody waits for just this. */
  wake(hurry = false) {
    if (hurry) {
      clearTimeout(this.timer);
      this.timer = 0;
      this.drawnAt = -Infinity;
    }
    if (this.frame || this.timer || document.hidden || this.closed) return;
    // A slow machine draws less often, so that no more than a third of a core goes into drawing.
    const wait = Math.max(DRAW, 3 * this.cost) - (performance.now() - this.drawnAt);
    const ask = () => {
      this.timer = 0;
      this.frame = requestAnimationFrame(() => this.#frame());
    };
    if (wait > 0) this.timer = setTimeout(ask, wait);
    else ask();
  }

  #frame() {
    this.frame = 0;
    if (document.hidden || this.closed) return;
    this.drawnAt = performance.now();
    this.draw(this.drawnAt);
  }

  /** Wake once more when nothing has moved for so many ms. */
  later(settle) {
    clearTimeout(this.last);
    this.last = setTimeout(() => this.wake(), settle + DRAW);
  }

  /** Something was drawn: what it cost since the drawing began, and how old its oldest point is, if that is known. */
  spent(made) {
    const { counters } = this;
    const cost = performance.now() - this.drawnAt;
    this.cost = 0.7 * this.cost + 0.3 * Math.min(cost, 200);
    counters.draws += 1;
    counters.cost.push(cost);
    // The worker's clock is this machine's only on one machine.
    if (made) counters.delays.push(Date.now() - made);
    for (const kept of [counters.cost, counters.delays]) if (kept.length > KEPT) kept.shift();
  }

  close() {
    this.closed = true;
    clearTimeout(this.timer);
    clearTimeout(this.last);
    cancelAnimationFrame(this.frame);
  }
}
