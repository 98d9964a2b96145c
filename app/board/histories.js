/** Arrays of the snapshots over the whole training: fetched when a panel first wants one, then extended as it grows. */

import { decode } from "./frames.js";

const MOST = 400; // rows; beyond, every second one goes, but for the first and the newest
const AGAIN = 2000; // ms until a fetch that failed is tried again

/** One array at all steps known: `rows[k]` are its values at `steps[k]`. */
class History {
  constructor(name, sample) {
    Object.assign(this, { name, sample, steps: [], rows: [] });
  }

  /** Values at a step beyond the last one. */
  push(step, values) {
    if (this.steps.length && step <= this.steps.at(-1)) return;
    this.steps.push(step);
    this.rows.push(values);
    if (this.steps.length <= MOST) return;
    const keep = (_, k) => k % 2 === 0 || k === this.steps.length - 1;
    const rows = this.rows.filter(keep);
    this.steps = this.steps.filter(keep);
    this.rows = rows;
  }

  /** What the server has kept, before what has come meanwhile. */
  begin(steps, rows) {
    const end = this.steps.length ? steps.findIndex((step) => step >= this.steps[0]) : -1;
    const count = end < 0 ? steps.length : end;
    this.steps = [...steps.slice(0, count), ...this.steps];
    this.rows = [...rows.slice(0, count), ...this.rows];
  }
}

export class Histories {
  /** @param {string} base @param {() => void} wake */
  constructor(base, wake) {
    Object.assign(this, { base, wake, run: null, known: new Map() });
  }

  watch(run) {
    this.run = run;
    this.clear();
  }

  clear() {
    this.known.clear();
  }

  /** Only the chosen sample's frames come live: what is known of others is of the past. */
  choose() {
    for (const [key, { sample }] of this.known) if (sample !== null) this.known.delete(key);
  }

  /** A live frame, of a snapshot or of a sample in it. */
  add({ kind, sample, last, arrays }) {
    for (const history of this.known.values()) {
      const found = history.sample === (kind === "sample" ? sample : null) && arrays.get(history.name);
      if (found) history.push(last, found.data);
    }
  }

  /** @param {string} name of an array @param {number|null} sample @returns {{steps: number[], rows: any[]}} */
  get(name, sample = null) {
    const key = `${name}/${sample ?? ""}`;
    let history = this.known.get(key);
    if (!history) {
      this.known.set(key, (history = new History(name, sample)));
      this.#fetch(history, key);
    }
    return history;
  }

  async #fetch(history, key) {
    const { run } = this;
    if (run === null) return;
    const query = history.sample === null ? "" : `?sample=${history.sample}`;
    const address = `${this.base}/runs/${encodeURIComponent(run)}/history/${history.name}${query}`;
    try {
      const answer = await fetch(address);
      if (this.known.get(key) !== history) return;
      if (answer.status === 404) return; // nothing is kept yet: what comes live is all there is
      if (!answer.ok) throw new Error(answer.statusText);
      const { arrays } = decode(await answer.arrayBuffer());
      if (this.known.get(key) !== history) return;
      const { data, shape } = arrays.get(history.name);
      const width = shape.slice(1).reduce((product, size) => product * size, 1);
      history.begin([...arrays.get("step").data], Array.from({ length: shape[0] }, (_, k) => data.subarray(k * width, (k + 1) * width)));
      this.wake();
    } catch {
      setTimeout(() => {
        if (this.known.get(key) === history) this.known.delete(key);
        this.wake();
      }, AGAIN);
    }
  }
}
