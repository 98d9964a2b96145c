/** The inside of the network as it is shown: the newest pictures while live, kept ones while scrubbing. */

import { decode } from "./frames.js";

const KEPT = 120; // fetched frames that stay at hand
const AGAIN = 2000; // ms until a fetch that failed is tried again

export class Snapshots {
  /** @param {string} base @param {() => void} wake */
  constructor(base, wake) {
    this.base = base;
    this.wake = wake;
    this.cache = new Map();
    this.sample = 0;
    this.version = 0;
    this.watch(null);
  }

  watch(run) {
    this.run = run;
    this.at = null;
    this.cache.clear();
    this.clear();
  }

  /** Forget the newest pictures: others follow. */
  clear() {
    this.newest = { common: null, samples: new Map() };
    this.shown = this.wish = this.begun = null;
    this.cache.clear();
    this.#changed();
    if (this.at !== null) this.#fetch();
  }

  choose(sample) {
    this.sample = sample;
    this.#changed();
    if (this.at !== null) this.#fetch();
  }

  add(frame) {
    if (frame.kind === "snapshot") this.newest.common = frame;
    else this.newest.samples.set(frame.sample, frame);
    if (this.at === null) this.#changed();
  }

  /**
   * The arrays of the first kept step and of the chosen sample at it, once they have come; asked for when first wanted.
   * @param {number|undefined} step @returns {Map<string, any>|null}
   */
  first(step) {
    const wish = `${this.run}/${step}/${this.sample}`;
    if (step !== undefined && wish !== this.wish) this.#begin(step, (this.wish = wish));
    return this.begun?.wish === wish ? this.begun.arrays : null;
  }

  async #begin(step, wish) {
    const [common, chosen] = await Promise.all([this.#frame(`${step}`), this.#frame(`${step}/${this.sample}`)]);
    if (this.wish !== wish) return;
    if (common) this.begun = { wish, arrays: new Map([...common.arrays, ...(chosen?.arrays ?? [])]) };
    else setTimeout(() => this.wish === wish && (this.wish = null), AGAIN);
    this.#changed();
  }

  goto(step) {
    this.at = step;
    if (step === null) {
      this.shown = null;
      this.#changed();
    } else this.#fetch();
  }

  /** @returns {{arrays: Map<string, any>, step: number}} */
  view() {
    if (!this.merged) {
      const { common, sample } = this.at !== null && this.shown ? this.shown : { common: this.newest.common, sample: this.newest.samples.get(this.sample) };
      this.merged = { arrays: new Map([...(common?.arrays ?? []), ...(sample?.arrays ?? [])]), step: common?.last ?? -1 };
    }
    return this.merged;
  }

  #changed() {
    this.merged = null;
    this.version += 1;
    this.wake();
  }

  /** Bring the pictures of the step scrubbed to; of a quick scrub only the last wish counts. */
  async #fetch() {
    if (this.fetching) return;
    this.fetching = true;
    try {
      for (let done = null; this.at !== null; ) {
        const { run, at, sample } = this;
        const wish = `${run}/${at}/${sample}`;
        if (wish === done) break;
        done = wish;
        const [common, chosen] = await Promise.all([this.#frame(`${at}`), this.#frame(`${at}/${sample}`)]);
        if (run !== this.run || this.at === null || !common) continue;
        this.shown = { common, sample: chosen };
        this.#changed();
      }
    } finally {
      this.fetching = false;
    }
  }

  async #frame(place) {
    if (this.cache.has(place)) return this.cache.get(place);
    const { run, cache } = this;
    try {
      const answer = await fetch(`${this.base}/runs/${encodeURIComponent(run)}/snapshot/${place}`);
      if (!answer.ok) return null;
      const frame = decode(await answer.arrayBuffer());
      if (run === this.run) cache.set(place, frame);
      if (cache.size > KEPT) cache.delete(cache.keys().next().value);
      return frame;
    } catch {
      return null;
    }
  }
}
