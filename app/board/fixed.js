/** What small hardware would cost: the metric by number of bits, and the range and number format of every part. */

import { el } from "./dom.js";
import { SHORT } from "./known.js";
import { number, percent } from "./text.js";

const SHARES = ["accuracy", "exact"];

/**
 * @param {any} about @param {Map<string, any>} arrays of the last snapshot of a run
 * @returns {{metric: string, floats: number, bits: number[], paid: number[], parts: any[]}|null}
 */
export function rounded(about, arrays) {
  const found = (name) => arrays?.get(`fixed/${name}`)?.data;
  if (!found("metric")) return null;
  const bits = [...found("bits")];
  const [floats, ...paid] = found("metric");
  const fractions = found("fraction");
  const parts = new TextDecoder()
    .decode(found("names"))
    .split("\n")
    .map((name, k) => ({
      name,
      low: found("low")[k],
      high: found("high")[k],
      formats: bits.map((count, j) => format(count, fractions[k * bits.length + j])),
    }));
  return { metric: about.metric, floats, bits, paid, parts };
}

/** Qm.n with the sign bit not counted. */
const format = (bits, fraction) => `Q${bits - 1 - fraction}.${fraction}`.replace("-", "−");

export const figure = (metric, value) => (SHARES.includes(metric) ? percent(value) : number(value));

export class Fixed {
  constructor() {
    this.node = el("div.lab-words.lab-fixed");
    this.shown = undefined;
  }

  draw(about, _sample, arrays) {
    const names = arrays?.get("fixed/names");
    if (names === this.shown && this.node.childElementCount) return;
    this.shown = names;
    const found = rounded(about, arrays);
    this.node.replaceChildren(...(found ? [this.#paid(found), this.#needs(found)] : [el("p.lab-hint", {}, "Filled in with the last step of a run.")]));
  }

  #paid({ metric, floats, bits, paid }) {
    const rows = [["32-bit floats", floats], ...bits.map((count, k) => [`${count} bits`, paid[k]])];
    return table(["everything rounded to", SHORT[metric] ?? metric], rows.map(([name, value]) => [name, figure(metric, value)]));
  }

  #needs({ bits, parts }) {
    const heads = ["part", "from", "to", ...bits.map((count) => `${count} bits`)];
    return table(heads, parts.map(({ name, low, high, formats }) => [name, number(low), number(high), ...formats]));
  }
}

function table(heads, rows) {
  const head = el("tr", {}, ...heads.map((text) => el("th", { scope: "col" }, text)));
  const body = rows.map(([first, ...rest]) => el("tr", {}, el("th", { scope: "row" }, first), ...rest.map((text) => el("td", {}, text))));
  return el("table.lab-table", {}, el("thead", {}, head), el("tbody", {}, ...body));
}
