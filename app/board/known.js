/** What the readings have in common: values at the step that is shown, and a few means. */

/**
 * @typedef {Object} Known
 * @property {any} about
 * @property {any} scalars curves by name
 * @property {Map<string, any>} arrays the shown snapshot and sample
 * @property {any} state
 * @property {number|null} at the step scrubbed to
 * @property {number} sample
 * @property {string} [layer] of the maps
 * @property {any} [panel] the panel itself
 * @property {() => Map<string, any>|null} [first] the arrays of the first kept step
 * @typedef {{number?: string, label?: string, sentence?: string}} Reading
 */

import { length } from "./marks.js";

export const latest = (known, name) => (known.at === null ? known.scalars.get(name)?.last : known.scalars.get(name)?.at(known.at)) ?? NaN;
export const recent = (known, name, n = 20) => known.scalars.get(name)?.mean(n, known.at ?? Infinity) ?? NaN;

/** Metrics in words, where their name is none. */
export const SHORT = { mae: "error", mse: "squared error", bits: "bits per character", exact: "exact answers" };

/** Metrics that are shares of right answers: the more the better, 1 is all. */
export const isShare = (name) => name === "accuracy" || name === "exact";

/** The newest value of the run's metric: of the validation, once one was made after the first update. */
export function measured(known, name = known.about.metric) {
  const series = known.scalars.get(`${name}/val`);
  const validation = latest(known, `${name}/val`);
  const stale = series?.stepAt(known.at ?? Infinity) === 0 && known.at !== 0 && known.scalars.get(`${name}/train`)?.length > 1;
  return Number.isFinite(validation) && !stale
    ? { now: validation, label: "validation" }
    : { now: latest(known, `${name}/train`), label: "train" };
}

export const solved = (known) => isShare(known.about.metric) && measured(known).now >= 0.99;
export const mean = (data) => data.reduce((sum, value) => sum + value, 0) / data.length;
export const sampleOf = (known) => known.about.samples?.[known.sample];

/** The bytes of one quantity of the shown sample, without what stands behind its end, and how many units it has. */
export function bytes(known, layer, name) {
  const found = known.arrays?.get(`gate/${layer}.${name}`);
  if (!found) return null;
  const steps = found.shape?.[1] ?? found.data.length;
  const end = Math.min(steps, length(sampleOf(known)?.marks ?? []) || steps);
  return end === steps ? found.data : found.data.filter((_, k) => k % steps < end);
}
