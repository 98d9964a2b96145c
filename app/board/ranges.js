/** Axes that do not twitch: a range only grows, and it grows to round values. */

/** The end of the axis of training steps: doubles from 25, and never goes beyond the run. */
export function stepLimit(last, steps) {
  let limit = 25;
  while (limit < last) limit *= 2;
  return steps > 0 && limit > steps * 0.7 ? steps : limit;
}

export class Range {
  constructor() {
    this.low = Infinity;
    this.high = -Infinity;
  }

  take(values, from = 0, to = values.length, positive = false) {
    let { low, high } = this;
    for (let k = from; k < to; k++) {
      const value = values[k];
      if (value < low && (!positive || value > 0)) low = value;
      if (value > high && value !== Infinity) high = value;
    }
    this.low = low;
    this.high = high;
  }

  get empty() {
    return !(this.low <= this.high);
  }

  /** For a linear axis: from 0 (or a round value below) to a round value above. */
  linear(fromZero) {
    if (this.empty) return [0, 1];
    const low = fromZero ? Math.min(0, this.low) : this.low;
    const span = this.high - low || Math.abs(this.high) || 1;
    const step = 10 ** Math.floor(Math.log10(span)) / 2;
    const end = Math.ceil((this.high + span * 0.03) / step) * step;
    return [low === 0 ? 0 : Math.floor(low / step) * step, end];
  }

  /** For a log axis: powers of ten. At least one decade. */
  log() {
    if (this.empty || this.high <= 0) return [-1, 1];
    const low = Math.floor(Math.log10(Math.max(this.low, 1e-300)) + 1e-9);
    const high = Math.ceil(Math.log10(this.high) - 1e-9);
    return [Math.min(low, high - 1), high];
  }
}
