/** Frames as they come from the worker, and the buffers that keep what they hold. */

const VIEWS = {
  F32: Float32Array,
  F64: Float64Array,
  I32: Int32Array,
  U8: Uint8Array,
  I8: Int8Array,
  I16: Int16Array,
  U16: Uint16Array,
};

/**
 * Decode one safetensors frame. Arrays are views into the frame itself where their place in it is a multiple of
 * their item size, and copies only where it is not.
 * @param {ArrayBuffer} buffer
 * @returns {{kind: string, seq: number, first: number, last: number, sample: number|null, made: number|null,
 *            arrays: Map<string, {data: any, shape: number[]}>}}
 */
export function decode(buffer) {
  const length = Number(new DataView(buffer).getBigUint64(0, true));
  const header = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 8, length)));
  const note = header.__metadata__ ?? {};
  const arrays = new Map();
  delete header.__metadata__;
  for (const [name, { dtype, shape, data_offsets: [start, end] }] of Object.entries(header)) {
    const View = VIEWS[dtype];
    if (!View) throw new Error(`The frame holds ${name} as ${dtype}, which this page cannot read.`);
    const from = 8 + length + start;
    const items = (end - start) / View.BYTES_PER_ELEMENT;
    const data =
      from % View.BYTES_PER_ELEMENT === 0
        ? new View(buffer, from, items)
        : new View(buffer.slice(from, from + end - start));
    arrays.set(name, { data, shape });
  }
  const whole = (text) => (text == null || text === "" ? null : Number(text));
  return {
    kind: note.kind,
    seq: whole(note.seq),
    first: whole(note.first),
    last: whole(note.last),
    sample: whole(note.sample),
    made: whole(note.made),
    arrays,
  };
}

const KEPT = 16384; // points per curve; more than twice what the widest screen can show

/** One curve: growing columns of step and value, halved by min/max pairs when they become too long. */
export class Series {
  constructor() {
    this.x = new Int32Array(256);
    this.y = new Float32Array(256);
    this.length = 0;
  }

  push(step, value) {
    if (this.length === this.x.length) this.#grow();
    this.x[this.length] = step;
    this.y[this.length++] = value;
  }

  get last() {
    return this.length ? this.y[this.length - 1] : NaN;
  }

  /** The value at the last step at or before `step`. */
  at(step) {
    const index = after(this.x, this.length, step) - 1;
    return index < 0 ? NaN : this.y[index];
  }

  /** The last step at or before `step` that has a value. */
  stepAt(step) {
    const index = after(this.x, this.length, step) - 1;
    return index < 0 ? NaN : this.x[index];
  }

  /** The mean of the last `n` values up to a step (all by default). */
  mean(n, step = Infinity) {
    const end = step === Infinity ? this.length : after(this.x, this.length, step);
    const from = Math.max(0, end - n);
    let sum = 0;
    for (let k = from; k < end; k++) sum += this.y[k];
    return sum / (end - from);
  }

  #grow() {
    if (this.length >= KEPT) {
      this.length = extremes(this.x, this.y, 0, this.length, KEPT / 4, this.x, this.y);
      return;
    }
    for (const name of ["x", "y"]) {
      const wider = new this[name].constructor(this.length * 2);
      wider.set(this[name]);
      this[name] = wider;
    }
  }
}

/** The first index whose step is beyond `step`, in x[0 … length). */
export function after(x, length, step) {
  let low = 0;
  let high = length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (x[middle] <= step) low = middle + 1;
    else high = middle;
  }
  return low;
}

/**
 * Keep the smallest and the largest value of each bucket, in their order: a peak is never lost. May write in place.
 * @returns {number} how many points were written to intoX, intoY
 */
export function extremes(x, y, from, to, buckets, intoX, intoY) {
  const count = to - from;
  const put = (place, index) => {
    intoX[place] = x[index];
    intoY[place] = y[index];
  };
  let written = 0;
  if (count <= buckets * 2) {
    for (let k = from; k < to; k++) put(written++, k);
    return written;
  }
  for (let bucket = 0; bucket < buckets; bucket++) {
    const start = from + Math.floor((bucket * count) / buckets);
    const end = from + Math.floor(((bucket + 1) * count) / buckets);
    let low = start;
    let high = start;
    for (let k = start + 1; k < end; k++) {
      if (y[k] < y[low]) low = k;
      if (y[k] > y[high]) high = k;
    }
    if (low === high) put(written++, low);
    else {
      const [a, b] = low < high ? [low, high] : [high, low];
      const [xa, ya, xb, yb] = [x[a], y[a], x[b], y[b]];
      intoX[written] = xa;
      intoY[written++] = ya;
      intoX[written] = xb;
      intoY[written++] = yb;
    }
  }
  return written;
}

/**
 * A centred mean that never lags: 2w + 1 points, fewer near both ends; w is the power of two nearest to
 * length / windows, as in app/figures/filling.py.
 */
export function smooth(y, length, windows, into = new Float32Array(length)) {
  const width = 2 ** Math.max(1, Math.round(Math.log2(length / windows)));
  const sums = new Float64Array(length + 1);
  for (let k = 0; k < length; k++) sums[k + 1] = sums[k] + y[k];
  for (let k = 0; k < length; k++) {
    const reach = Math.min(width, k, length - 1 - k);
    into[k] = (sums[k + reach + 1] - sums[k - reach]) / (2 * reach + 1);
  }
  return into;
}

/** All curves of a run by name. Only finite values are kept; a step already known is skipped. */
export class Scalars {
  constructor() {
    this.series = new Map();
    this.last = -1;
  }

  /** @returns {"ok"|"gap"} a gap means that points between are missing and must be asked for again */
  add(frame, history = false) {
    const steps = frame.arrays.get("step").data;
    if (!steps.length) return "ok";
    if (!history && steps[0] > this.last + 1) return "gap";
    let from = 0;
    while (from < steps.length && steps[from] <= this.last) from++;
    for (const [name, { data }] of frame.arrays) {
      if (name === "step") continue;
      let series = this.series.get(name);
      if (!series) this.series.set(name, (series = new Series()));
      for (let k = from; k < steps.length; k++) if (Number.isFinite(data[k])) series.push(steps[k], data[k]);
    }
    this.last = Math.max(this.last, steps[steps.length - 1]);
    return "ok";
  }

  get(name) {
    return this.series.get(name);
  }
}
